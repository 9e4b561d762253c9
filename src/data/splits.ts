import type { Rng } from "../backend/random.js";
import { grouped } from "../setup/lists.js";
import { DataError } from "./errors.js";
import { groupTexts, NearIndex, normalise } from "./near-duplicates.js";
import type { PromptRow } from "./types.js";

/** Rows that may be trained on, and those that were too near to a held-out prompt. */
export interface Separated<T extends PromptRow> {
  kept: T[];
  dropped: { id: string; near: string }[];
}

/**
 * Leaves out rows that are near-duplicates of held-out prompts, which is done before any split is used.
 * @returns the kept rows in their order, and for each dropped row the id of the first held-out prompt it is near to
 */
export function separate<T extends PromptRow>(rows: readonly T[], heldOut: readonly PromptRow[]): Separated<T> {
  const index = new NearIndex(heldOut.map(({ prompt }) => prompt));
  const kept: T[] = [];
  const dropped: Separated<T>["dropped"] = [];
  for (const row of rows) {
    const [near] = index.near(row.prompt);
    if (near === undefined) kept.push(row);
    else dropped.push({ id: row.id, near: heldOut[near]!.id });
  }
  return { kept, dropped };
}

/**
 * Fails when a held-out prompt is trained on, letter case and punctuation aside.
 * @throws DataError naming the first pair of ids
 */
export function assertDisjoint(train: readonly PromptRow[], heldOut: readonly PromptRow[]): void {
  const held = new Map(heldOut.map((row) => [normalise(row.prompt), row]));
  for (const row of train) {
    const twin = held.get(normalise(row.prompt));
    if (twin) throw new DataError(`${row.id} (${row.split}) is the ${twin.split} prompt ${twin.id}: remove it from the training data`);
  }
}

/**
 * Leaves out later copies of the same prompt, letter case and punctuation aside.
 * @throws DataError when two copies have different labels
 */
export function distinct<T extends PromptRow>(rows: readonly T[]): { kept: T[]; copies: number } {
  const seen = new Map<string, T>();
  for (const row of rows) {
    const key = normalise(row.prompt);
    const earlier = seen.get(key);
    if (!earlier) seen.set(key, row);
    else if (earlier.label !== row.label) throw new DataError(`${earlier.id} and ${row.id} are the same prompt with different labels`);
  }
  const kept = [...seen.values()];
  return { kept, copies: rows.length - kept.length };
}

/**
 * Deals whole groups (a frame's rows, and near-duplicates of each other) to parts, so that no part has a near-duplicate in another.
 *
 * Groups are shuffled; each goes to the part that lacks most of its share. Groups are not cut, so shares are met to within a group.
 *
 * @param shares wanted share of the rows of each part, > 0; they need not add up to 1
 */
export function splitByGroup<K extends string, T extends PromptRow>(
  rows: readonly T[],
  shares: Record<K, number>,
  rng: Rng,
): Record<K, T[]> {
  const names = Object.keys(shares) as K[];
  const total = names.reduce((sum, name) => sum + shares[name], 0);
  if (names.length === 0 || names.some((name) => !(shares[name] > 0))) throw new RangeError("splitByGroup: every share must be > 0");

  const roots = groupTexts(
    rows.map(({ prompt }) => prompt),
    rows.map(({ frame }) => frame),
  );
  const groups = [...grouped([...rows.keys()], (i) => roots[i]!).values()].map((places) => places.map((i) => rows[i]!));

  const parts = Object.fromEntries(names.map((name) => [name, [] as T[]])) as Record<K, T[]>;
  const lacking = (name: K) => (shares[name] / total) * rows.length - parts[name].length;
  for (const group of rng.shuffle(groups)) {
    const part = names.reduce((best, name) => (lacking(name) > lacking(best) ? name : best));
    parts[part].push(...group);
  }
  return parts;
}
