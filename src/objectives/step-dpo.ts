import { dpo } from "./dpo.js";
import type { PairLogps, PairLoss } from "./types.js";

/**
 * Step-DPO (Lai et al. 2024): DPO's loss on the one step where two reasoning chains part, given the prefix that they share,
 *
 *     L = -log sigmoid( beta * [ log pi/ref(s_w | x, s_<k) - log pi/ref(s_l | x, s_<k) ] )
 *
 * With an empty prefix and chains of one step it is DPO.
 *
 * @param policy sums over the differing step's tokens only: what `trainPreference` computes for pairs made by `stepPair`
 * @throws RangeError when beta is not a positive number, or the shapes differ
 */
export function stepDpo(policy: PairLogps, reference: PairLogps, beta: number): PairLoss {
  return dpo(policy, reference, beta);
}

/** A chain of reasoning as token ids, step by step. */
export type Steps = readonly (readonly number[])[];

/**
 * Cuts two chains at the first step where they differ: the steps before it join the prompt, the two versions of that step become the pair, the rest is
 * left out.
 * @param prompt token ids
 * @returns null when the chains do not differ or one of them ends before they do: there is no step to compare
 */
export function stepPair(
  prompt: readonly number[],
  chosen: Steps,
  rejected: Steps,
): { prompt: number[]; chosen: number[]; rejected: number[] } | null {
  const same = (a: readonly number[], b: readonly number[]) => a.length === b.length && a.every((id, i) => id === b[i]);
  let k = 0;
  while (k < chosen.length && k < rejected.length && same(chosen[k]!, rejected[k]!)) k++;
  const [w, l] = [chosen[k], rejected[k]];
  if (!w?.length || !l?.length) return null;
  return { prompt: [...prompt, ...chosen.slice(0, k).flat()], chosen: [...w], rejected: [...l] };
}
