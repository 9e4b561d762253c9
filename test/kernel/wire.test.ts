import { createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createHeader, decode, encode, ReplayGuard, WireError } from "../../kernel/wire/messages.js";

const secret = { key: "a0436f6c-1916-498b-8eb9-e81ab9368e84", signature_scheme: "hmac-sha256" };
const message = () => ({ identities: [Buffer.from("peer")], header: createHeader("execute_request", "s"), content: { code: "1 + 1" } });

describe("the wire", () => {
  test("a message survives", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.array(fc.uint8Array()), (value, buffers) => {
        const content = { value: JSON.parse(JSON.stringify(value)) };
        const decoded = decode(secret, encode(secret, { ...message(), content, buffers }));
        expect(decoded.content).toEqual(content);
        expect(decoded.buffers.map((b) => [...b])).toEqual(buffers.map((b) => [...b]));
        expect(Buffer.from(decoded.identities[0]!).toString()).toBe("peer");
      }),
    );
  });

  test("half a surrogate pair, which no UTF-8 file can hold, becomes a replacement character", () => {
    const content = { text: "\ud83d half, \ud83d\ude00 whole, \\ud83d written", "\udfff": 1 };
    const decoded = decode(secret, encode(secret, { ...message(), content }));
    expect(decoded.content).toEqual({ text: "\ufffd half, \ud83d\ude00 whole, \\ud83d written", "\ufffd": 1 });
  });

  test("the signature is the HMAC of the four frames, as the specification says", () => {
    const frames = encode(secret, message());
    const hmac = createHmac("sha256", secret.key);
    for (const frame of frames.slice(3, 7)) hmac.update(frame);
    expect(Buffer.from(frames[2]!).toString()).toBe(hmac.digest("hex"));
  });

  test("a changed frame, a wrong key, a missing frame are refused", () => {
    const frames = encode(secret, message());
    for (let i = 2; i < 7; i++) {
      const changed = frames.map((frame, j) => (i === j ? Buffer.concat([frame, Buffer.from(" ")]) : frame));
      expect(() => decode(secret, changed)).toThrow(WireError);
      expect(() => decode(secret, frames.slice(0, i))).toThrow(WireError);
    }
    expect(() => decode({ ...secret, key: "other" }, frames)).toThrow("bad signature");
  });

  test("the signature is checked before anything is parsed", () => {
    const frames = encode(secret, message());
    frames[3] = Buffer.from("not JSON");
    expect(() => decode(secret, frames)).toThrow("bad signature");
  });

  test("a replay is refused, and the guard forgets the oldest only", () => {
    const replays = new ReplayGuard(2);
    const [a, b, c] = [1, 2, 3].map(() => encode(secret, message()));
    decode(secret, a!, replays);
    expect(() => decode(secret, a!, replays)).toThrow("replayed");
    decode(secret, b!, replays);
    decode(secret, c!, replays); // a is forgotten
    expect(() => decode(secret, b!, replays)).toThrow("replayed");
    expect(decode(secret, a!, replays).content).toEqual({ code: "1 + 1" });
  });

  test("anything at all is refused without another kind of error", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array()), (frames) => {
        expect(() =>
          decode(secret, [...frames.map((f) => Buffer.from(f)), Buffer.from("<IDS|MSG>"), ...frames.map((f) => Buffer.from(f))]),
        ).toThrow(WireError);
      }),
    );
  });
});
