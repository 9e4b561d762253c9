import { createHash } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { writeAtomic } from "./atomic.js";
import { buildFolder, type Manifest, type Variant } from "./binding.js";
import { sha256 } from "./files.js";
import { cacheDir } from "./paths.js";

/** How a file's digest is found: `read` reads the file, `remember` only where its size, times or inode are others than when it was read last. */
export type Look = "read" | "remember";

/** What is kept of a file that was read: what tells that it may have changed, and its digest. */
interface Seen {
  state: string;
  sha256: string;
}

/** SHA-256 of a file, as hexadecimal digits. What was read is remembered in the cache, where that can be written. */
export async function digestOfFile(file: string, look: Look): Promise<string> {
  const { size, mtimeNs, ctimeNs, ino } = statSync(file, { bigint: true });
  const state = [size, mtimeNs, ctimeNs, ino].join(" ");
  const place = join(cacheDir(), "digests", `${createHash("sha256").update(file).digest("hex").slice(0, 32)}.json`);
  const seen = look === "remember" ? readSeen(place) : undefined;
  if (seen?.state === state) return seen.sha256;
  const digest = await sha256(file);
  note(place, JSON.stringify({ state, sha256: digest } satisfies Seen));
  return digest;
}

function readSeen(place: string): Seen | undefined {
  try {
    return JSON.parse(readFileSync(place, "utf8"));
  } catch {
    return undefined;
  }
}

/** Those of a folder's files that are missing or have another digest than the recorded one, as paths. */
export async function damagedFiles(dir: string, digests: Readonly<Record<string, string>>, look: Look): Promise<string[]> {
  const damaged: string[] = [];
  for (const [name, digest] of Object.entries(digests)) {
    const path = join(dir, name);
    if (!existsSync(path) || (await digestOfFile(path, look)) !== digest) damaged.push(path);
  }
  return damaged;
}

/** The damaged files of a build that has its recorded sizes. A build of before, which records no digests, is taken as it is, and they are noted. */
export async function damagedBuild(variant: Variant, look: Look): Promise<string[]> {
  const dir = buildFolder(variant);
  const file = join(dir, "manifest.json");
  const manifest = JSON.parse(readFileSync(file, "utf8")) as Manifest;
  if (manifest.sha256) return damagedFiles(dir, manifest.sha256, look);
  note(file, JSON.stringify({ ...manifest, sha256: await digestsOf(dir, Object.keys(manifest.files)) }, null, 2));
  return [];
}

/** SHA-256 of a folder's files by their names. */
export async function digestsOf(dir: string, names: readonly string[]): Promise<Record<string, string>> {
  const digests: Record<string, string> = {};
  for (const name of names) digests[name] = await sha256(join(dir, name));
  return digests;
}

/** Writes what a later look compares with; without it that look takes the file as it is. */
export function note(file: string, text: string): void {
  try {
    writeAtomic(file, [text]);
  } catch {} // full, read-only or another user's
}
