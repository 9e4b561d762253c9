import { createHash } from "node:crypto";
import { readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { writeAtomic } from "./atomic.js";
import { cacheDir } from "./paths.js";

/** Files that a kind keeps at most; the oldest go. */
const KEPT = 300;
const DIGEST = 32;

/**
 * Bytes that follow from `inputs` alone: taken from erpo's cache folder where they were made before, else made and kept. A file that is damaged
 * is made again, and a cache that cannot be read or written costs time only.
 *
 * @param kind name of a folder in the cache
 * @param inputs all that the bytes depend on, versions of programs included
 */
export async function remembered(
  kind: string,
  inputs: readonly (string | Uint8Array)[],
  make: () => Uint8Array | Promise<Uint8Array>,
): Promise<Uint8Array> {
  const folder = join(cacheDir(), kind);
  const file = join(folder, sha256(...inputs.flatMap((input) => [`${input.length}:`, input])).toString("hex"));
  const kept = readSealed(file);
  if (kept) return kept;
  const made = await make();
  try {
    writeSealed(file, made);
    removeOldest(folder);
  } catch {} // full, read-only or another user's
  return made;
}

/** Writes bytes behind their digest. @throws FileError where the file cannot be written */
export const writeSealed = (file: string, bytes: Uint8Array): void => writeAtomic(file, [sha256(bytes), bytes]);

/** The bytes that `writeSealed` has written; undefined where there are none or they are damaged. */
export function readSealed(file: string): Buffer | undefined {
  try {
    const bytes = readFileSync(file);
    const content = bytes.subarray(DIGEST);
    return sha256(content).equals(bytes.subarray(0, DIGEST)) ? content : undefined;
  } catch {
    return undefined;
  }
}

function removeOldest(folder: string): void {
  const names = readdirSync(folder);
  if (names.length <= KEPT) return;
  const byAge = names.map((name) => ({ name, time: statSync(join(folder, name)).mtimeMs })).sort((a, b) => b.time - a.time);
  for (const { name } of byAge.slice(KEPT)) rmSync(join(folder, name), { force: true });
}

function sha256(...parts: (string | Uint8Array)[]): Buffer {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
}
