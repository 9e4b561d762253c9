import { basename, dirname, join, relative, resolve } from "node:path";
import type { Parameters } from "../execute/parameters.js";
import { NotebookError } from "../notebook/types.js";

/** The parameter by which a notebook names its run. */
export const runParameter = "runDir";

/** What a sweep asks the library of runs' folders. */
export interface Branching {
  /** Makes a folder a branch of a run. @throws Error in one line when the folder holds another run */
  beginBranch(parent: string, dir: string): void;
  /** The runs that a folder branches from, the nearest first. */
  parentsOf(dir: string): string[];
  /** Kept results of a run, and how many of them it shares with the runs that it branches from. */
  sharing(dir: string): { results: number; shared: number };
}

/**
 * Begins a branch for each combination of a sweep. What the swept parameters do not touch has the same identity in all of them, and is computed once: each member
 * branches from one that was begun before it, so it shares with those before it as well as with the run that the notebooks name. That run need not be there.
 * Folders that lead to it already, or to a member that was removed, stay as they are: a sweep may be gone on with, and given more values.
 *
 * @param root the run that the notebooks name
 * @param dirs the members' folders in their order
 * @throws Error in one line when a folder holds another run
 */
export function beginBranches(root: string, dirs: readonly string[], { beginBranch, parentsOf }: Branching): void {
  const isBegun = (dir: string) => {
    const parents = parentsOf(dir);
    return parents.length > 0 && (parents.includes(root) || dirname(parents.at(-1)!) === dirname(dir));
  };
  const begun = dirs.filter(isBegun);
  for (const dir of dirs) {
    if (isBegun(dir)) continue;
    const others = begun.filter((other) => !parentsOf(other).includes(dir)); // of a folder that was removed others may still be branches
    const longest = others.reduce((a, b) => (parentsOf(b).length >= parentsOf(a).length ? b : a), root);
    beginBranch(longest, dir);
    begun.push(dir);
  }
}

/**
 * The run that notebooks name by their parameter, resolved as they would.
 * @param notebooks their kernels' folders and their parameters, declared and given
 * @returns undefined where none has such a parameter
 * @throws NotebookError when they name different runs
 */
export function namedRun(notebooks: readonly { path: string; folder: string; parameters: Parameters }[]): string | undefined {
  const named = notebooks.flatMap(({ path, folder, parameters: { [runParameter]: value } }) =>
    typeof value === "string" && value !== "" ? [{ path, dir: resolve(folder, value) }] : [],
  );
  const [first] = named;
  const other = named.find(({ dir }) => dir !== first!.dir);
  if (first && other)
    throw new NotebookError(
      `${basename(other.path)}: its ${runParameter} is ${relative("", other.dir)}, that of ${basename(first.path)} is ${relative("", first.dir)}: sweep them one by one`,
    );
  return first?.dir;
}

/** Folder of a combination's run: `runs/beta=0.5.seed=2` below the sweep's output. */
export const branchFolder = (output: string, name: string): string => join(resolve(output), "runs", name);
