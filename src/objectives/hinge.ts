import * as tf from "@tensorflow/tfjs";
import { implicitRewards } from "./rewards.js";
import type { PairLogps, PairLoss } from "./types.js";

/**
 * Hinge loss on the implicit rewards (SLiC, Zhao et al. 2023, with a reference as in RSO, Liu et al. 2023; TRL's `hinge`): L = max(0, 1 - h), h = beta * Delta.
 * @throws RangeError when beta is not a positive number, or the shapes differ
 */
export function hinge(policy: PairLogps, reference: PairLogps, beta: number): PairLoss {
  const { rewards, margin } = implicitRewards("hinge", policy, reference, beta);
  return { loss: tf.mean(tf.relu(tf.sub(1, margin))), rewards };
}
