import { dirname, join } from "node:path";
import type { Identity } from "../data/identity.js";
import { readJson } from "../data/jsonl.js";
import { fileError, writeAtomic } from "../setup/atomic.js";
import { makeFolders } from "../setup/folders.js";
import { holdLock } from "../setup/lock.js";
import { claim, isWhole, type KeptFolder } from "./claim.js";

/**
 * A JSON result that is computed once: kept in the file `path` of the run's folder with what it was made from beside it. With the same identity it is read, also from
 * a run that this one branches from; with another one nothing is computed and nothing is read. While another process computes it, it is waited for.
 *
 * @throws KeptError naming what differs, when the file holds a result of another identity
 */
export async function keep<T extends object>(run: KeptFolder, path: string, identity: Identity, compute: () => Promise<T>): Promise<T> {
  const file = join(run.dir, path);
  using place = await takePlace(run, path, [path], identity);
  if (!place.whole) writeAtomic(file, [`${JSON.stringify(await compute())}\n`]);
  return readJson<T>(file);
}

/** A result's place in a run's folder: the result is there, or no other process computes it until the place is disposed of. */
export interface Place extends Disposable {
  whole: boolean;
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
  const found: Place = { whole: true, [Symbol.dispose]: () => {} };
  if (isWhole(run, path, files, identity)) return found;
  const held = await aloneOr(() => isWhole(run, path, files, identity), run, path, signal);
  if (!held) return found;
  try {
    return { whole: claim(run, path, files, identity) === "whole", ...held };
  } catch (error) {
    held[Symbol.dispose]();
    throw error;
  }
}

/** As `alone`; undefined once what is waited for is there: who holds the path may have computed it and hang elsewhere. */
async function aloneOr(isThere: () => boolean, run: KeptFolder, path: string, signal?: AbortSignal): Promise<Disposable | undefined> {
  const found = new AbortController();
  const asking = setInterval(() => {
    try {
      if (isThere()) found.abort();
    } catch (error) {
      found.abort(error); // something else is kept there
    }
  }, 500);
  try {
    return await alone(run, path, signal ? AbortSignal.any([signal, found.signal]) : found.signal);
  } catch (error) {
    if (!signal?.aborted && isThere()) return undefined;
    throw error;
  } finally {
    clearInterval(asking);
  }
}

/** Waits until no other process holds this path of the run's folder, and holds it. @throws as `takePlace` */
export async function alone({ dir }: KeptFolder, path: string, signal?: AbortSignal): Promise<Disposable> {
  const lock = join(dir, `${path}.lock`);
  const own = holds.get(lock) ?? { users: 0, lock: lockFile(lock, signal) };
  holds.set(lock, own);
  own.users++;
  const leave = (release: () => void) => {
    if (--own.users > 0) return;
    holds.delete(lock);
    release();
  };
  const release = await own.lock.catch((error) => {
    leave(() => {});
    throw error;
  });
  return { [Symbol.dispose]: () => leave(release) };
}

/** The locks of this process. A cell that was interrupted may never let go of its own: it must not stop the next one. */
const holds = new Map<string, { users: number; lock: Promise<() => void> }>();

async function lockFile(lock: string, signal?: AbortSignal): Promise<() => void> {
  try {
    makeFolders(dirname(lock));
    return await holdLock(lock, undefined, signal);
  } catch (error) {
    throw fileError(lock, error);
  }
}
