import { isUtf8 } from "node:buffer";
import { writeAtomicFrom } from "../setup/atomic.js";
import { isRecord } from "../setup/json.js";
import { WeightsError } from "./errors.js";
import type { RangeFile } from "./files.js";
import { floats } from "./ggml-types.js";
import { bfloats, halves, toBfloats, toHalves } from "./halves.js";
import { parseJson } from "./json.js";
import type { StoredTensor, WritableTensor } from "./weights.js";

/** Longest header that is accepted, in bytes; the reference implementation's limit. `parseJson` has a lower one. */
const MAX_HEADER = 100_000_000;

/** Bytes an element, of every type that the format knows. */
const ELEMENT_BYTES: Record<string, number> = {
  BOOL: 1, U8: 1, I8: 1, F8_E5M2: 1, F8_E4M3: 1, U16: 2, I16: 2, F16: 2, BF16: 2, U32: 4, I32: 4, F32: 4, U64: 8, I64: 8, F64: 8,
}; // biome-ignore format: a table

interface Entry {
  dtype: string;
  shape: number[];
  begin: number;
  end: number;
}

/** A validated safetensors file. */
export interface Safetensors {
  names: string[];
  has(name: string): boolean;
  dtype(name: string): string;
  shape(name: string): number[];
  metadata: Record<string, string>;
  /** A tensor as f32 (stored as F32, F16 or BF16). */
  read(name: string): StoredTensor;
}

/**
 * Reads a safetensors file's header and validates the file in full, as the reference implementation does: header length (at most 100 MB, within the file),
 * UTF-8, JSON, known types, whole non-negative shapes, shape x type = bytes, tensors that cover the data without holes or overlaps.
 * @throws WeightsError that names the tensor and the field
 */
export function readSafetensors(file: RangeFile): Safetensors {
  const fail = (problem: string): never => {
    throw new WeightsError(file.path, problem, "not a valid safetensors file; get it again");
  };
  if (file.size < 8) fail(`header too small: ${file.size} bytes`);
  const head = file.read(0, 8);
  const length = Number(new DataView(head.buffer).getBigUint64(0, true));
  if (length > MAX_HEADER) fail(`header too large: ${length} bytes`);
  if (8 + length > file.size) fail(`header of ${length} bytes in a file of ${file.size}`);
  const json = parseHeader(file.read(8, length), fail);
  const { __metadata__: metadata = {}, ...rest } = json;
  if (!isRecord(metadata) || Object.values(metadata).some((v) => typeof v !== "string")) fail('"__metadata__" must hold strings');
  const entries = new Map(Object.entries(rest).map(([name, value]) => [name, entry(name, value, fail)]));
  let at = 0;
  for (const [name, { begin, end }] of [...entries].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== at) fail(`tensor ${name}: "data_offsets" begin at ${begin}, expected ${at} (${begin > at ? "a hole" : "an overlap"})`);
    at = end;
  }
  if (8 + length + at !== file.size) fail(`${at} bytes of tensors, ${file.size - 8 - length} bytes of data`);
  const get = (name: string): Entry => entries.get(name) ?? fail(`tensor ${name} is missing`);
  return {
    names: [...entries.keys()],
    has: (name) => entries.has(name),
    dtype: (name) => get(name).dtype,
    metadata: metadata as Record<string, string>,
    shape: (name) => get(name).shape,
    read(name) {
      const { dtype, shape, begin, end } = get(name);
      const read =
        { F32: floats, F16: halves, BF16: bfloats }[dtype] ?? fail(`tensor ${name}: "dtype" ${dtype} is not a weight's (F32, F16, BF16)`);
      return {
        shape,
        data: read(
          file.read(8 + length + begin, end - begin),
          0,
          shape.reduce((a, b) => a * b, 1),
        ),
      };
    },
  };
}

function parseHeader(bytes: Uint8Array, fail: (problem: string) => never): Record<string, unknown> {
  if (!isUtf8(bytes)) fail("the header is not UTF-8");
  if (bytes[0] !== 0x7b) fail("the header does not start with {");
  let json: unknown;
  try {
    json = parseJson(bytes);
  } catch (error) {
    return fail(error instanceof RangeError ? `the header is ${error.message}` : "the header is not JSON");
  }
  return isRecord(json) ? json : fail("the header is not an object");
}

const isCount = (value: unknown): value is number => typeof value === "number" && Number.isSafeInteger(value) && value >= 0;

function entry(name: string, value: unknown, fail: (problem: string) => never): Entry {
  if (!isRecord(value)) return fail(`tensor ${name} is not an object`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== "string" || !Object.hasOwn(ELEMENT_BYTES, dtype)) return fail(`tensor ${name}: "dtype" is ${JSON.stringify(dtype)}`);
  if (!Array.isArray(shape) || !shape.every(isCount)) return fail(`tensor ${name}: "shape" is ${JSON.stringify(shape)}`);
  const [begin, end] = Array.isArray(offsets) && offsets.length === 2 ? offsets : [];
  if (!isCount(begin) || !isCount(end) || begin > end) return fail(`tensor ${name}: "data_offsets" are ${JSON.stringify(offsets)}`);
  let bytes = ELEMENT_BYTES[dtype]!;
  for (const n of shape) {
    bytes *= n;
    if (!Number.isSafeInteger(bytes)) return fail(`tensor ${name}: "shape" [${shape}] overflows`);
  }
  if (bytes !== end - begin) return fail(`tensor ${name}: [${shape}] of ${dtype} is ${bytes} bytes, "data_offsets" hold ${end - begin}`);
  return { dtype, shape, begin, end };
}

/** How values are stored, and in how many bytes each. */
const ENCODINGS = {
  F32: { bytes: 4, encode: (values: Float32Array) => values },
  F16: { bytes: 2, encode: toHalves },
  BF16: { bytes: 2, encode: toBfloats },
} as const;

export type StoredType = keyof typeof ENCODINGS;

/** Bytes of a tensor in a file. */
export const storedBytes = ({ shape }: Pick<WritableTensor, "shape">, type: StoredType): number =>
  ENCODINGS[type].bytes * shape.reduce((a, b) => a * b, 1);

/** The bytes of a safetensors file, in pieces. */
export async function* safetensorsBytes(
  tensors: readonly WritableTensor[],
  metadata: Record<string, string> = { format: "pt" },
  type: StoredType = "F32",
): AsyncGenerator<Uint8Array> {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let at = 0;
  for (const tensor of tensors) {
    const end = at + storedBytes(tensor, type);
    header[tensor.name] = { dtype: type, shape: tensor.shape, data_offsets: [at, end] };
    at = end;
  }
  const bytes = new TextEncoder().encode(JSON.stringify(header));
  const padded = new Uint8Array(Math.ceil(bytes.length / 8) * 8).fill(0x20); // data begins at a multiple of 8
  padded.set(bytes);
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(padded.length), true);
  yield length;
  yield padded;
  for (const { name, shape, data } of tensors) {
    const values = ENCODINGS[type].encode(await data());
    if (values.length !== shape.reduce((a, b) => a * b, 1)) throw new RangeError(`${name}: ${values.length} values for shape [${shape}]`);
    yield new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  }
}

/** Writes a safetensors file, whole or not at all. */
export const writeSafetensors = (path: string, ...content: Parameters<typeof safetensorsBytes>): Promise<void> =>
  writeAtomicFrom(path, safetensorsBytes(...content));
