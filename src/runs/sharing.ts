import { statSync } from "node:fs";
import { join } from "node:path";
import { parentsOf } from "./branch.js";
import { type KeptRecord, keptResults } from "./claim.js";

/** How much of a run was shared with the runs that it branches from, in kept results that are whole. */
export interface Sharing {
  results: number;
  shared: number;
}

/** Counts a run's kept results, and those that are the same file as in a run that it branches from. */
export function sharing(dir: string): Sharing {
  const whole = keptResults(dir).filter(({ record }) => stateOf(dir, record) !== undefined);
  return { results: whole.length, shared: whole.filter(({ record }) => sharedWith(dir, record) !== undefined).length };
}

/** The nearest run that a branch has a whole result in common with, by a link; undefined for what it has computed itself. */
export function sharedWith(dir: string, record: KeptRecord): string | undefined {
  const own = stateOf(dir, record);
  return own && parentsOf(dir).find((parent) => stateOf(parent, record) === own);
}

/** What tells a result's first file, which is written last, from any other file; undefined where it is not there. */
function stateOf(dir: string, { files: [mark] }: KeptRecord): string | undefined {
  const found = statSync(join(dir, mark!), { throwIfNoEntry: false });
  return found && `${found.dev} ${found.ino}`;
}
