import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serializeGgufMetadata } from "@huggingface/gguf";
import * as tf from "@tensorflow/tfjs";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openDirectory } from "../../src/model/directory.js";
import { WeightsError } from "../../src/model/errors.js";
import { openRanges } from "../../src/model/files.js";
import { dequantize, GGML_TYPES, quantizeQ80 } from "../../src/model/ggml-types.js";
import { openGguf } from "../../src/model/gguf.js";
import { checkHeader, readStrings } from "../../src/model/gguf-check.js";
import { strings, text, typedMetadata } from "../../src/model/gguf-metadata.js";
import { halfToFloat, toBfloats, toHalves } from "../../src/model/halves.js";
import { loadModel } from "../../src/model/load.js";
import quants from "../fixtures/llama-quants.json" with { type: "json" }; // by the gguf package: test/fixtures/llama_fixture.py
import expected from "../fixtures/llama-tiny.json" with { type: "json" };
import gguf from "../fixtures/quants-gguf.json" with { type: "json" }; // test/fixtures/quants_fixture.py
import { fixture } from "./open.js";

let dir: string;
let whole: Buffer;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "erpo-gguf-"));
  whole = await readFile(fixture("llama-tiny.gguf"));
});
afterAll(() => rm(dir, { recursive: true }));

async function changed(change: (bytes: Buffer) => Buffer): Promise<string> {
  const path = join(dir, "changed.gguf");
  await writeFile(path, change(Buffer.from(whole)));
  return path;
}

/** Replaces the first occurrence of one text by another of the same length. */
const replaced = (from: string, to: string) => (bytes: Buffer) => {
  const at = bytes.indexOf(from);
  expect(at).toBeGreaterThanOrEqual(0);
  bytes.write(to, at);
  return bytes;
};

test("tokens that begin with a byte-order mark keep it: without it they would take the ids of others", async () => {
  const tokens = ["#", "\ufeff#", "", "\u4e2d\u2581"];
  const path = join(dir, "tokens.gguf");
  await writeFile(path, serializeGgufMetadata(typedMetadata({ a: text("b"), tokens: strings(tokens), none: strings([]) }, 0)));
  const file = openRanges(path);
  const { lists } = checkHeader(file);
  expect([...lists].map(([key, list]) => [key, readStrings(file, list)])).toEqual([
    ["tokens", tokens],
    ["none", []],
  ]);
  file.close();
});

test("a GGUF file of the tiny model holds the same tensors, rotary rows turned back, and the same logits", async () => {
  const [a, b] = [await openGguf(fixture("llama-tiny.gguf")), await openDirectory(fixture("llama-tiny"))];
  expect(a.config).toEqual(b.config);
  for (const module of ["self_attn.q_proj", "self_attn.k_proj", "mlp.down_proj"]) {
    const name = `model.layers.1.${module}.weight`;
    expect(a.read(name)).toEqual(b.read(name));
  }
  a.close();
  b.close();
  const model = await loadModel(fixture("llama-tiny.gguf"));
  const logits = tf.tidy(
    () =>
      model.decoder
        .logits(model.decoder.hidden(tf.tensor2d([expected.rows[0]!], [1, 12], "int32")).reshape([12, -1]))
        .arraySync() as number[][],
  );
  logits[11]!.forEach((x, i) => void expect(x).toBeCloseTo(expected.logits_row_0.values[2]![i]!, 3));
  for (const { text, ids } of expected.tokenizer) expect(model.tokenizer.encode(text)).toEqual(ids);
  model.dispose();
});

const uint32 = (value: number, at: number) => (bytes: Buffer) => {
  bytes.writeUInt32LE(value, at);
  return bytes;
};
const huge = (at: number) => (bytes: Buffer) => {
  bytes.writeBigUInt64LE(1n << 63n, at);
  return bytes;
};

describe("refuses", () => {
  test.each<[string, (bytes: Buffer) => Buffer, RegExp]>([
    ["a file without the magic bytes", replaced("GGUF", "GGML"), /does not start with the bytes GGUF/],
    ["an empty file", () => Buffer.alloc(0), /does not start with the bytes GGUF/],
    ["an unknown version", uint32(9, 4), /broken GGUF header: unsupported version 9; convert it/],
    ["2^63 tensors", huge(8), /broken GGUF header: 9223372036854776000 tensors in a file of 104352 bytes/],
    ["2^63 metadata keys", huge(16), /broken GGUF header: 9223372036854776000 metadata keys in a file of/],
    ["a truncated header", (b) => b.subarray(0, 2000), /broken GGUF header: metadata key 14 of \d+ goes beyond the file's 2000 bytes/],
    ["a header cut in its list of tensors", (b) => b.subarray(0, 5000), /broken GGUF header: .* goes beyond the file's 5000 bytes/],
    ["truncated data", (b) => b.subarray(0, b.length - 100), /truncated: tensor .* ends at byte \d+, the file has \d+/],
    ["another architecture", replaced("llama", "llamb"), /general.architecture is "llamb"/],
    ["another tokenizer", replaced("gpt2", "gpt3"), /tokenizer model "gpt3"/],
    ["another pre-tokenizer", replaced("smollm", "smollx"), /pre-tokenizer "smollx"/],
    ["a missing tensor", replaced("blk.1.ffn_up", "blk.9.ffn_up"), /tensor blk.1.ffn_up.weight is missing/],
    ["a missing key", replaced("llama.block_count", "llama.block_xount"), /metadata "llama.block_count" is undefined/],
  ])("%s", async (_, change, message) => {
    await expect(openGguf(await changed(change))).rejects.toThrow(message);
    await expect(openGguf(await changed(change))).rejects.toThrow(/changed\.gguf: /);
  });
});

test("any damage to the header is a WeightsError, or harmless; never a crash or a hang", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(7000), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      fc.option(fc.nat(20_000)),
      async (flips, cut) => {
        const path = await changed((bytes) => {
          for (const [at, value] of flips) bytes[at] = value;
          return cut === null ? bytes : bytes.subarray(0, cut);
        });
        const opened = await openGguf(path).catch((error) => error);
        if (opened instanceof Error) expect(opened).toBeInstanceOf(WeightsError);
        else opened.close();
      },
    ),
    { numRuns: 150, seed: 7 },
  );
});

test.each(quants)("de-quantises $type like the gguf package", ({ type, bytes, values }) => {
  const number = Number(Object.entries(GGML_TYPES).find(([, t]) => t.name === type)![0]);
  const got = dequantize(number, Buffer.from(bytes, "base64"), 0, values.length);
  got.forEach((x, i) => void expect(x).toBeCloseTo(values[i]!, 5));
});

const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "base64"));

test.each(gguf.dequantize)("de-quantises $type like the gguf package", ({ type, bytes, values }) => {
  const number = Number(Object.entries(GGML_TYPES).find(([, t]) => t.name === type)![0]);
  const want = new Float32Array(bytesOf(values).buffer);
  const scale = Math.max(...want.map(Math.abs));
  dequantize(number, bytesOf(bytes), 0, want.length).forEach((x, i) => void expect(Math.abs(x - want[i]!)).toBeLessThan(1e-6 * scale));
});

test("writes F16, BF16 and Q8_0 bit by bit as the gguf package", () => {
  const values = new Float32Array(bytesOf(gguf.quantize.values).buffer);
  const { F16, BF16, Q8_0 } = gguf.quantize.blocks;
  expect(toHalves(values)).toEqual(new Uint16Array(bytesOf(F16).buffer));
  expect(toBfloats(values)).toEqual(new Uint16Array(bytesOf(BF16).buffer));
  expect(quantizeQ80(values)).toEqual(bytesOf(Q8_0));
});

test("every half-precision number survives the way to f32 and back", () => {
  const all = Uint16Array.from({ length: 65536 }, (_, i) => i).filter((bits) => (bits & 0x7c00) !== 0x7c00 || (bits & 0x3ff) === 0);
  expect(toHalves(Float32Array.from(all, halfToFloat))).toEqual(all);
});

test("half precision: subnormal, infinite, not a number", () => {
  expect([...toHalves(Float32Array.of(2 ** -26, 2 ** -25, 1.5 * 2 ** -25, 3 * 2 ** -25))]).toEqual([0, 0, 1, 2]); // halfway to the even one
  expect([0x0001, 0x03ff, 0x7bff, 0x7c00, 0xfc00].map(halfToFloat)).toEqual([2 ** -24, 1023 * 2 ** -24, 65504, Infinity, -Infinity]);
  expect(halfToFloat(0x7e00)).toBeNaN();
});
