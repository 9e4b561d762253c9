import type { PairedDifference } from "../../evaluation/paired.js";
import { changeInPoints } from "../claims.js";
import { type RefusalChange, raisedRefusalInWords } from "../refusal-change.js";

/**
 * R2D's claim, that a part of it raises refusal of unsafe prompts and not that of safe ones, held against the same training without that part. How much safe prompts may lose is ours.
 * @param against what R2D is compared with, such as "cross-entropy alone"
 * @param change from the other to R2D
 * @returns two sentences
 */
export const claimInWords = (against: string, change: RefusalChange): string => `R2D against ${against}: ${raisedRefusalInWords(change)}`;

/**
 * What contrastive pivot optimisation does to the pivots themselves.
 * @param where the places are, such as "at the first step"
 * @param difference of right pivots, R2D minus cross-entropy alone
 * @returns a sentence
 */
export function pivotsInWords(where: string, difference: PairedDifference): string {
  const verdict =
    difference.low > 0
      ? "CPO makes more pivots right"
      : difference.high < 0
        ? "CPO makes fewer pivots right"
        : "that CPO makes more pivots right is not shown";
  return `Right pivots ${where} change by ${changeInPoints(difference)} on ${difference.n} prompts: ${verdict}.`;
}
