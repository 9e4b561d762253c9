import { dirname, join } from "node:path";
import type { Identity } from "../data/identity.js";
import { readJson } from "../data/jsonl.js";
import { fileError, writeAtomic } from "../setup/atomic.js";
import { makeFolders } from "../setup/folders.js";
import { holdLock } from "../setup/lock.js";
import { assertClaimed, claim, isThere, type KeptFolder } from "./claim.js";

/**
 * A JSON result that is computed once: kept in the file `path` of the run's folder with what it was made from beside it. With the same identity it is read, also from
 * a run that this one branches from; with another one nothing is computed and nothing is read. While another process computes it, it is waited for.
 *
 * @throws KeptError naming what differs, when the file holds a result of another identity; TypeError when the result is a list
 */
export async function keep<T extends object>(run: KeptFolder, path: string, identity: Identity, compute: () => Promise<T>): Promise<T> {
  const file = join(run.dir, path);
  using place = await takePlace(run, path, [path], identity);
  if (!place.whole) {
    const result = await compute();
    if (Array.isArray(result)) throw new TypeError(`${path}: what is kept is an object: put the list into a field of one`);
    place.write([`${JSON.stringify(result)}\n`]);
  }
  return readJson<T>(file);
}

/** A result's place in a run's folder: the result is there, or no other process computes it until the place is disposed of. */
export interface Place extends Disposable {
  whole: boolean;
  /** Writes the first of the result's files, whole or not at all: then it is there. @throws KeptError as `assertClaimed` */
  write(chunks: Iterable<string>): void;
  /** To be asked before files are written otherwise. @throws KeptError as that of claim.ts */
  assertClaimed(): void;
}

/**
 * Takes a place as `claim` does, and waits while another process computes the same result. A dead one's place is taken over.
 *
 * @param path the result's file, or its folder; the lock beside it is `PATH.lock`
 * @param files all of its files, relative to the run's folder; the first one is written last
 * @param signal ends the waiting
 * @throws KeptError when something else is kept there; FileError when the folder cannot be written; the signal's reason
 */
export async function takePlace(
  run: KeptFolder,
  path: string,
  files: readonly [string, ...string[]],
  identity: Identity,
  signal?: AbortSignal,
): Promise<Place> {
  const place = {
    assertClaimed: () => assertClaimed(run, path, identity),
    write(chunks: Iterable<string>) {
      place.assertClaimed();
      writeAtomic(join(run.dir, files[0]), chunks);
    },
  };
  const found: Place = { ...place, whole: true, [Symbol.dispose]: () => {} };
  const there = () => isThere(run, path, files, identity);
  if (there()) return found;
  const held = await aloneOr(there, run, path, signal);
  if (!held) return found;
  try {
    return { ...place, whole: claim(run, path, files, identity) === "whole", ...held };
  } catch (error) {
    held[Symbol.dispose]();
    throw error;
  }
}

/**
 * Waits until no other process holds this path of the run's folder, and holds it; undefined once what is waited for is there: who holds the path may have computed it and hang elsewhere.
 * @param there whether it is; what it throws ends the waiting
 * @throws as `takePlace`
 */
export async function aloneOr(there: () => boolean, run: KeptFolder, path: string, signal?: AbortSignal): Promise<Disposable | undefined> {
  const found = new AbortController();
  const asking = setInterval(() => {
    try {
      if (there()) found.abort();
    } catch (error) {
      found.abort(error);
    }
  }, 500);
  try {
    return await alone(run, path, signal ? AbortSignal.any([signal, found.signal]) : found.signal);
  } catch (error) {
    if (!signal?.aborted && there()) return undefined;
    throw error;
  } finally {
    clearInterval(asking);
  }
}

/** Waits until no other process holds this path of the run's folder, and holds it; calls of this process hold it together. @throws as `takePlace` */
export async function alone({ dir }: KeptFolder, path: string, signal?: AbortSignal): Promise<Disposable> {
  const lock = join(dir, `${path}.lock`);
  const own = holds.get(lock) ?? begin(lock);
  own.users++;
  const leave = () => {
    if (--own.users > 0) return;
    holds.delete(lock);
    own.release();
  };
  try {
    await orAborted(own.held, signal);
  } catch (error) {
    leave();
    throw error;
  }
  return { [Symbol.dispose]: leave };
}

/** A lock that calls of this process hold together, or wait for. */
interface Hold {
  users: number;
  held: Promise<void>;
  /** Lets go of it, or no longer waits for it. */
  release: () => void;
}

/** The locks of this process. A cell that was interrupted may never let go of its own: it must not stop the next one. */
const holds = new Map<string, Hold>();

function begin(lock: string): Hold {
  const waiting = new AbortController();
  const hold: Hold = { users: 0, held: Promise.resolve(), release: () => waiting.abort() };
  hold.held = lockFile(lock, waiting.signal).then((release) => {
    hold.release = release;
    if (waiting.signal.aborted) release(); // nobody waits any more
  });
  hold.held.catch(() => {}); // who waits for it hears of it
  holds.set(lock, hold);
  return hold;
}

async function lockFile(lock: string, signal: AbortSignal): Promise<() => void> {
  try {
    makeFolders(dirname(lock));
    return await holdLock(lock, undefined, signal);
  } catch (error) {
    throw fileError(lock, error);
  }
}

/** What is waited for, or the signal's reason once it is aborted. */
async function orAborted(promise: Promise<void>, signal?: AbortSignal): Promise<void> {
  if (!signal) return promise;
  signal.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    void promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
