import * as tf from "@tensorflow/tfjs";
import { checkPairs, implicitRewards } from "./rewards.js";
import type { PairLengths, PairLogps, PairLoss } from "./types.js";

/**
 * Identity preference optimization (Azar et al. 2023, eq. 17), with log-ratios averaged over tokens as its authors confirmed to TRL:
 *
 *     L = ( lr_w / |w| - lr_l / |l| - 1 / (2 beta) )^2,   lr = logp - ref
 *
 * @param beta the paper's tau, > 0
 * @throws RangeError when beta is not a positive number, or the shapes differ
 */
export function ipo(policy: PairLogps, reference: PairLogps, lengths: PairLengths, beta: number): PairLoss {
  const { rewards } = implicitRewards("ipo", policy, reference, beta);
  checkPairs("ipo", { policy, lengths });
  const average = (side: keyof PairLogps) => tf.div(tf.sub(policy[side], reference[side]), lengths[side]); // [B]
  const gap = tf.sub(average("chosen"), average("rejected"));
  return { loss: tf.mean(tf.square(tf.sub(gap, 1 / (2 * beta)))), rewards };
}
