import * as tf from "@tensorflow/tfjs";
import { checkBeta, checkPairs, checkWeight, negLogSigmoid } from "./rewards.js";
import type { PairLengths, PairLogps, PairLoss } from "./types.js";

/**
 * SimPO (Meng et al. 2024), without a reference:
 *
 *     L = -log sigmoid( beta * ( logp_w / |w| - logp_l / |l| - gamma / beta ) )
 *
 * Its rewards are beta * logp / |y|.
 *
 * @param options hyperparameters
 * @param options.beta > 0, much larger than DPO's: 2 to 10
 * @param options.gamma target margin of the rewards, >= 0; gamma / beta from 0.1 to 0.8
 * @throws RangeError when beta is not > 0, gamma is negative, or the shapes differ
 */
export function simpo(policy: PairLogps, lengths: PairLengths, { beta, gamma }: { beta: number; gamma: number }): PairLoss {
  checkBeta("simpo", beta);
  checkWeight("simpo", "gamma", gamma);
  checkPairs("simpo", { policy, lengths });
  const reward = (side: keyof PairLogps) => tf.mul(beta, tf.div(policy[side], lengths[side])) as tf.Tensor1D; // [B]
  const rewards = { chosen: reward("chosen"), rejected: reward("rejected") };
  return { loss: tf.mean(negLogSigmoid(tf.sub(tf.sub(rewards.chosen, rewards.rejected), gamma))), rewards };
}
