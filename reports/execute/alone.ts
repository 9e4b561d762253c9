import { readdirSync, readFileSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { FileError, fileError } from "../../src/setup/atomic.js";
import { SetupError } from "../../src/setup/files.js";
import { makeFolders } from "../../src/setup/folders.js";
import { withLock } from "../../src/setup/lock.js";
import { NotebookError } from "../notebook/types.js";

/**
 * Runs `work` as the only writer of a file; what a killed writer has left beside it is removed.
 * @param output absolute path; its folder is made
 * @throws NotebookError when another process is writing the file; FileError when its folder cannot be written
 */
export async function alone<T>(output: string, work: () => Promise<T>): Promise<T> {
  const folder = dirname(output);
  const lock = join(folder, `.${basename(output)}.lock`);
  try {
    makeFolders(folder);
  } catch (error) {
    throw fileError(output, error);
  }
  let locked = false;
  const clear = () => {
    locked = true;
    removeUnfinished(output);
    return work();
  };
  const refuse = () => {
    throw new NotebookError(`${output}: is being written by another run${owner(lock)}; wait for it, or choose another --output`);
  };
  return withLock(lock, clear, refuse).catch((error) => {
    if (error instanceof SetupError && !locked) throw new FileError(`${output}: cannot be written`);
    throw (error as NodeJS.ErrnoException).path === lock ? fileError(output, error) : error; // such as a file where its folder should be
  });
}

function owner(lock: string): string {
  try {
    return ` (process ${readFileSync(lock, "utf8").split(" ")[0]})`;
  } catch {
    return "";
  }
}

function removeUnfinished(output: string): void {
  const start = `.${basename(output)}.`;
  for (const name of readdirSync(dirname(output))) {
    if (name.startsWith(start) && /^\d+\.tmp$/.test(name.slice(start.length))) rmSync(join(dirname(output), name), { force: true });
  }
}
