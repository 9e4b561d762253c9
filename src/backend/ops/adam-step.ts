import * as tf from "@tensorflow/tfjs";
import { hasKernels, runMany } from "./native.js";

/** The numbers of one step of AdamW. */
export interface AdamStep {
  beta1: number;
  beta2: number;
  eps: number;
  /** learning rate / (1 - beta1^t) */
  rate: number;
  /** 1 / sqrt(1 - beta2^t) */
  correction: number;
  /** 1 - learning rate * weight decay */
  decay: number;
}

/** One step of AdamW on vectors [P]: m += (1 - beta1) (g - m); v = beta2 v + (1 - beta2) g^2; w = decay w - rate m / (sqrt(v) correction + eps). */
export function adamStep(
  w: tf.Tensor1D,
  m: tf.Tensor1D,
  v: tf.Tensor1D,
  gradient: tf.Tensor1D,
  step: AdamStep,
): { weights: tf.Tensor1D; m: tf.Tensor1D; v: tf.Tensor1D } {
  const { beta1, beta2, eps, rate, correction, decay } = step;
  if (hasKernels()) {
    const numbers = tf.tensor1d([beta1, beta2, eps, rate, correction, decay]);
    const [weights, newM, newV] = runMany("ErpoAdamW", {}, [w, m, v, gradient, numbers], 3) as [tf.Tensor1D, tf.Tensor1D, tf.Tensor1D];
    return { weights, m: newM, v: newV };
  }
  const newM: tf.Tensor1D = tf.add(m, tf.mul(tf.sub(gradient, m), 1 - beta1));
  const newV: tf.Tensor1D = tf.add(tf.mul(v, beta2), tf.mul(tf.square(gradient), 1 - beta2));
  const change = tf.div(newM, tf.add(tf.mul(tf.sqrt(newV), correction), eps));
  return { weights: tf.sub(tf.mul(w, decay), tf.mul(change, rate)), m: newM, v: newV };
}
