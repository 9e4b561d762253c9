import { existsSync, realpathSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { DataError } from "../data/errors.js";
import { packageRoot } from "../setup/paths.js";
import { assertIdle } from "../setup/sole-writer.js";
import { behindLinks } from "../setup/streams.js";
import { lockOf } from "./output.js";

/** A notebook of a job, and the file that its executed copy goes to. */
export interface JobNotebook {
  source: string;
  output: string;
}

/**
 * Makes sure that no executed copy of a job is written over a source.
 * @param dir the run's folder
 * @throws DataError when the folder is erpo's own, or a copy would go over a source, also through a link
 */
export function assertBesideSources(dir: string, notebooks: readonly JobNotebook[]): void {
  const sources = new Set(notebooks.map(({ source }) => realpathSync(source)));
  if (realPath(dir) === realpathSync(packageRoot()) || notebooks.some(({ output }) => sources.has(realPath(output))))
    throw new DataError(`--run ${dir}: a run there would write over erpo's own notebooks: choose another folder, such as runs/quick`);
}

/** What to do where another job writes the same. */
export const whenBusy = "wait for it, or choose another folder (--run)";

/** Makes sure that no other job is writing the executed copies now. @throws BusyError that names the process */
export function assertIdleOutputs(notebooks: readonly JobNotebook[]): void {
  for (const { output } of notebooks) assertIdle(output, lockOf(output), whenBusy);
}

/** Where a path leads to, of which only a part may be there yet. */
function realPath(path: string): string {
  const place = resolve(behindLinks(path));
  return existsSync(place) || dirname(place) === place ? realpathSync(place) : join(realPath(dirname(place)), basename(place));
}
