import * as tf from "@tensorflow/tfjs";
import { implicitRewards, negLogSigmoid } from "./rewards.js";
import type { PairLogps, PairLoss } from "./types.js";

/**
 * Direct preference optimization (Rafailov et al. 2023, eq. 7):
 *
 *     L = -log sigmoid( beta * [ (logp_w - ref_w) - (logp_l - ref_l) ] )
 *
 * @param policy log-probs under the model being trained; gradients flow through these only
 * @param reference log-probs under the frozen reference, computed once before training
 * @param beta strength of the KL anchor, > 0; 0.1 is TRL's default
 * @throws RangeError when beta is not a positive number, or the shapes differ
 */
export function dpo(policy: PairLogps, reference: PairLogps, beta: number): PairLoss {
  const { rewards, margin } = implicitRewards("dpo", policy, reference, beta);
  return { loss: tf.mean(negLogSigmoid(margin)), rewards };
}
