import { existsSync } from "node:fs";
import { basename, dirname, isAbsolute, join } from "node:path";
import { DataError } from "../data/errors.js";

/**
 * Keeps an executed copy of a notebook, in RUN/notebooks or RUN/methods/NAME, from beginning a run. Its `runDir` is relative to where its source stands, so from
 * the copy's own folder it leads to a place where there is none, and all would be trained again there.
 * @param dir a folder that holds no run yet
 * @param from the folder that `dir` is relative to
 * @throws DataError that says what leads to the run
 */
export function assertNoCopy(dir: string, from: string = process.cwd()): void {
  if (isAbsolute(dir) || existsSync(join(dir, "branch.json"))) return; // a branch is begun on purpose
  const up = basename(from) === "notebooks" ? ".." : basename(dirname(from)) === "methods" ? "../.." : undefined;
  if (up === undefined || !existsSync(join(from, up, "run.json"))) return;
  throw new DataError(
    `${dir}: holds no run, and this notebook is a copy that the run ${join(from, up)} keeps: set runDir to "${up}", or to an absolute path to begin another run`,
  );
}
