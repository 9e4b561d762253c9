import { existsSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { DataError } from "../data/errors.js";
import { readJson } from "../data/jsonl.js";
import { writeJson } from "../setup/atomic.js";

/** A run that branches from another one: what both have in common is shared, by its identity, and the rest is computed. */
interface BranchRecord {
  format: 1;
  /** The other run's folder, relative to this one's. */
  parent: string;
}

const branchFile = (dir: string): string => join(dir, "branch.json");

/**
 * Makes a folder a branch of a run, before anything is in it. A call for the same parent changes nothing.
 * @throws DataError when the folder holds a run that is no branch of this parent, or the parent is the folder itself
 */
export function beginBranch(parent: string, dir: string): void {
  if (resolve(parent) === resolve(dir)) throw new DataError(`${dir}: a run cannot be a branch of itself: choose another folder`);
  const [before] = parentsOf(dir);
  if (before !== undefined && resolve(before) === resolve(parent)) return;
  if (before !== undefined || existsSync(join(dir, "run.json"))) {
    throw new DataError(
      `${dir} holds a run that ${before ? `branches from ${before}` : `is no branch`}, not from ${parent}: choose another folder`,
    );
  }
  const record: BranchRecord = { format: 1, parent: relative(resolve(dir), resolve(parent)) };
  writeJson(branchFile(dir), record);
}

/** The folders that a run branches from, the nearest first; none for a run that is no branch. */
export function parentsOf(dir: string): string[] {
  const parents: string[] = [];
  for (let at = dir; existsSync(branchFile(at)); ) {
    const parent = resolve(at, readJson<BranchRecord>(branchFile(at)).parent);
    if (parents.includes(parent)) break;
    parents.push(parent);
    at = parent;
  }
  return parents;
}
