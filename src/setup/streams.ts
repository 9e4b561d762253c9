import { constants, existsSync, lstatSync, openSync, readlinkSync, realpathSync, statSync, writeSync } from "node:fs";
import { basename, dirname, isAbsolute, join, sep } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

/** Milliseconds between two looks at a pipe that nobody reads, or that is full. */
const PAUSE = 5;

/** Links that are followed: Linux's own limit. */
const MAX_LINKS = 40;

/** Whether a path is one of the system's names of this process's standard output. */
export const isStandardOutput = (path: string): boolean => ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].includes(path);

/** Whether a path is a device, a pipe or a socket, itself or behind links: what is written to as it is, and never replaced. */
export function isStream(path: string): boolean {
  if (isStandardOutput(path)) return true;
  try {
    const there = statSync(path);
    return !there.isFile() && !there.isDirectory();
  } catch {
    return false; // there is nothing, or what is wrong is said when it is written
  }
}

/**
 * The place that a path leads to through symbolic links, where there may be nothing yet; the path itself where it is none.
 * @throws Error with code ELOOP when links lead in a circle
 */
export function behindLinks(path: string): string {
  let place = path;
  for (let links = 0; isLink(place); links++) {
    if (links === MAX_LINKS) throw Object.assign(new Error("ELOOP: too many symbolic links"), { code: "ELOOP" });
    const to = readlinkSync(place);
    const next = isAbsolute(to) ? to : `${realpathSync(dirname(place))}${sep}${to}`; // ".." of a link is above its real folder
    const above = dirname(next);
    place = existsSync(above) ? join(realpathSync(above), basename(next)) : next;
  }
  return place;
}

const isLink = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;

/**
 * Opens a device or a pipe for writing; a pipe that nobody reads yet is waited for. The loop of events goes on meanwhile, so that signals are served: a thread of
 * Node's that is held up in the system's `open` would keep the process from ending.
 * @throws the system's error
 */
export async function openStream(path: string): Promise<number> {
  for (;;) {
    try {
      return tryOpen(path);
    } catch (error) {
      if (!isUnread(error, path)) throw error;
      await delay(PAUSE);
    }
  }
}

/**
 * The same for those who cannot wait.
 * @throws the system's error, which is ENXIO for a pipe that nobody reads
 */
export function openStreamNow(path: string): number {
  return tryOpen(path);
}

const tryOpen = (path: string): number => openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);

/** What opening a pipe without a reader says. */
const isUnread = (error: unknown, path: string): boolean =>
  (error as NodeJS.ErrnoException).code === "ENXIO" && (statSync(path, { throwIfNoEntry: false })?.isFIFO() ?? false);

/** Writes all of the bytes to what `openStream` has opened, as fast as they are read. @throws the system's error */
export async function writeStream(file: number, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const written = tryWrite(file, bytes, done);
    done += written;
    if (written === 0) await delay(PAUSE);
  }
}

/** The same, holding everything up until the bytes are read. */
export function writeStreamNow(file: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) {
    const written = tryWrite(file, bytes, done);
    done += written;
    if (written === 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE);
  }
}

/** @returns how many bytes went; 0 where the pipe is full */
function tryWrite(file: number, bytes: Uint8Array, from: number): number {
  try {
    return writeSync(file, bytes, from);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EAGAIN") return 0;
    throw error;
  }
}
