import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WeightsError } from "../../src/model/errors.js";
import { openRanges } from "../../src/model/files.js";
import { readSafetensors, writeSafetensors } from "../../src/model/safetensors.js";

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "erpo-safetensors-"));
});
afterAll(() => rm(dir, { recursive: true }));

function read<T>(path: string, use: (file: ReturnType<typeof readSafetensors>) => T): T {
  const file = openRanges(path);
  try {
    return use(readSafetensors(file));
  } finally {
    file.close();
  }
}

/** A file with this header (an object is written as JSON) and this many zero bytes of data. */
async function made(header: unknown, data = 0, length?: bigint): Promise<string> {
  const body =
    header instanceof Uint8Array ? header : new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + body.length + data);
  new DataView(bytes.buffer).setBigUint64(0, length ?? BigInt(body.length), true);
  bytes.set(body, 8);
  const path = join(dir, "made.safetensors");
  await writeFile(path, bytes);
  return path;
}

const f32 = (shape: number[], data_offsets: unknown) => ({ dtype: "F32", shape, data_offsets });

// safetensors/src/tensor.rs: its tests of malformed files
test.each<[string, unknown, number, bigint | undefined, RegExp]>([
  ["header longer than 100 MB", "{}", 0, 100_000_001n, /header too large/],
  ["header length of 2^64 - 1", "{}", 0, 0xffffffffffffffffn, /header too large/],
  ["header longer than the file", "{}", 0, 60n, /header of 60 bytes in a file of 10/],
  ["header that is not UTF-8", new Uint8Array([0xff, 0xfe, 0x7d]), 0, undefined, /not UTF-8/],
  ["empty header", "", 0, undefined, /does not start with \{/],
  ["header that starts with a space", " {}", 0, undefined, /does not start with \{/],
  ["header that is not JSON", "{]", 0, undefined, /not JSON/],
  ["header that is no object", "[]", 0, undefined, /does not start with \{/],
  ["metadata that is no string", { __metadata__: { a: 1 } }, 0, undefined, /"__metadata__" must hold strings/],
  ["tensor that is no object", { a: 3 }, 0, undefined, /tensor a is not an object/],
  ["unknown type", { a: { dtype: "F128", shape: [1], data_offsets: [0, 16] } }, 16, undefined, /tensor a: "dtype" is "F128"/],
  ["type from a prototype", { a: { dtype: "toString", shape: [1], data_offsets: [0, 4] } }, 4, undefined, /"dtype" is "toString"/],
  ["negative dimension", { a: f32([-1], [0, 4]) }, 4, undefined, /tensor a: "shape" is \[-1\]/],
  ["fractional dimension", { a: f32([0.5], [0, 2]) }, 2, undefined, /"shape" is \[0.5\]/],
  ["one offset", { a: f32([1], [0]) }, 4, undefined, /"data_offsets" are \[0\]/],
  ["offsets that are no numbers", { a: f32([1], [0, "4"]) }, 4, undefined, /"data_offsets" are/],
  ["offsets that run backwards", { a: f32([1], [4, 0]) }, 4, undefined, /"data_offsets" are \[4,0\]/],
  ["shape that overflows", { a: f32([2 ** 40, 2 ** 40], [0, 4]) }, 4, undefined, /overflows/],
  ["shape larger than its bytes", { a: f32([2], [0, 4]) }, 4, undefined, /\[2\] of F32 is 8 bytes, "data_offsets" hold 4/],
  ["hole before a tensor", { a: f32([1], [4, 8]) }, 8, undefined, /begin at 4, expected 0 \(a hole\)/],
  ["overlapping tensors", { a: f32([2], [0, 8]), b: f32([1], [4, 8]) }, 8, undefined, /tensor b.*an overlap/],
  [
    "the same tensor twice",
    '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}',
    8,
    undefined,
    /a hole/,
  ],
  ["bytes behind the last tensor", { a: f32([1], [0, 4]) }, 5, undefined, /4 bytes of tensors, 5 bytes of data/],
  ["truncated data", { a: f32([2], [0, 8]) }, 7, undefined, /8 bytes of tensors, 7 bytes of data/],
])("refuses a %s", async (_, header, data, length, message) => {
  const path = await made(header, data, length);
  expect(() => read(path, () => 0)).toThrow(message);
  expect(() => read(path, () => 0)).toThrow(WeightsError);
});

test("refuses a file shorter than the header's length", async () => {
  await writeFile(join(dir, "short"), "1234567");
  expect(() => read(join(dir, "short"), () => 0)).toThrow(/header too small: 7 bytes/);
  expect(() => openRanges(join(dir, "absent"))).toThrow(/absent: no such file/);
  expect(() => openRanges(dir)).toThrow(/not a file/);
});

test("accepts an empty file, an empty tensor, a scalar and a padded header", async () => {
  expect(read(await made("{}"), (f) => f.names)).toEqual([]);
  const path = await made(`${JSON.stringify({ a: f32([0, 3], [0, 0]), b: f32([], [0, 4]) })}   `, 4);
  expect(read(path, (f) => [f.read("a").data.length, f.read("b").data.length])).toEqual([0, 1]);
});

test("reads F16 and BF16, and refuses to read integers as weights", async () => {
  const header = {
    h: { dtype: "F16", shape: [3], data_offsets: [0, 6] },
    b: { dtype: "BF16", shape: [2], data_offsets: [6, 10] },
    i: { dtype: "I64", shape: [1], data_offsets: [10, 18] },
  };
  const path = await made(header, 18);
  const bytes = await readFile(path);
  // 0x3c00 = 1, 0xc000 = -2, 0x0001 = 2^-24; 0x3f80 = 1, 0xc040 = -3
  new Uint16Array([0x3c00, 0xc000, 0x0001, 0x3f80, 0xc040]).forEach((v, i) => void bytes.writeUInt16LE(v, bytes.length - 18 + 2 * i));
  await writeFile(path, bytes);
  read(path, (f) => {
    expect([...f.read("h").data]).toEqual([1, -2, 2 ** -24]);
    expect([...f.read("b").data]).toEqual([1, -3]);
    expect(() => f.read("i")).toThrow(/I64 is not a weight's/);
    expect(() => f.read("x")).toThrow(/tensor x is missing/);
  });
});

test("what is written is read back, bit by bit", async () => {
  const tensor = fc.record({ shape: fc.array(fc.nat(4), { maxLength: 3 }), seed: fc.float({ noNaN: true }) });
  await fc.assert(
    fc.asyncProperty(
      fc.dictionary(
        fc.string({ minLength: 1 }).filter((k) => k !== "__metadata__" && k !== "__proto__"),
        tensor,
      ),
      async (tensors) => {
        const path = join(dir, "round.safetensors");
        const list = Object.entries(tensors).map(([name, { shape, seed }]) => ({
          name,
          shape,
          data: () => Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => seed + i),
        }));
        await writeSafetensors(path, list, { made: "here" });
        read(path, (f) => {
          expect(f.metadata).toEqual({ made: "here" });
          for (const { name, shape, data } of list) expect(f.read(name)).toEqual({ shape, data: data() });
        });
      },
    ),
    { numRuns: 25 },
  );
});
