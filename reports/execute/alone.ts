import { readdirSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { BusyError, soleWriter } from "../../src/setup/sole-writer.js";
import { NotebookError } from "../notebook/types.js";

/**
 * Runs `work` as the only writer of a file; what a killed writer has left beside it is removed.
 * @param output absolute path; its folder is made
 * @param advice what to do when another process is writing it
 * @throws NotebookError when another process is writing the file; FileError when its folder cannot be written
 */
export async function alone<T>(output: string, work: () => Promise<T>, advice = "wait for it, or choose another --output"): Promise<T> {
  const lock = join(dirname(output), `.${basename(output)}.lock`);
  const clear = () => {
    removeUnfinished(output);
    return work();
  };
  try {
    return await soleWriter(output, lock, advice, clear);
  } catch (error) {
    throw error instanceof BusyError ? new NotebookError(error.message) : error;
  }
}

function removeUnfinished(output: string): void {
  const start = `.${basename(output)}.`;
  for (const name of readdirSync(dirname(output))) {
    if (name.startsWith(start) && /^\d+\.tmp$/.test(name.slice(start.length))) rmSync(join(dirname(output), name), { force: true });
  }
}
