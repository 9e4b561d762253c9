import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ModelFiles, openDirectory } from "../../src/model/directory.js";
import { WeightsError } from "../../src/model/errors.js";
import { openGguf } from "../../src/model/gguf.js";
import { createTokenizer } from "../../src/model/tokenizer.js";
import { tensorShapes } from "../../src/model/weights.js";
import { fixture } from "./open.js";

/** Broken and hostile files: always a WeightsError or a right load, within seconds and 1 GB. No device is opened. */

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "erpo-malformed-"));
  await cp(fixture("llama-tiny.gguf"), join(dir, "tiny.gguf"));
  await cp(fixture("llama-tiny"), join(dir, "tiny"), { recursive: true });
  await cp(fixture("llama-untied"), join(dir, "sharded"), { recursive: true });
  for (const file of ["tokenizer.json", "tokenizer_config.json"]) await cp(fixture(`llama-tiny/${file}`), join(dir, "sharded", file));
});
afterAll(async () => {
  await rm(dir, { recursive: true });
  expect(process.resourceUsage().maxRSS * 1024).toBeLessThan(1e9);
});

/** Opens a model, reads every tensor and makes its tokenizer. @returns the WeightsError's message, or undefined where all of it is there */
async function refusal(open: () => Promise<ModelFiles>): Promise<string | undefined> {
  let files: ModelFiles | undefined;
  try {
    files = await open();
    for (const [name, shape] of tensorShapes(files.config)) {
      const tensor = files.read(name);
      expect(tensor.shape).toEqual(shape);
      expect(tensor.data.length).toBe(shape.reduce((a, b) => a * b, 1));
    }
    const tokenizer = createTokenizer(files.tokenizer, "tokenizer");
    expect(tokenizer.encode("Hello").every(Number.isInteger)).toBe(true);
    return undefined;
  } catch (error) {
    if (error instanceof WeightsError) return error.message;
    throw error;
  } finally {
    files?.close();
  }
}

const openers: Record<string, () => Promise<ModelFiles>> = {
  "tiny.gguf": () => openGguf(join(dir, "tiny.gguf")),
  "tiny/model.safetensors": () => openDirectory(join(dir, "tiny")),
  "tiny/config.json": () => openDirectory(join(dir, "tiny")),
  "tiny/tokenizer.json": () => openDirectory(join(dir, "tiny")),
  "tiny/tokenizer_config.json": () => openDirectory(join(dir, "tiny")),
  "sharded/model.safetensors.index.json": () => openDirectory(join(dir, "sharded")),
  "sharded/model-00002-of-00003.safetensors": () => openDirectory(join(dir, "sharded")),
};

describe.each(Object.entries(openers))("%s", (file, open) => {
  let whole: Buffer;
  beforeAll(async () => {
    whole = await readFile(join(dir, file));
  });
  afterAll(() => writeFile(join(dir, file), whole));

  test("cut anywhere, or with bytes changed, is refused or loads", async () => {
    const headers = Math.min(whole.length, 8000); // most of what can be misread stands at the beginning
    const place = fc.oneof({ weight: 3, arbitrary: fc.nat(headers - 1) }, fc.nat(whole.length - 1));
    const flips = fc.array(fc.tuple(place, fc.nat(255)), { minLength: 1, maxLength: 6 });
    const cut = fc.option(fc.nat(whole.length - 1), { freq: 3 });
    await fc.assert(
      fc.asyncProperty(flips, cut, async (flips, cut) => {
        const bytes = Buffer.from(whole);
        for (const [at, value] of flips) bytes[at] = value;
        await writeFile(join(dir, file), cut === null ? bytes : bytes.subarray(0, cut));
        const began = performance.now();
        const message = await refusal(open);
        if (message !== undefined) expect(message).toMatch(/: /);
        expect(performance.now() - began).toBeLessThan(20_000);
      }),
      { numRuns: 120, seed: 11 },
    );
  });

  test("cut to nothing is refused by its name", async () => {
    await writeFile(join(dir, file), "");
    expect(await refusal(open)).toContain(file);
  });
});

/** A GGUF file of this many tensors and these key-value pairs, `rest` behind them. */
function ggufOf(tensors: bigint, pairs: Uint8Array[], rest = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(24);
  head.write("GGUF");
  head.writeUInt32LE(3, 4);
  head.writeBigUInt64LE(tensors, 8);
  head.writeBigUInt64LE(BigInt(pairs.length), 16);
  return Buffer.concat([head, ...pairs, rest]);
}
const u32 = (value: number) => Buffer.from(Uint32Array.of(value).buffer);
const u64 = (value: bigint) => Buffer.from(BigUint64Array.of(value).buffer);
const word = (value: string) => Buffer.concat([u64(BigInt(value.length)), Buffer.from(value)]);
const list = (of: number, count: bigint, data: Uint8Array) => Buffer.concat([word("k"), u32(9), u32(of), u64(count), data]);

const repeated = (text: string, bytes: number) => text.repeat(Math.ceil(bytes / text.length));
const safetensors = (header: string) => Buffer.concat([u64(BigInt(header.length)), Buffer.from(header)]);

describe("hostile", () => {
  test.each<[string, string, () => Buffer | string, RegExp]>([
    [
      "a string of 2^40 bytes",
      "tiny.gguf",
      () =>
        ggufOf(
          0n,
          [word("k"), u32(8), u64(1n << 40n)].map((b) => b),
        ),
      /metadata key|broken GGUF/,
    ],
    ["a list of 2^63 numbers", "tiny.gguf", () => ggufOf(0n, [list(4, 1n << 63n, Buffer.alloc(8))]), /more than 4000000 elements/],
    [
      "30 MB of lists of one-byte numbers",
      "tiny.gguf",
      () =>
        ggufOf(
          0n,
          Array.from({ length: 30 }, () => list(0, 1_000_000n, Buffer.alloc(1e6))),
        ),
      /more than 4000000 elements/,
    ],
    ["lists in lists", "tiny.gguf", () => ggufOf(0n, [list(9, 1n, Buffer.concat([u32(9), u64(1n)]))]), /is a list of type 9/],
    [
      "a million tensors without a name",
      "tiny.gguf",
      () => ggufOf(1_000_000n, [], Buffer.alloc(25e6)),
      /1000000 tensors in a file of 25000024 bytes/,
    ],
    ["24 MB of opening brackets", "tiny/model.safetensors", () => safetensors(`{"a":${repeated("[", 24e6)}`), /more than 64 brackets/],
    [
      "60 MB of empty objects",
      "tiny/model.safetensors",
      () => safetensors(`{"a":[${repeated("{},", 60e6)}0]}`),
      /more than 1500000 objects/,
    ],
    ["60 MB of numbers", "tiny/tokenizer.json", () => `{"a":[${repeated("0,", 60e6)}0]}`, /more than 5000000 values/],
    ["70 MB", "tiny/tokenizer.json", () => repeated(" ", 70e6), /70000000 bytes; a model's JSON files have 64000000 at most/],
    ["60 MB of opening braces", "tiny/config.json", () => repeated('{"a":', 60e6), /more than 64 brackets/],
    [
      "200,000 tensors of one file",
      "sharded/model.safetensors.index.json",
      () => {
        const map = Object.fromEntries(Array.from({ length: 200_000 }, (_, i) => [`t${i}`, "model-00001-of-00003.safetensors"]));
        return JSON.stringify({ weight_map: map });
      },
      /tensor t0 is missing; the index names this file/,
    ],
    [
      "100,000 files",
      "sharded/model.safetensors.index.json",
      () => {
        return JSON.stringify({ weight_map: Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`t${i}`, `f${i}`])) });
      },
      /names 100000 files; a model has 500 at most/,
    ],
    [
      "a path out of the folder",
      "sharded/model.safetensors.index.json",
      () => '{"weight_map":{"t":"../tiny/model.safetensors"}}',
      /files of the same folder/,
    ],
  ])("%s in %s is refused within seconds", async (_, file, content, message) => {
    const whole = await readFile(join(dir, file));
    await writeFile(join(dir, file), content());
    const began = performance.now();
    const found = await refusal(openers[file]!);
    const seconds = (performance.now() - began) / 1000;
    await writeFile(join(dir, file), whole);
    expect(found).toMatch(message);
    expect(found).toMatch(/^[^\n]+$/);
    expect(seconds).toBeLessThan(20);
  });
});

test("weights stored as whole numbers are refused before a device is opened", async () => {
  const path = join(dir, "tiny/model.safetensors");
  const whole = await readFile(path);
  await writeFile(path, Buffer.from(whole.toString("latin1").replace('"dtype":"F32"', '"dtype":"I32"'), "latin1"));
  expect(await refusal(openers["tiny/config.json"]!)).toMatch(/is stored as I32; erpo reads F32, F16 and BF16/);
  await writeFile(path, whole);
});
