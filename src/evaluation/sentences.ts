import type { Estimate, PairedTest, Proportion } from "./intervals.js";
import { change, estimated } from "./numerals.js";

/**
 * What a paired comparison says, in words that follow from its numbers: which of two policies is right more often, and whether chance explains that (McNemar's exact p
 * against 0.05).
 * @param prompts what was compared, such as "dev prompts"
 */
export function comparisonInWords(first: string, second: string, { onlyA, onlyB, p }: PairedTest, prompts: string): string {
  const counts = `only ${second} is right on ${onlyB} of the ${prompts}, only ${first} on ${onlyA}`;
  if (onlyA + onlyB === 0) return `${capital(first)} and ${second} are right on the same ${prompts}.`;
  const sized = p < 0.001 ? "p < 0.001" : `p = ${p.toPrecision(2)}`;
  if (p >= 0.05) return `${capital(counts)}. Chance explains that (${sized}), so these prompts show no difference.`;
  return `${capital(counts)}. So ${onlyB > onlyA ? second : first} is right more often, which chance does not explain (${sized}).`;
}

/**
 * What a paired difference of two areas under ROC curves says: which policy tells unsafe from safe prompts better, and whether the 95% interval leaves that open.
 * @param difference the second one's area less the first one's, as `aucDifference` gives it
 * @param prompts what was compared, such as "test prompts"
 */
export function aucDifferenceInWords(first: string, second: string, difference: Estimate, prompts: string): string {
  const { value, low, high } = difference;
  const says = `On ${prompts} the AUC of ${second} less that of ${first} is ${estimated(difference, (x) => change(x, 3))}`;
  if (low <= 0 && high >= 0) return `${says}: these prompts do not tell which of the two decides better.`;
  return `${says}: ${value > 0 ? second : first} decides better.`;
}

/**
 * What two shares of the same prompts say, by their intervals: `AdvBench refused: 0 of 60, then 55 of 60: more, beyond both 95% intervals`.
 * @param title what is counted
 */
export function sharesInWords(title: string, before: Proportion, after: Proportion): string {
  const counts = `${title}: ${before.k} of ${before.n}, then ${after.k} of ${after.n}`;
  if (after.low > before.high) return `${counts}: more, beyond both 95% intervals`;
  if (after.high < before.low) return `${counts}: fewer, beyond both 95% intervals`;
  return `${counts}: the 95% intervals overlap, so chance may explain it`;
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/**
 * What is wanted of a trial, behind its title, as figures and tables call it: `AdvBench, held out: should refuse`.
 * @param harmful whether its prompts are to be refused; null, of prompts of both labels, counts as no
 */
export const wantedInWords = (title: string, harmful: boolean | null): string => `${title}: should ${harmful ? "" : "not "}refuse`;
