import { existsSync, readFileSync, rmdirSync } from "node:fs";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { fileError } from "./atomic.js";
import { makeFolders } from "./folders.js";
import { holdLock, isAbandoned } from "./lock.js";

/** Another process writes what this one was asked to write. */
export class BusyError extends Error {
  override name = "BusyError";
}

/**
 * Runs `work` as the only writer of a file or folder. Folders that had to be made for the lock go again if nothing else came into them.
 *
 * @param what the file or folder, for messages
 * @param lock the lock file; its folder is made
 * @param advice what to do when another process writes it
 * @throws BusyError when another process does; FileError when the lock cannot be written
 */
export async function soleWriter<T>(what: string, lock: string, advice: string, work: () => Promise<T>): Promise<T> {
  const made = missing(dirname(lock));
  try {
    let release: () => void;
    try {
      makeFolders(dirname(lock));
      release = await holdLock(lock, () => {
        throw busy(what, lock, advice);
      });
    } catch (error) {
      throw fileError(what, error);
    }
    try {
      return await work();
    } finally {
      release();
    }
  } finally {
    removeEmpty(made);
  }
}

/**
 * Makes sure that nobody else is writing a file or folder now, where `soleWriter` would find out later.
 * @throws BusyError as `soleWriter`
 */
export function assertIdle(what: string, lock: string, advice: string): void {
  if (existsSync(lock) && !isAbandoned(lock)) throw busy(what, lock, advice);
}

const busy = (what: string, lock: string, advice: string): BusyError =>
  new BusyError(`${what}: is being written by another run${owner(lock)}; ${advice}`);

/** The folders of a path that are not there, the lowest first. */
const missing = (folder: string): string[] => (existsSync(folder) ? [] : [folder, ...missing(dirname(folder))]);

function removeEmpty(folders: readonly string[]): void {
  try {
    for (const folder of folders) rmdirSync(folder);
  } catch {
    // it holds something, or was never made
  }
}

function owner(lock: string): string {
  try {
    const [pid, host] = readFileSync(lock, "utf8").split(" ");
    return ` (process ${pid}${host === hostname() ? "" : ` on ${host}`})`;
  } catch {
    return "";
  }
}
