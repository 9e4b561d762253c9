import { closeSync, existsSync, fchmodSync, fsyncSync, openSync, readdirSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { makeFolders, unwritable } from "./folders.js";

/** A file that the file system did not take: `FILE: cannot be written (cause)`. */
export class FileError extends Error {
  override name = "FileError";
}

/**
 * Writes a file whole or not at all: beside its place, synced, then renamed; its folder is made where missing. A reader sees the old
 * content or the new one, also after a power cut. Who may read the file stays as it was.
 *
 * @param chunks parts of the content, taken one at a time, so that a large file is never in memory as a whole
 * @throws FileError `FILE: cannot be written (cause)`, or what `chunks` throws; nothing is left beside the file
 */
export function writeAtomic(path: string, chunks: Iterable<string | Uint8Array>): void {
  const folder = dirname(path);
  const beside = join(folder, `.${basename(path)}.${process.pid}.tmp`);
  try {
    makeFolders(folder);
    const before = statSync(path, { throwIfNoEntry: false });
    const file = openSync(beside, "w", before?.isFile() ? before.mode & 0o777 : 0o666);
    try {
      if (before?.isFile()) fchmodSync(file, before.mode & 0o777); // whatever the umask
      for (const chunk of chunks) writeAll(file, typeof chunk === "string" ? Buffer.from(chunk) : chunk);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(beside, path);
  } catch (error) {
    if (existsSync(beside)) rmSync(beside);
    throw fileError(path, error);
  }
  syncFolder(folder);
}

/** Removes what `writeAtomic` has left beside files of a folder, and of the folders in it, in processes that were killed. */
export function removeLeftovers(folder: string): void {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const pid = /^\..+\.(\d+)\.tmp$/.exec(entry.name)?.[1];
    if (pid !== undefined && entry.isFile() && !isRunning(Number(pid))) rmSync(join(entry.parentPath, entry.name), { force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"; // another user's
  }
}

/** The file system's error as one that names the file; others as they are. */
export function fileError(path: string, error: unknown): unknown {
  const problem = unwritable(error);
  return problem === undefined ? error : new FileError(`${path}: ${problem}`);
}

/** Writes all of the bytes: one call of the system may take only a part. */
export function writeAll(file: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
}

/** A renamed file survives a power cut only once its folder is synced, where the system allows that. */
function syncFolder(folder: string): void {
  try {
    const handle = openSync(folder, "r");
    fsyncSync(handle);
    closeSync(handle);
  } catch {}
}
