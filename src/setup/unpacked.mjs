/**
 * Whether what was unpacked from a bundle is what `erpo setup --bundle` packed. Plain JavaScript without dependencies, as bootstrap.mjs, which calls it before anything that
 * could be damaged is loaded.
 */
import { createHash } from "node:crypto";
import { closeSync, openSync, readFileSync, readSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** What the owner of a bundle changes; it is looked at once, when nobody has yet. */
const isOwners = (path) => /^(src|kernel|reports|notebooks|test|dist|runs)\//.test(path);

/** Commands that look at everything that should be as it was, each time. */
const THOROUGH = ["start", "test", "setup", "doctor"];

/**
 * Reads a bundle's files when it is used for the first time, and with some commands again.
 * @param {string} root the unpacked folder
 * @param {string | undefined} command the word behind `erpo`
 * @param {(line: string) => void} say receives a line for each damaged file
 * @returns {boolean} whether all files, those of its owner too, were read now and are whole
 * @throws {Error} in one line, when files are damaged or missing, or the bundle is another platform's
 */
export function checkUnpacked(root, command, say) {
  const file = join(root, "bundle.json");
  const mark = digest(file);
  const marker = join(root, "cache", "verified");
  const isFirst = readText(marker) !== mark;
  if (!isFirst && !THOROUGH.includes(command)) return false;
  const { platform, glibc, files } = manifest(file);
  if (platform !== `${process.platform}-${process.arch}`)
    throw new Error(`this bundle is for ${platform}, and this machine is ${process.platform}-${process.arch}: make one on such a machine`);
  if (isFirst) checkGlibc(glibc);
  const paths = Object.keys(files).filter((path) => isFirst || !isOwners(path));
  if (isFirst) say(`reading the bundle's ${paths.length} files, once`);
  const damaged = paths.filter((path) => digest(join(root, path)) !== files[path]);
  for (const path of damaged) say(`${path} is damaged or missing`);
  if (damaged.length > 0) {
    const what = damaged.length === 1 ? "1 file of the bundle is" : `${damaged.length} files of the bundle are`;
    throw new Error(`${what} not as packed: unpack it again, from a fresh copy if the archive is not what its .sha256 says`);
  }
  if (isFirst) {
    try {
      writeFileSync(marker, mark);
    } catch {
      // a folder that others may only read: the files are read each time
    }
  }
  return isFirst;
}

function readText(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

function manifest(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    throw new Error(`${file} is damaged: unpack the bundle again`);
  }
}

/** @throws {Error} where the GNU C library is older than the one that the bundle's programs were linked with */
function checkGlibc(needed) {
  if (needed === null) return;
  process.report.excludeNetwork = true; // else it asks for the names of all hosts
  const here = process.report.getReport().header.glibcVersionRuntime;
  if (here !== undefined && Number(here.split(".")[1]) < Number(needed.split(".")[1]))
    throw new Error(
      `this bundle needs the GNU C library ${needed} or newer, and this machine has ${here}: make one on a machine with the older system`,
    );
}

const buffer = Buffer.allocUnsafe(1 << 20);

/** SHA-256 of a file; undefined where it cannot be read. */
function digest(path) {
  let handle;
  try {
    handle = openSync(path, "r");
    const hash = createHash("sha256");
    for (let count = readSync(handle, buffer); count > 0; count = readSync(handle, buffer)) hash.update(buffer.subarray(0, count));
    return hash.digest("hex");
  } catch {
    return undefined;
  } finally {
    if (handle !== undefined) closeSync(handle);
  }
}
