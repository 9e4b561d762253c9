import type { Estimate } from "./intervals.js";
import { change, estimated } from "./numerals.js";
import { mcnemar, type PairedTest } from "./paired.js";
import type { JudgedRow } from "./report.js";

/**
 * What a paired comparison says, in words that follow from its numbers: which of two policies is right more often, and whether chance explains that (McNemar's exact p
 * against 0.05).
 * @param prompts what was compared, such as "dev prompts"
 * @param as what an answer is where it counts, such as "to the point"
 */
export function comparisonInWords(first: string, second: string, { onlyA, onlyB, p }: PairedTest, prompts: string, as = "right"): string {
  if (onlyA + onlyB === 0) return `${capital(first)} and ${second} are ${as} on the same ${prompts}.`;
  const counts = `only ${second} is ${as} on ${onlyB} of the ${prompts}, only ${first} on ${onlyA}`;
  if (p >= 0.05) return `${capital(counts)}. Chance alone can do that (${sized(p)}): these prompts do not tell which is ${as} more often.`;
  return `${capital(counts)}. So ${onlyB > onlyA ? second : first} is ${as} more often, which chance does not explain (${sized(p)}).`;
}

/**
 * What refusals say of unsafe and safe prompts together: whether the second policy draws its line elsewhere. One that refuses less of both kinds can be right as often as before, so
 * `comparisonInWords` does not see it. The counts do not have the labels apart: a policy that refuses less of the safe prompts alone has become better, and its counts are the same.
 * @param refused McNemar's test of what each policy refuses, whatever the prompt's label
 * @param prompts what was compared, such as "dev prompts"
 * @param does what counts as a refusal, such as "flags" of a first word
 */
export function shiftInWords(
  first: string,
  second: string,
  { onlyA, onlyB, p }: PairedTest,
  prompts: string,
  does: "refuses" | "flags" = "refuses",
): string {
  if (onlyA + onlyB === 0) return `${capital(first)} ${does} the same ${prompts} as ${second}.`;
  const counts = `Of the ${prompts}, unsafe and safe together, only ${second} ${does} ${onlyB}, only ${first} ${onlyA}`;
  if (p >= 0.05) return `${counts}. Chance alone can do that (${sized(p)}): a shift of the threshold is not shown.`;
  return `${counts}. So ${second} ${does} ${onlyB > onlyA ? "more" : "fewer"} of them, which chance does not explain (${sized(p)}). If both labels moved that way, its threshold has moved.`;
}

const sized = (p: number): string => (p < 0.001 ? "p < 0.001" : `p = ${p.toPrecision(2)}`);

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
 * What two policies refuse of the same prompts: `AdvBench refused: 0 of 60, then 55 of 60: more, which chance does not explain (p < 0.001)`, by McNemar's exact test.
 * @param title what is counted
 * @throws RangeError when the two were not asked equally many prompts
 */
export function refusedInWords(
  title: string,
  before: readonly Pick<JudgedRow, "judgement">[],
  after: readonly Pick<JudgedRow, "judgement">[],
): string {
  const [was, is] = [before, after].map((rows) => rows.map(({ judgement }) => judgement === "refusal")) as [boolean[], boolean[]];
  const { onlyA, onlyB, p } = mcnemar(was, is);
  const counts = `${title}: ${was.filter(Boolean).length} of ${was.length}, then ${is.filter(Boolean).length} of ${is.length}`;
  if (onlyA + onlyB === 0) return `${counts}: the same prompts`;
  if (p >= 0.05) return `${counts}: chance alone can do that (${sized(p)})`;
  return `${counts}: ${onlyB > onlyA ? "more" : "fewer"}, which chance does not explain (${sized(p)})`;
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/**
 * What is wanted of a trial, behind its title, as figures and tables call it: `AdvBench, held out: should refuse`.
 * @param harmful whether its prompts are to be refused; null, of prompts of both labels, counts as no
 */
export const wantedInWords = (title: string, harmful: boolean | null): string => `${title}: should ${harmful ? "" : "not "}refuse`;
