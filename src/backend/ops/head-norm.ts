import * as tf from "@tensorflow/tfjs";
import { hasKernels, run, runMany } from "./native.js";

/** What the backward pass of a head norm needs. */
export interface HeadNormSaved {
  x: tf.Tensor2D; // [N, R D]
  scale: tf.Tensor2D; // [N, Q]
}

/**
 * RMSNorm of queries and keys head by head (Henry et al. 2020, as Qwen3 has it): x [N, R D] of R heads, gains [Q, D] of the first Q of them, the others pass
 * unchanged. Not recorded for gradients.
 */
export function headNormForward(x: tf.Tensor2D, gains: tf.Tensor2D, eps: number): { value: tf.Tensor2D; saved: HeadNormSaved } {
  if (hasKernels()) {
    const [value, scale] = runMany("ErpoHeadNorm", { eps: { float: eps } }, [x, gains], 2) as [tf.Tensor2D, tf.Tensor2D];
    return { value, saved: { x, scale } };
  }
  const [heads, rest] = split(x, gains);
  const scale = tf.rsqrt(tf.add(tf.mean(tf.square(heads), 2, true), eps)); // [N, Q, 1]
  const normed = tf.mul(tf.mul(heads, scale), gains);
  return { value: join(normed, rest), saved: { x, scale: tf.reshape(scale, [-1, gains.shape[0]]) } };
}

/** Gradient of `headNormForward`: dy [N, R D] -> dx. The gains get none. */
export function headNormBackward(dy: tf.Tensor2D, gains: tf.Tensor2D, { x, scale }: HeadNormSaved): tf.Tensor2D {
  if (hasKernels()) return run("ErpoHeadNormGrad", {}, [dy, x, scale, gains]) as tf.Tensor2D;
  const [heads] = split(x, gains);
  const [dHeads, dRest] = split(dy, gains);
  const s = tf.expandDims(scale, 2); // [N, Q, 1]
  const normed = tf.mul(heads, s);
  const scaled = tf.mul(dHeads, gains);
  const along = tf.mean(tf.mul(scaled, normed), 2, true);
  return join(tf.mul(tf.sub(scaled, tf.mul(normed, along)), s), dRest);
}

/** The normed heads [N, Q, D] and the numbers of the others [N, (R - Q) D]. */
function split(x: tf.Tensor2D, gains: tf.Tensor2D): [tf.Tensor3D, tf.Tensor2D] {
  const [Q, D] = gains.shape;
  return [tf.reshape(tf.slice(x, [0, 0], [-1, Q * D]), [-1, Q, D]), tf.slice(x, [0, Q * D], [-1, -1])];
}

const join = (heads: tf.Tensor, rest: tf.Tensor2D): tf.Tensor2D =>
  tf.concat([tf.reshape(heads, [rest.shape[0], -1]) as tf.Tensor2D, rest], 1);

/** The norm with its own gradient. */
export function headNorm(x: tf.Tensor2D, gains: tf.Tensor2D, eps: number): tf.Tensor2D {
  return tf.customGrad((input, save) => {
    const { value, saved } = headNormForward(input as tf.Tensor2D, gains, eps);
    (save as tf.GradSaveFunc)([saved.x, saved.scale]);
    return {
      value,
      gradFunc: (dy: tf.Tensor2D, [x, scale]: tf.Tensor[]) =>
        headNormBackward(dy, gains, { x: x as tf.Tensor2D, scale: scale as tf.Tensor2D }),
    };
  })(x) as tf.Tensor2D;
}

/** The plain twin, with tfjs's own gradients. */
export function headNormPlain(x: tf.Tensor2D, gains: tf.Tensor2D, eps: number): tf.Tensor2D {
  const [heads, rest] = split(x, gains);
  return join(tf.mul(tf.mul(heads, tf.rsqrt(tf.add(tf.mean(tf.square(heads), 2, true), eps))), gains), rest);
}
