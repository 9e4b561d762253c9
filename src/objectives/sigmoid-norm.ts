import * as tf from "@tensorflow/tfjs";
import { checkPairs, implicitRewards, negLogSigmoid } from "./rewards.js";
import type { PairLengths, PairLogps, PairLoss } from "./types.js";

/**
 * DPO with log-ratios averaged over tokens (TRL's `sigmoid_norm`): L = -log sigmoid( beta * ( lr_w / |w| - lr_l / |l| ) ).
 * @throws RangeError when beta is not a positive number, or the shapes differ
 */
export function sigmoidNorm(policy: PairLogps, reference: PairLogps, lengths: PairLengths, beta: number): PairLoss {
  const { rewards } = implicitRewards("sigmoidNorm", policy, reference, beta);
  checkPairs("sigmoidNorm", { policy, lengths });
  const margin = tf.sub(tf.div(rewards.chosen, lengths.chosen), tf.div(rewards.rejected, lengths.rejected)); // [B]
  return { loss: tf.mean(negLogSigmoid(margin)), rewards };
}
