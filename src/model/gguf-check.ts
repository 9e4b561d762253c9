import { WeightsError } from "./errors.js";
import type { RangeFile } from "./files.js";

/** Longest header that is read, in bytes, most tensors, and most elements of all lists: several times what the largest models need. */
const MAX_HEADER = 40_000_000;
const MAX_TENSORS = 100_000;
const MAX_ELEMENTS = 4_000_000;

/** Bytes of a metadata value by its type's number (gguf.h, enum gguf_type); 8 is a string, 9 a list. */
const VALUE_BYTES: Readonly<Record<number, number>> = { 0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8 };
const [STRING, LIST] = [8, 9];

/**
 * Walks a GGUF header without keeping anything of it: every count and length must fit in the file, so that a parser may then trust them.
 * @returns the byte behind the list of tensors
 * @throws WeightsError
 */
export function checkHeader(file: RangeFile): number {
  const fail = (problem: string, remedy = "the file is truncated or broken; get it again"): never => {
    throw new WeightsError(file.path, `broken GGUF header: ${problem}`, remedy);
  };
  const end = Math.min(file.size, MAX_HEADER);
  let [at, from, what] = [4, 0, "its beginning"]; // behind the magic bytes
  let window: DataView = new DataView(new ArrayBuffer(0));
  /** Moves over so many bytes and returns where they began. */
  const skip = (bytes: number): number => {
    if (!(at + bytes <= end)) {
      fail(end === file.size ? `${what} goes beyond the file's ${file.size} bytes` : `it is longer than ${MAX_HEADER / 1e6} MB`);
    }
    at += bytes;
    return at - bytes;
  };
  const number = (bytes: 4 | 8): number => {
    const begin = skip(bytes);
    if (begin < from || begin + bytes > from + window.byteLength) {
      from = begin;
      window = new DataView(file.read(from, Math.min(1 << 20, file.size - from)).buffer);
    }
    return bytes === 4 ? window.getUint32(begin - from, true) : Number(window.getBigUint64(begin - from, true));
  };
  const version = number(4);
  if (version !== 2 && version !== 3) fail(`unsupported version ${version}`, "convert it to version 3, little-endian");
  const [tensors, pairs] = [number(8), number(8)];
  if (tensors > MAX_TENSORS || tensors * 24 > file.size) fail(`${tensors} tensors in a file of ${file.size} bytes`);
  if (pairs * 13 > file.size) fail(`${pairs} metadata keys in a file of ${file.size} bytes`);
  let elements = 0;
  for (let pair = 0; pair < pairs; pair++) {
    what = `metadata key ${pair + 1} of ${pairs}`;
    skip(number(8));
    const type = number(4);
    if (type === STRING) skip(number(8));
    else if (type === LIST) {
      const [of, count] = [number(4), number(8)];
      elements += count;
      if (elements > MAX_ELEMENTS) fail(`${what}: more than ${MAX_ELEMENTS} elements in lists`);
      if (of === STRING) for (let i = 0; i < count; i++) skip(number(8));
      else skip(count * (VALUE_BYTES[of] ?? fail(`${what} is a list of type ${of}`)));
    } else skip(VALUE_BYTES[type] ?? fail(`${what} has type ${type}`));
  }
  for (let tensor = 0; tensor < tensors; tensor++) {
    what = `tensor ${tensor + 1} of ${tensors}`;
    skip(number(8));
    const dimensions = number(4);
    if (dimensions > 4) fail(`${what} has ${dimensions} dimensions`);
    skip(8 * dimensions + 12);
  }
  return at;
}
