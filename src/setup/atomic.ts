import { closeSync, existsSync, fchmodSync, fsyncSync, openSync, readdirSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { isAlive } from "./alive.js";
import { makeFolders, readSteadily, unwritable } from "./folders.js";
import { behindLinks, isStandardOutput, isStream, openStream, openStreamNow, writeStream, writeStreamNow } from "./streams.js";

/** A file that the file system did not take: `FILE: cannot be written (cause)`. */
export class FileError extends Error {
  override name = "FileError";
}

/**
 * Writes a file whole or not at all: beside its place, synced, then renamed; its folder is made where missing. A reader sees the old
 * content or the new one, also after a power cut. Who may read the file stays as it was. A symbolic link stays, and the file that it leads to is written so; a device or a
 * pipe is written to as it is, and never replaced.
 *
 * @param chunks parts of the content, taken one at a time, so that a large file is never in memory as a whole
 * @throws FileError `FILE: cannot be written (cause)`, or what `chunks` throws; nothing is left beside the file
 */
export function writeAtomic(path: string, chunks: Iterable<string | Uint8Array>): void {
  const file = isStream(path) ? beginStream(path) : begin(path);
  try {
    for (const chunk of chunks) file.write(chunk);
    file.commit();
  } catch (error) {
    throw file.abandon(error);
  }
}

/** The same with chunks that have to be waited for; so is the reader of a pipe. */
export async function writeAtomicFrom(
  path: string,
  chunks: AsyncIterable<string | Uint8Array> | Iterable<string | Uint8Array>,
): Promise<void> {
  if (isStream(path)) return writeToStream(path, chunks);
  const file = begin(path, `.${++turn}`); // meanwhile another write of the file may begin
  try {
    for await (const chunk of chunks) file.write(chunk);
    file.commit();
  } catch (error) {
    throw file.abandon(error);
  }
}

/** A JSON file, whole or not at all, as people read it. @throws FileError as `writeAtomic` */
export const writeJson = (path: string, value: object): void => writeAtomic(path, [`${JSON.stringify(value, null, 2)}\n`]);

let turn = 0;

/** What a file's content goes into: it takes its place with `commit`, or goes with `abandon`, which returns the error to throw. */
interface Begun {
  write(chunk: string | Uint8Array): void;
  commit(): void;
  abandon(error: unknown): unknown;
}

const bytesOf = (chunk: string | Uint8Array): Uint8Array => (typeof chunk === "string" ? Buffer.from(chunk) : chunk);

/** Opens a file beside the place that a path leads to, which takes its place or goes. */
function begin(path: string, mark = ""): Begun {
  let [place, folder, beside] = ["", "", ""];
  let file: number | undefined;
  const close = () => {
    if (file !== undefined) closeSync(file);
    file = undefined;
  };
  const abandon = (error: unknown): unknown => {
    close();
    if (beside !== "" && existsSync(beside)) rmSync(beside);
    return fileError(path, error);
  };
  const write = (chunk: string | Uint8Array) => writeAll(file!, bytesOf(chunk));
  const commit = () => {
    fsyncSync(file!);
    close();
    renameSync(beside, place);
    syncFolder(folder);
    removeOlder(folder, basename(place));
  };
  try {
    place = behindLinks(path);
    folder = dirname(place);
    makeFolders(folder);
    beside = join(folder, `.${basename(place)}${mark}.${process.pid}.tmp`);
    const before = statSync(place, { throwIfNoEntry: false });
    file = openSync(beside, "w", before?.isFile() ? before.mode & 0o777 : 0o666);
    if (before?.isFile()) fchmodSync(file, before.mode & 0o777); // whatever the umask
  } catch (error) {
    throw abandon(error);
  }
  return { write, commit, abandon };
}

/** Opens a device or a pipe: what is written has gone. A pipe has to have its reader. */
function beginStream(path: string): Begun {
  const abandon = (error: unknown) => fileError(path, error);
  let file: number;
  try {
    file = isStandardOutput(path) ? process.stdout.fd : openStreamNow(path);
  } catch (error) {
    throw abandon(error);
  }
  const close = () => {
    if (file !== process.stdout.fd) closeSync(file);
  };
  return {
    write: (chunk) => writeStreamNow(file, bytesOf(chunk)),
    commit: close,
    abandon(error) {
      close();
      return abandon(error);
    },
  };
}

/** Writes to a device, a pipe or the standard output, whose errors end the process (src/cli/main.ts). */
async function writeToStream(path: string, chunks: AsyncIterable<string | Uint8Array> | Iterable<string | Uint8Array>): Promise<void> {
  if (isStandardOutput(path)) {
    for await (const chunk of chunks) await new Promise<void>((done) => void process.stdout.write(chunk, () => done()));
    return;
  }
  let file: number | undefined;
  try {
    file = await openStream(path);
    for await (const chunk of chunks) await writeStream(file, bytesOf(chunk));
  } catch (error) {
    throw fileError(path, error);
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** Removes what `writeAtomic` has left beside files of a folder, and of the folders in it, in processes that were killed. */
export function removeLeftovers(folder: string): void {
  for (const entry of readSteadily(folder, () => readdirSync(folder, { recursive: true, withFileTypes: true })))
    if (entry.isFile() && isLeftover(entry.name)) rmSync(join(entry.parentPath, entry.name), { force: true });
}

/** The same beside one file that is whole now, as far as its folder can be read and changed. */
function removeOlder(folder: string, name: string): void {
  try {
    for (const other of readdirSync(folder))
      if (other.startsWith(`.${name}.`) && isLeftover(other)) rmSync(join(folder, other), { force: true });
  } catch {}
}

/** Whether a file of this name is one that a dead process was writing. */
function isLeftover(name: string): boolean {
  const pid = /^\..+\.(\d+)\.tmp$/.exec(name)?.[1];
  return pid !== undefined && !isAlive(Number(pid));
}

/** The file system's error as one that names the file; others as they are. */
export function fileError(path: string, error: unknown): unknown {
  const problem = unwritable(error);
  return problem === undefined ? error : new FileError(`${path}: ${problem}`);
}

/** Writes all of the bytes: one call of the system may take only a part. */
export function writeAll(file: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
}

/** A renamed file survives a power cut only once its folder is synced, where the system allows that. */
function syncFolder(folder: string): void {
  try {
    const handle = openSync(folder, "r");
    fsyncSync(handle);
    closeSync(handle);
  } catch {}
}
