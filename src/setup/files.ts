import { createHash } from "node:crypto";
import { createReadStream, existsSync, mkdirSync, mkdtempSync, statfsSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";

/** Set-up could not do something: what, why, and the command or action that mends it. */
export class SetupError extends Error {
  override name = "SetupError";
}

/** Receives one line of progress, without a newline. */
export type Log = (line: string) => void;

/** Bytes for people, in powers of ten: `274 MB`. */
export function inBytes(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`;
  return bytes >= 1e6 ? `${Math.round(bytes / 1e6)} MB` : `${Math.ceil(bytes / 1e3)} kB`;
}

/** Whether a path is a regular file, or leads to one: what can be read to its end without waiting. */
export const isRegular = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;

/** Whether a path is neither a regular file nor a folder: a pipe, a socket or a device, whose end a reader may wait for for ever. */
export function isSpecial(path: string): boolean {
  const there = statSync(path, { throwIfNoEntry: false });
  return there !== undefined && !there.isFile() && !there.isDirectory();
}

/** SHA-256 of a file, as hexadecimal digits. */
export async function sha256(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), hash);
  return hash.digest("hex");
}

/**
 * Makes a folder of its own among the system's temporary ones.
 * @param prefix begins its name
 * @throws SetupError where temporary files have no place, naming TMPDIR
 */
export function temporaryFolder(prefix: string): string {
  const place = tmpdir();
  try {
    return mkdtempSync(join(place, prefix));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === "ENOENT" ? "there is no such folder" : code;
    throw new SetupError(`${place}: temporary files cannot be written (${why}): set TMPDIR to a folder that can`);
  }
}

/**
 * Makes a folder of the cache.
 * @throws SetupError when it cannot be written, naming ERPO_CACHE
 */
export function makeFolder(dir: string): void {
  if (existsSync(dir)) return;
  makeFolder(dirname(dir)); // one by one: mkdir's `recursive` never returns where a parent refuses with ENOENT, as /proc does
  try {
    mkdirSync(dir);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return; // another process was faster
    throw cacheError(code === "ENOENT" ? Object.assign(new Error(), { code: "EROFS" }) : error, dir);
  }
}

/** The errors of a cache that cannot take a file, as lines for people; others pass through. */
export function cacheError(error: unknown, dir: string): unknown {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (code === "EACCES" || code === "EROFS" || code === "EPERM") {
    return new SetupError(`${dir} cannot be written: set ERPO_CACHE to a folder that can`);
  }
  if (code === "ENOSPC") return new SetupError(`no space left in ${dir}: free some, or set ERPO_CACHE to a folder on another disk`);
  return error;
}

/** Bytes that a user may still write in an existing folder. */
export function freeBytes(dir: string): number {
  const { bavail, bsize } = statfsSync(dir);
  return bavail * bsize;
}

/** @throws SetupError when the folder's disk has less than `bytes` left */
export function needSpace(dir: string, bytes: number, what: string): void {
  const free = freeBytes(dir);
  if (free < bytes) {
    throw new SetupError(
      `${what} needs ${inBytes(bytes)} in ${dir}, which has ${inBytes(free)} left: free some, or set ERPO_CACHE to a folder on another disk`,
    );
  }
}
