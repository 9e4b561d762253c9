import * as tf from "@tensorflow/tfjs";

/**
 * PPO's clipped surrogate (Schulman et al. 2017, equation 7) of each action, to be maximised:
 *
 *     min(rho A, clip(rho, 1 - c, 1 + c) A),    rho = exp(log pi(a | s) - log pi_before(a | s))
 *
 * @param logps of the actions, in nats, any shape
 * @param before their log-probs when they were drawn, the same shape
 * @param advantages A, the same shape
 * @param clip c, > 0
 */
export function clippedSurrogate<T extends tf.Tensor>(logps: T, before: T, advantages: T, clip: number): T {
  const ratio = tf.exp(tf.sub(logps, before));
  return tf.minimum(tf.mul(ratio, advantages), tf.mul(tf.clipByValue(ratio, 1 - clip, 1 + clip), advantages)) as T;
}
