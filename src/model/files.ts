import { createHash } from "node:crypto";
import { closeSync, createReadStream, fstatSync, openSync, readSync } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { makeFolders, unwritable } from "../setup/folders.js";
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

/**
 * Writes a file whole or not at all: beside its place, synced, then renamed; its folder is made where missing. A reader never sees a half-written file,
 * not even after a crash.
 * @throws WeightsError `FILE: cannot be written (cause)`
 */
export async function writeAtomic(path: string, chunks: Iterable<Uint8Array | string>): Promise<void> {
  const dir = dirname(path);
  const beside = join(dir, `.${process.pid}-${Math.floor(performance.now() * 1000)}.tmp`);
  let file: FileHandle | undefined;
  try {
    makeFolders(dir);
    file = await open(beside, "w", 0o644);
    for (const chunk of chunks) await file.writeFile(chunk);
    await file.sync();
    await file.close();
    await rename(beside, path);
  } catch (error) {
    await file?.close().catch(() => {});
    if (file) await rm(beside, { force: true });
    const problem = unwritable(error);
    throw problem === undefined ? error : new WeightsError(path, problem);
  }
  const folder = await open(dir, "r");
  await folder.sync().catch(() => {}); // some file systems cannot sync a folder
  await folder.close();
}
