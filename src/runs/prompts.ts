import type { Rng } from "../backend/random.js";
import type { PromptRow } from "../data/types.js";
import type { LabelledPrompt } from "../exante/rows.js";
import { grouped } from "../setup/lists.js";

/** Safe and unsafe prompts in turn, each in random order, as long as there are some of both: every beginning is half benign. */
export function balancedPrompts(rows: readonly PromptRow[], rng: Rng): LabelledPrompt[] {
  const of = (label: PromptRow["label"]) => rng.fork(label).shuffle(rows.filter((row) => row.label === label));
  const [safe, unsafe] = [of("safe"), of("unsafe")];
  return Array.from({ length: 2 * Math.min(safe.length, unsafe.length) }, (_, i) => labelled((i % 2 === 0 ? safe : unsafe)[i >> 1]!));
}

/** A safe and an unsafe prompt, of the same frame where `frame` is not null. */
export interface PromptPair {
  family: string;
  frame: string | null;
  safe: LabelledPrompt;
  unsafe: LabelledPrompt;
}

/**
 * Every prompt with one of the other label, of the same frame as far as there is one: what differs within a pair is what decides. Pairs come in turns of their families,
 * so that every beginning has all of them.
 * @returns the pairs, and the rows of the label that more prompts have
 */
export function framePairs(rows: readonly PromptRow[], rng: Rng): { pairs: PromptPair[]; rest: LabelledPrompt[] } {
  const of = (label: PromptRow["label"], from: readonly PromptRow[]) => from.filter((row) => row.label === label).map(labelled);
  const zip = (safe: readonly LabelledPrompt[], unsafe: readonly LabelledPrompt[], frame: string | null): PromptPair[] =>
    safe.slice(0, unsafe.length).map((row, i) => ({ family: frame === null ? "" : row.family, frame, safe: row, unsafe: unsafe[i]! }));
  const frames = grouped(rng.shuffle(rows), ({ frame }) => frame);
  const left: LabelledPrompt[] = [];
  const pairs = [...frames].flatMap(([frame, members]) => {
    const [safe, unsafe] = [of("safe", members), of("unsafe", members)];
    const paired = frame === undefined ? 0 : Math.min(safe.length, unsafe.length);
    left.push(...safe.slice(paired), ...unsafe.slice(paired));
    return zip(safe.slice(0, paired), unsafe.slice(0, paired), frame ?? null);
  });
  const [safe, unsafe] = [of("safe", left), of("unsafe", left)];
  pairs.push(...zip(safe, unsafe, null));
  return { pairs: inTurns(rng.shuffle(pairs), ({ family }) => family), rest: [...safe.slice(unsafe.length), ...unsafe.slice(safe.length)] };
}

/** Items in turns of their groups: each group is spread evenly over the whole. */
export function inTurns<T>(items: readonly T[], groupOf: (item: T) => string): T[] {
  return [...grouped(items, groupOf).values()]
    .flatMap((group) => group.map((item, i) => ({ item, place: (i + 0.5) / group.length })))
    .sort((a, b) => a.place - b.place)
    .map(({ item }) => item);
}

/** @throws RangeError for a row without sense and target, which a trace cannot be written from */
export function labelled(row: PromptRow): LabelledPrompt {
  const { sense, target } = row;
  if (sense === undefined || target === undefined) throw new RangeError(`prompt ${row.id} has no sense and target`);
  return { ...row, sense, target };
}

/** The first items that together stay within a budget of tokens; at least one. Those behind them are not asked for. */
export function withinTokens<T>(items: Iterable<T>, tokensOf: (item: T) => number, budget: number): T[] {
  const taken: T[] = [];
  let tokens = 0;
  for (const item of items) {
    tokens += tokensOf(item);
    if (tokens > budget && taken.length > 0) break;
    taken.push(item);
  }
  return taken;
}
