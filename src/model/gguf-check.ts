import { WeightsError } from "./errors.js";
import type { RangeFile } from "./files.js";

/** Longest header that is read, in bytes, most tensors, and most elements of all lists: several times what the largest models need. */
const MAX_HEADER = 40_000_000;
const MAX_TENSORS = 100_000;
const MAX_ELEMENTS = 4_000_000;

/** Bytes of a metadata value by its type's number (gguf.h, enum gguf_type); 8 is a string, 9 a list. */
const VALUE_BYTES: Readonly<Record<number, number>> = { 0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8 };
const [STRING, LIST] = [8, 9];

/** Where a list of strings stands in a file: its bytes `from`..`to`, and how many strings. */
interface StringList {
  from: number;
  to: number;
  count: number;
}

/** What a walk over a header has found. */
interface Header {
  /** The byte behind the list of tensors. */
  end: number;
  /** The metadata that are lists of strings, by their keys. */
  lists: Map<string, StringList>;
}

/**
 * Walks a GGUF header without keeping its values: every count and length must fit in the file, so that a parser may then trust them.
 * @throws WeightsError
 */
export function checkHeader(file: RangeFile): Header {
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
  const lists: Header["lists"] = new Map();
  for (let pair = 0; pair < pairs; pair++) {
    what = `metadata key ${pair + 1} of ${pairs}`;
    const keyLength = number(8);
    const key = skip(keyLength);
    const type = number(4);
    if (type === STRING) skip(number(8));
    else if (type === LIST) {
      const [of, count] = [number(4), number(8)];
      elements += count;
      if (elements > MAX_ELEMENTS) fail(`${what}: more than ${MAX_ELEMENTS} elements in lists`);
      const from = at;
      if (of === STRING) {
        for (let i = 0; i < count; i++) skip(number(8));
        lists.set(new TextDecoder().decode(file.read(key, keyLength)), { from, to: at, count });
      } else skip(count * (VALUE_BYTES[of] ?? fail(`${what} is a list of type ${of}`)));
    } else skip(VALUE_BYTES[type] ?? fail(`${what} has type ${type}`));
  }
  for (let tensor = 0; tensor < tensors; tensor++) {
    what = `tensor ${tensor + 1} of ${tensors}`;
    skip(number(8));
    const dimensions = number(4);
    if (dimensions > 4) fail(`${what} has ${dimensions} dimensions`);
    skip(8 * dimensions + 12);
  }
  return { end: at, lists };
}

/** The strings of a list whole: @huggingface/gguf 0.4 takes a byte-order mark at the beginning of one off, so that "\ufeff#" would be "#". */
export function readStrings(file: RangeFile, { from, to, count }: StringList): string[] {
  const bytes = file.read(from, to - from);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let at = 0;
  return Array.from({ length: count }, () => {
    const begin = at + 8;
    at = begin + Number(view.getBigUint64(at, true));
    return decoder.decode(bytes.subarray(begin, at));
  });
}
