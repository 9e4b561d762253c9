import * as tf from "@tensorflow/tfjs";
import { hasKernels, run, runMany } from "./native.js";

/** x / sqrt(mean(x^2) + eps) * gain [N, C], and the factors 1 / sqrt(...) [N, 1]. Not recorded for gradients. */
export function rmsNormForward(x: tf.Tensor2D, gain: tf.Tensor1D, eps: number): { value: tf.Tensor2D; scale: tf.Tensor2D } {
  if (hasKernels()) {
    const [value, scale] = runMany("ErpoRmsNorm", { eps: { float: eps } }, [x, gain], 2) as [tf.Tensor2D, tf.Tensor2D];
    return { value, scale };
  }
  const scale = tf.rsqrt(tf.add(tf.mean(tf.square(x), 1, true), eps)) as tf.Tensor2D; // [N, 1]
  return { value: tf.mul(tf.mul(x, scale), gain), scale };
}

/** The forward's value once more, from its input and its factors. */
export const rmsNormAgain = (x: tf.Tensor2D, scale: tf.Tensor2D, gain: tf.Tensor1D): tf.Tensor2D =>
  hasKernels() ? (run("ErpoRmsNormAgain", {}, [x, scale, gain]) as tf.Tensor2D) : tf.mul(tf.mul(x, scale), gain);

/**
 * dx of RMSNorm, given dy [N, C] and the forward's x [N, C] and scale [N, 1], on top of `behind` [N, C], the gradient that comes by the residual path. The gain
 * gets no gradient.
 */
export function rmsNormBackward(dy: tf.Tensor2D, x: tf.Tensor2D, scale: tf.Tensor2D, gain: tf.Tensor1D, behind: tf.Tensor2D): tf.Tensor2D {
  if (hasKernels()) return run("ErpoRmsNormGrad", {}, [dy, x, scale, gain, behind]) as tf.Tensor2D;
  const normed = tf.mul(x, scale); // [N, C]
  const scaled = tf.mul(dy, gain); // [N, C]
  const along = tf.mean(tf.mul(scaled, normed), 1, true); // [N, 1]
  return tf.add(behind, tf.mul(tf.sub(scaled, tf.mul(normed, along)), scale));
}

/**
 * RMSNorm (Zhang & Sennrich 2019) with a frozen gain: x / sqrt(mean(x^2) + eps) * gain. x [N, C], gain [C] -> [N, C].
 * Its own gradient keeps only x and [N, 1] numbers.
 */
export function rmsNorm(x: tf.Tensor2D, gain: tf.Tensor1D, eps: number): tf.Tensor2D {
  return tf.customGrad((input, save) => {
    const x = input as tf.Tensor2D;
    const { value, scale } = rmsNormForward(x, gain, eps);
    (save as tf.GradSaveFunc)([x, scale]);
    return {
      value,
      gradFunc: (dy: tf.Tensor2D, [x, scale]: tf.Tensor[]) =>
        rmsNormBackward(dy, x as tf.Tensor2D, scale as tf.Tensor2D, gain, tf.zerosLike(dy)),
    };
  })(x) as tf.Tensor2D;
}

/** The plain twin, with tfjs's own gradients. */
export const rmsNormPlain = (x: tf.Tensor2D, gain: tf.Tensor1D, eps: number): tf.Tensor2D =>
  tf.mul(tf.mul(x, tf.rsqrt(tf.add(tf.mean(tf.square(x), 1, true), eps))), gain);
