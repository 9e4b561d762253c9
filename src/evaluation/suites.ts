import { existsSync } from "node:fs";
import { extname } from "node:path";
import { readSuite, type SuiteOptions } from "../data/csv.js";
import { type Datasets, needed, neededGeneral } from "../data/dataset.js";
import { DataError } from "../data/errors.js";
import { textSha256 } from "../data/manifest.js";
import type { GeneralRow, PromptRow } from "../data/types.js";
import { grouped } from "../setup/lists.js";

/** The built-in suites: what is reported on, and never trained on. */
export const suiteNames = ["harmful", "harmbench", "look-alike-safe", "look-alike-unsafe", "general"] as const;

/** One of them. */
export type SuiteName = (typeof suiteNames)[number];

/** The rows of a built-in suite. @throws DataError where the data sets have none, because the rules are not the default ones, and for a name that no suite has */
export function suiteRows(data: Datasets, name: SuiteName): PromptRow[] {
  switch (name) {
    case "harmful":
      return withDefaultRules(name, data.advbench.test);
    case "harmbench":
      return withDefaultRules(name, data.harmbench.test);
    case "look-alike-safe":
      return needed(data, "test").filter(({ label }) => label === "safe");
    case "look-alike-unsafe":
      return needed(data, "test").filter(({ label }) => label === "unsafe");
    case "general":
      return neededGeneral(data, "test");
    default:
      throw new DataError(`no suite is called "${name satisfies never}": choose ${suiteNames.join(", ")}`);
  }
}

function withDefaultRules(name: SuiteName, rows: PromptRow[]): PromptRow[] {
  if (rows.length === 0) throw new DataError(`suite "${name}" comes with the default rules only: give a file of prompts instead`);
  return rows;
}

/**
 * A suite by name, or a file that somebody brings (`readSuite`: CSV or JSON Lines).
 * @param build makes the data sets; called for built-in suites only
 * @throws DataError for a name that no suite has, for a built-in suite with a label, and for a file that cannot be read
 */
export async function openSuite(name: string, build: () => Promise<Datasets>, options: SuiteOptions = {}): Promise<PromptRow[]> {
  if (isSuiteName(name)) {
    if (options.label !== undefined) throw new DataError(`suite "${name}" has labels of its own: leave the label out`);
    return suiteRows(await build(), name);
  }
  const file = [".csv", ".jsonl"].includes(extname(name).toLowerCase());
  if (!file && !existsSync(name))
    throw new DataError(`no suite is called "${name}": choose ${suiteNames.join(", ")} or a .csv or .jsonl file`);
  return readSuite(name, options);
}

const isSuiteName = (name: string): name is SuiteName => (suiteNames as readonly string[]).includes(name);

export const isGeneral = (row: PromptRow): row is GeneralRow => "expect" in row;

/** Of a longer file the rows of a subset are chosen among the first so many: a subset is not worth reading a million rows. */
const WINDOW = 5_000;

/** How many rows of a file `take` chooses `n` rows among. A smaller subset stays part of a larger one, which is all of its rows where there are more than the window's. */
export const rowsFor = (n: number): number => Math.max(n, WINDOW);

/**
 * `n` rows of a suite, in the suite's order: every family in proportion to its size, and of a family as many different frames as there
 * can be. Which rows depends on their ids alone, so a smaller subset is part of a larger one and all runs take the same.
 * @param n all rows where there are fewer
 * @throws RangeError unless n is a whole number >= 0
 */
export function take<T extends PromptRow>(rows: readonly T[], n: number): T[] {
  if (!(Number.isInteger(n) && n >= 0)) throw new RangeError(`take: the number of rows must be a whole number >= 0, got ${n}`);
  const place = new Map<T, number>(); // how far through its family a row comes, in (0, 1)
  for (const family of grouped(rows, (row) => row.family).values()) {
    const turns = [...grouped(family, (row) => row.frame ?? row.id).values()].flatMap((frame) =>
      frame
        .map((row) => ({ row, hash: textSha256(row.id) }))
        .sort(byHash)
        .map((item, turn) => ({ ...item, turn })),
    );
    turns.sort((a, b) => a.turn - b.turn || byHash(a, b)); // the first of each frame, then the second of each, ...
    for (const [i, { row }] of turns.entries()) place.set(row, (i + 0.5) / family.length);
  }
  const chosen = new Set([...rows].sort((a, b) => place.get(a)! - place.get(b)!).slice(0, n));
  return rows.filter((row) => chosen.has(row));
}

const byHash = (a: { hash: string }, b: { hash: string }) => (a.hash < b.hash ? -1 : 1);
