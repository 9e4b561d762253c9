import type { Rng } from "../../backend/random.js";
import { drawPairs, type PairedDifference, pairedDifference } from "../../evaluation/paired.js";
import { answeredRight } from "../../evaluation/right-answers.js";
import type { TrialResult } from "../../runs/evaluate.js";
import { changeInPoints } from "../claims.js";

/**
 * Right answers of one policy less those of another, on the prompts that both have, by prompts' ids; unsafe and safe prompts weigh the same.
 * @throws RangeError when a label has no prompt that both have
 */
export function rightDifference(a: readonly TrialResult[], b: readonly TrialResult[], rng: Rng): PairedDifference {
  const rowsOf = (results: readonly TrialResult[]) =>
    new Map(results.flatMap(({ suite, trial, rows }) => rows.map((row) => [`${suite ?? trial} ${row.id}`, row] as const)));
  const [mine, theirs] = [rowsOf(a), rowsOf(b)];
  const differences = (["unsafe", "safe"] as const).map((label) =>
    [...mine].flatMap(([id, row]) => {
      const other = theirs.get(id);
      return row.label === label && other ? [Number(answeredRight(row)) - Number(answeredRight(other))] : [];
    }),
  );
  return pairedDifference(
    differences,
    differences.map((list, i) => drawPairs(list.length, rng.fork(String(i)))),
  );
}

/**
 * A claim that one policy is better than another, held against the paired difference of their right answers.
 * @returns a sentence, which follows from the interval: it holds, is not shown, or the contrary holds
 */
export function betterInWords(what: string, than: string, difference: PairedDifference): string {
  const { low, high, n } = difference;
  const numbers = `right answers differ by ${changeInPoints(difference)} on ${n} prompts`;
  if (low > 0) return `${what} is better than ${than} here: ${numbers}.`;
  if (high < 0) return `${what} is worse than ${than} here: ${numbers}.`;
  const inside = /^[A-Z](?![A-Z])/.test(what) ? `${what[0]!.toLowerCase()}${what.slice(1)}` : what; // "ERPO" stays
  return `That ${inside} is better than ${than} is not shown here: ${numbers}.`;
}
