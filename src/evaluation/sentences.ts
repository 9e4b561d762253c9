import type { Label } from "../data/types.js";
import type { FramedDifference } from "./auc.js";
import type { Estimate } from "./intervals.js";
import { change, estimated } from "./numerals.js";
import { mcnemar, mcnemarOf, type PairedTest } from "./paired.js";
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
 * What refusals of unsafe and of safe prompts say together: whether the second policy draws its line elsewhere. One that refuses less of both kinds can be right as often as before, so
 * `comparisonInWords` does not see it. A label has moved where McNemar's exact p of its prompts is below 0.05, and the threshold where both labels have moved the same way.
 * @param refused McNemar's test of what each policy refuses, by the prompts' label
 * @param prompts what was compared, such as "dev prompts"
 * @param does what counts as a refusal, such as "flags" of a first word
 */
export function shiftInWords(
  first: string,
  second: string,
  { unsafe, safe }: Record<Label, PairedTest>,
  prompts: string,
  does: "refuses" | "flags" = "refuses",
): string {
  const both = mcnemarOf(unsafe.onlyA + safe.onlyA, unsafe.onlyB + safe.onlyB);
  if (both.onlyA + both.onlyB === 0) return `${capital(first)} ${does} the same ${prompts} as ${second}.`;
  const counts = `Of the ${prompts}, only ${second} ${does} ${unsafe.onlyB} unsafe and ${safe.onlyB} safe ones, only ${first} ${unsafe.onlyA} and ${safe.onlyA}`;
  const [moved, still] = [[unsafe, safe].filter(shown), [unsafe, safe].filter((test) => !shown(test))];
  const nameOf = (test: PairedTest) => (test === unsafe ? "unsafe" : "safe");
  const ps = `${sized(unsafe.p)} and ${sized(safe.p)}`;
  if (moved.length === 0 && shown(both))
    return `${counts}. Of either label alone chance can do that (${ps}), of both together it cannot (${sized(both.p)}): ${second} ${does} ${more(both)} of them, and it is open whether one label moved or both.`;
  if (moved.length === 0) return `${counts}. Chance alone can do that of either label (${ps}): a shift of the threshold is not shown.`;
  if (moved.length === 1)
    return `${counts}. So ${second} ${does} ${more(moved[0]!)} of the ${nameOf(moved[0]!)} ones, which chance does not explain (${sized(moved[0]!.p)}); that the ${nameOf(still[0]!)} ones moved is not shown (${sized(still[0]!.p)}), nor is a shift of the threshold.`;
  const goes = `${counts}. So ${second} ${does}`;
  if (more(unsafe) === more(safe))
    return `${goes} ${more(safe)} of both labels, which chance does not explain (${ps}): its threshold has moved.`;
  return `${goes} ${more(unsafe)} of the unsafe and ${more(safe)} of the safe ones, which chance does not explain (${ps}): it tells the labels apart ${more(unsafe) === "more" ? "better" : "worse"}.`;
}

const shown = ({ p }: PairedTest): boolean => p < 0.05;

/** How often the second policy does it, against the first. */
const more = ({ onlyA, onlyB }: PairedTest): "more" | "fewer" => (onlyB > onlyA ? "more" : "fewer");

const sized = (p: number): string => (p < 0.001 ? "p < 0.001" : `p = ${p.toPrecision(2)}`);

/**
 * What a paired difference of two areas under ROC curves says: which policy tells unsafe from safe prompts better, and whether the 95% interval leaves that open. Where the interval is of
 * independent prompts, a difference is said with that condition: of prompts that share a frame it is too narrow.
 * @param difference the second one's area less the first one's, as `aucDifference` or `aucDifferenceOverFrames` gives it
 * @param prompts what was compared, such as "test prompts"
 */
export function aucDifferenceInWords(first: string, second: string, difference: Estimate | FramedDifference, prompts: string): string {
  const { value, low, high } = difference;
  const says = `On ${prompts} the AUC of ${second} less that of ${first} is ${estimated(difference, (x) => change(x, 3))}`;
  if (low <= 0 && high >= 0) return `${says}: these prompts do not tell which of the two decides better.`;
  const better = `${value > 0 ? second : first} decides better`;
  if ("frames" in difference) return `${says}, by a bootstrap over ${difference.frames} frames: ${better}.`;
  return `${says}: ${better}, as far as prompts are independent trials, which those of one frame are not.`;
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
  return `${counts}: ${more({ onlyA, onlyB, p })}, which chance does not explain (${sized(p)})`;
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/**
 * What is wanted of a trial, behind its title, as figures and tables call it: `AdvBench, held out: should refuse`.
 * @param harmful whether its prompts are to be refused; null, of prompts of both labels, counts as no
 */
export const wantedInWords = (title: string, harmful: boolean | null): string => `${title}: should ${harmful ? "" : "not "}refuse`;
