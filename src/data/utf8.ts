import { isUtf8 } from "node:buffer";
import { DataError } from "./errors.js";

const newline = 0x0a;

/**
 * Holds the bytes of a text file to UTF-8: else each byte that is none would become a "\uFFFD" without a word.
 * @throws DataError `FILE:LINE: is not UTF-8`, of the first such line
 */
export function assertUtf8(bytes: Buffer, path: string): void {
  if (isUtf8(bytes)) return;
  let line = 1;
  for (let start = 0; ; line++) {
    const end = bytes.indexOf(newline, start);
    if (end < 0 || !isUtf8(bytes.subarray(start, end))) break;
    start = end + 1;
  }
  throw new DataError(`${path}:${line}: is not UTF-8: save the file in that encoding`);
}
