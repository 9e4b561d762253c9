import { closeSync, openSync, readSync } from "node:fs";
import { cause, DataError } from "./errors.js";
import { assertUtf8 } from "./utf8.js";

/** Bytes that are read of a file before anybody asks for more. */
const FIRST = 1 << 20;

/**
 * Reads as much of a text file (UTF-8) from its start as is needed: ever longer beginnings, each twice the one before, are parsed until one is enough. Beginnings end
 * anywhere, in a row or in a character, and `parse` says so by returning undefined; the whole file has to do.
 *
 * @param parse what is made of a beginning; it is told whether that is the whole file
 * @throws DataError `FILE: cause` when the file cannot be read, or is not UTF-8; what `parse` throws
 */
export function readBeginning<T>(path: string, parse: (text: string, whole: boolean) => T | undefined): T {
  const file = reading(path, () => openSync(path, "r"));
  try {
    const read: Buffer[] = [];
    for (let bytes = FIRST; ; bytes *= 2) {
      const more = reading(path, () => readFully(file, read.length === 0 ? bytes : bytes / 2));
      read.push(more);
      const whole = more.length < (read.length === 1 ? bytes : bytes / 2);
      const text = Buffer.concat(read);
      assertUtf8(whole ? text : text.subarray(0, text.lastIndexOf("\n") + 1), path); // a beginning may end in a character
      const found = parse(text.toString("utf8").replace(/^\uFEFF/, ""), whole);
      if (found !== undefined) return found;
      if (whole) throw new RangeError("the whole file was not enough");
    }
  } finally {
    closeSync(file);
  }
}

/** So many bytes from where the file stands; fewer at its end. */
function readFully(file: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let done = 0;
  for (let read = 1; read > 0 && done < length; done += read) read = readSync(file, bytes, done, length - done, null);
  return bytes.subarray(0, done);
}

function reading<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new DataError(`${path}: ${cause(error)}`);
  }
}
