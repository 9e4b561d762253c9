import { createHash } from "node:crypto";
import { closeSync, createReadStream, fstatSync, openSync, readSync } from "node:fs";
import { WeightsError } from "./errors.js";

/** A file open for reading by ranges, so that no weights file is held in memory as a whole. */
export interface RangeFile {
  path: string;
  size: number;
  /** `length` bytes from `offset` on. */
  read(offset: number, length: number): Uint8Array;
  close(): void;
}

/** @throws WeightsError when there is no such file */
export function openRanges(path: string): RangeFile {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch {
    throw new WeightsError(path, "no such file", "check the path");
  }
  const info = fstatSync(fd);
  if (!info.isFile()) {
    closeSync(fd);
    throw new WeightsError(path, "not a file", "give a .gguf or .safetensors file, or a model's directory");
  }
  return {
    path,
    size: info.size,
    read(offset, length) {
      const bytes = new Uint8Array(length);
      for (let at = 0; at < length; ) {
        const n = readSync(fd, bytes, at, Math.min(length - at, 1 << 30), offset + at);
        if (n === 0) throw new WeightsError(path, `truncated: it ends at byte ${offset + at}`, "get it again");
        at += n;
      }
      return bytes;
    },
    close: () => closeSync(fd),
  };
}

/** SHA-256 of a file, in hex. */
export async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk);
  return hash.digest("hex");
}
