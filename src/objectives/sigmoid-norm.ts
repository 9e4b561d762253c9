import * as tf from "@tensorflow/tfjs";
import { checkBeta, implicitRewards, negLogSigmoid } from "./rewards.js";
import type { PairLengths, PairLogps, PairLoss } from "./types.js";

/**
 * DPO with log-ratios averaged over tokens (TRL's `sigmoid_norm`): L = -log sigmoid( beta * ( lr_w / |w| - lr_l / |l| ) ).
 * @throws RangeError when beta is not a positive number
 */
export function sigmoidNorm(policy: PairLogps, reference: PairLogps, lengths: PairLengths, beta: number): PairLoss {
  checkBeta("sigmoidNorm", beta);
  const { rewards } = implicitRewards(policy, reference, beta);
  const margin = tf.sub(tf.div(rewards.chosen, lengths.chosen), tf.div(rewards.rejected, lengths.rejected)); // [B]
  return { loss: tf.mean(negLogSigmoid(margin)), rewards };
}
