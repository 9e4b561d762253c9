import { readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { cacheError, makeFolder } from "./files.js";

/**
 * Runs `work` while no other process that asks for the same lock file does. The owner touches the file every 5 s; a lock is taken over
 * when its owner is dead (same host) or silent for a minute.
 *
 * @param path the lock file; its folder is made
 * @param waiting called once when somebody else holds the lock for over a second
 * @throws SetupError when the folder cannot be written
 */
export async function withLock<T>(path: string, work: () => Promise<T>, waiting?: () => void): Promise<T> {
  makeFolder(dirname(path));
  for (let polls = 0; !take(path); polls++) {
    if (abandoned(path)) {
      rmSync(path, { force: true });
      continue;
    }
    if (polls === 10) waiting?.();
    await sleep(100);
  }
  const beat = setInterval(() => touch(path), 5000);
  beat.unref();
  const release = () => rmSync(path, { force: true });
  process.once("exit", release);
  try {
    return await work();
  } finally {
    clearInterval(beat);
    process.removeListener("exit", release);
    release();
  }
}

function take(path: string): boolean {
  try {
    writeFileSync(path, `${process.pid} ${hostname()}`, { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw cacheError(error, dirname(path));
  }
}

function touch(path: string): void {
  try {
    utimesSync(path, new Date(), new Date());
  } catch {
    // the lock was taken over after this process slept: nothing to keep alive
  }
}

function abandoned(path: string): boolean {
  try {
    if (Date.now() - statSync(path).mtimeMs > 60_000) return true;
    const [pid, host] = readFileSync(path, "utf8").split(" ");
    return pid !== "" && host === hostname() && !isAlive(Number(pid)); // empty: being written; another host's: only silence tells
  } catch {
    return false; // released meanwhile
  }
}

/** True when a process of this machine runs. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}
