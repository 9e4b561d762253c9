import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import * as zmq from "zeromq";
import { createHeader, encode, endpoint } from "../../kernel/wire/messages.js";
import { result, useKernel } from "./client.js";

/** Whatever arrives on the sockets, the kernel goes on, correctly. */

const kernel = useKernel("let alive = 0;");
let stranger: Record<"shell" | "control" | "stdin", zmq.Dealer>;
beforeEach(() => {
  const connect = (channel: "shell" | "control" | "stdin") => {
    const socket = new zmq.Dealer({ linger: 0 });
    socket.connect(endpoint(kernel.connection, channel));
    return socket;
  };
  stranger = { shell: connect("shell"), control: connect("control"), stdin: connect("stdin") };
});
afterEach(() => {
  for (const socket of Object.values(stranger)) socket.close();
});

const lives = async () => {
  const before = Number(result(await kernel.run("alive")));
  expect(result(await kernel.run("++alive"))).toBe(String(before + 1));
  expect((await kernel.ask("control", "kernel_info_request", {})).header.msg_type).toBe("kernel_info_reply");
};

const channels = fc.constantFrom("shell", "control", "stdin");
const frame = fc.uint8Array({ maxLength: 200 });

test("frames of anything", async () => {
  await fc.assert(
    fc.asyncProperty(channels, fc.array(frame, { minLength: 1, maxLength: 9 }), async (channel, frames) => {
      await stranger[channel as "shell"].send(frames as unknown as Buffer[]);
    }),
    { numRuns: 300 },
  );
  await lives();
});

test("real messages with frames cut, moved, doubled, changed", async () => {
  const request = () =>
    encode(kernel.connection, {
      header: createHeader("execute_request", "stranger"),
      content: { code: "alive = -1e9", silent: false },
    });
  const change = fc.constantFrom("cut", "drop", "swap", "double", "flip", "empty");
  await fc.assert(
    fc.asyncProperty(channels, change, fc.nat({ max: 5 }), fc.nat(), async (channel, kind, at, n) => {
      const original = request();
      const frames = [...original];
      const bytes = Buffer.from(frames[at]!);
      if (kind === "cut") frames.splice(at + (at === 0 ? 1 : 0));
      else if (kind === "drop") frames.splice(at, 1);
      else if (kind === "swap") [frames[at], frames[(at + 1) % 6]] = [frames[(at + 1) % 6]!, bytes];
      else if (kind === "double") frames.splice(at, 0, bytes);
      else if (kind === "empty") frames[at] = Buffer.alloc(0);
      else if (bytes.length) {
        bytes[n % bytes.length]! ^= 1 << (n % 8);
        frames[at] = bytes;
      }
      // Equal frames swapped leave the message as it was; a second content frame is a buffer, which no signature covers.
      const same = frames.length === 6 && frames.every((part, i) => Buffer.compare(part, original[i]!) === 0);
      if (same || (kind === "double" && at === 5)) return;
      await stranger[channel as "shell"].send(frames as Buffer[]);
    }),
    { numRuns: 400 },
  );
  await lives();
});

test("a frame of 64 MB", async () => {
  await stranger.shell.send([Buffer.alloc(64e6, 0x20)]);
  await stranger.shell.send(["<IDS|MSG>", "0".repeat(64), Buffer.alloc(64e6, 0x20), "{}", "{}", "{}"]);
  await lives();
});

test("signed requests with any content are answered", async () => {
  const types = ["complete_request", "inspect_request", "is_complete_request", "history_request", "comm_info_request", "execute_request"];
  const field = fc.constantFrom(
    "code",
    "cursor_pos",
    "n",
    "pattern",
    "hist_access_type",
    "start",
    "stop",
    "session",
    "user_expressions",
    "target_name",
  );
  const value = fc.oneof(fc.jsonValue(), fc.integer(), fc.constantFrom("tail", "range", "search", "[", "*", "\ud800"));
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...types), fc.dictionary(field, value), async (type, content) => {
      const safe = type === "execute_request" ? { ...content, code: "0" } : content;
      const reply = await kernel.ask("shell", type, safe);
      expect(reply.header.msg_type).toBe(type.replace("_request", "_reply"));
      expect(["ok", "error", "complete", "incomplete", "invalid", "unknown"]).toContain(reply.content.status);
    }),
    { numRuns: 200 },
  );
  await lives();
});

test("signed messages that nobody asked for do nothing", async () => {
  const send = (channel: "shell" | "control" | "stdin", type: string, content: object) =>
    stranger[channel].send(encode(kernel.connection, { header: createHeader(type, "stranger"), content }) as Buffer[]);
  await send("stdin", "input_reply", { value: "unasked" });
  await send("shell", "comm_msg", { comm_id: "nowhere", data: 1 });
  await send("shell", "comm_msg", {});
  await send("shell", "comm_open", { comm_id: 7, target_name: {} });
  await send("shell", "comm_close", { comm_id: null });
  await send("control", "debug_request", { command: null });
  await send("control", "no_such_request", {});
  await send("shell", "no_such_request", {});
  await lives();
});

test("noise on the heartbeat and on iopub", async () => {
  const heart = new zmq.Request({ linger: 0 });
  heart.connect(endpoint(kernel.connection, "hb"));
  for (const beat of [["ping"], [Buffer.alloc(1000, 0xff)], ["a", "", "b"]]) {
    await heart.send(beat);
    expect((await heart.receive()).map((part) => part.length)).toEqual(beat.map((part) => part.length));
  }
  heart.close();
  const subscriber = new zmq.XSubscriber({ linger: 0 });
  subscriber.connect(endpoint(kernel.connection, "iopub"));
  for (const noise of [Buffer.from([1]), Buffer.from([7, 7]), Buffer.alloc(0), Buffer.from([1, 0xff, 0xfe])]) await subscriber.send(noise);
  await lives();
  subscriber.close();
});
