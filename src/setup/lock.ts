import { closeSync, linkSync, openSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync } from "node:fs";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isAlive } from "./alive.js";
import { writeAll } from "./atomic.js";
import { cacheError, makeFolder } from "./files.js";
import { readSteadily } from "./folders.js";

/**
 * Runs `work` while no other process that asks for the same lock file does; see `holdLock`.
 *
 * @param path the lock file; its folder is made
 * @param waiting called once when somebody else holds the lock for over a second
 * @throws SetupError when the folder cannot be written
 */
export async function withLock<T>(path: string, work: () => Promise<T>, waiting?: () => void): Promise<T> {
  makeFolder(dirname(path));
  const release = await holdLock(path, waiting).catch((error) => {
    throw cacheError(error, dirname(path));
  });
  try {
    return await work();
  } finally {
    release();
  }
}

/**
 * Takes a lock file, which goes when it is released or when the process exits. A lock is taken over when its owner is dead. Of an owner on
 * another host, or on a system that does not say when a process began, only silence tells: the owner touches the file every 5 s, and a minute
 * without that counts as death.
 *
 * @param path the lock file; its folder is there
 * @param waiting called once when somebody else holds the lock for over a second; what it throws ends the waiting
 * @param signal ends the waiting with its reason
 * @returns releases the lock
 * @throws the file system's error; no lock is left then
 */
export async function holdLock(path: string, waiting?: () => void, signal?: AbortSignal): Promise<() => void> {
  const mark = [process.pid, hostname(), startOf(process.pid)].filter((part) => part !== undefined).join(" ");
  for (let polls = 0; !take(path, mark); polls++) {
    if (isAbandoned(path)) {
      removeAbandoned(path);
      continue;
    }
    if (polls === 10) waiting?.();
    signal?.throwIfAborted();
    await sleep(100);
  }
  const beat = setInterval(() => touch(path), 5000);
  beat.unref();
  const remove = () => {
    if (read(path) === mark) rmSync(path, { force: true }); // another one's, where this process slept and its lock was taken over
  };
  process.once("exit", remove);
  return () => {
    clearInterval(beat);
    process.removeListener("exit", remove);
    remove();
  };
}

function take(path: string, mark: string): boolean {
  let file: number;
  try {
    file = openSync(path, "wx");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
  try {
    writeAll(file, Buffer.from(mark));
    closeSync(file);
    return true;
  } catch (error) {
    rmSync(path, { force: true }); // such as on a full disk
    try {
      closeSync(file);
    } catch {} // closing it was what failed
    throw error;
  }
}

function touch(path: string): void {
  try {
    utimesSync(path, new Date(), new Date());
  } catch {
    // the lock was taken over after this process slept: nothing to keep alive
  }
}

/** Whether a lock's owner is dead, or silent where only that tells. */
export function isAbandoned(path: string): boolean {
  try {
    const isSilent = Date.now() - statSync(path).mtimeMs > 60_000;
    const [pid, host, began] = readFileSync(path, "utf8").split(" ");
    if (pid === "" || host !== hostname()) return isSilent; // empty: being written
    if (!isAlive(Number(pid))) return true;
    const now = began === undefined ? undefined : startOf(Number(pid));
    return now === undefined ? isSilent : now !== began; // another process has got its number
  } catch {
    return false; // released meanwhile
  }
}

/** Removes the locks under a folder whose owners are dead: who was killed behind the end of its work left one that nobody asks for again. */
export function removeAbandonedLocks(folder: string): void {
  for (const { name, parentPath } of readSteadily(folder, () => readdirSync(folder, { recursive: true, withFileTypes: true }))) {
    const path = join(parentPath, name);
    const aside = /\.lock\.(\d+)\.tmp$/.exec(name)?.[1]; // what a removal was killed at
    if (aside !== undefined && !isAlive(Number(aside))) rmSync(path, { force: true });
    else if (name.endsWith(".lock") && isAbandoned(path)) removeAbandoned(path);
  }
}

/** Moves the file away before it is removed: if another process was faster, what was moved is that one's lock, and it is put back. */
function removeAbandoned(path: string): void {
  const aside = `${path}.${process.pid}.tmp`;
  try {
    renameSync(path, aside);
  } catch {
    return; // released meanwhile
  }
  try {
    if (!isAbandoned(aside)) linkSync(aside, path);
  } finally {
    rmSync(aside, { force: true });
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

/** When a process of this machine began, in clock ticks since the machine did; undefined where the system does not say. */
function startOf(pid: number): string | undefined {
  const stat = read(`/proc/${pid}/stat`);
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[19]; // field 22, the first behind the name being field 3
}
