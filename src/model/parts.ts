import * as tf from "@tensorflow/tfjs";
import { gegluBackward, gegluForward } from "../backend/ops/geglu.js";
import { rmsNormBackward, rmsNormForward } from "../backend/ops/rms-norm.js";
import { swigluBackward, swigluForward } from "../backend/ops/swiglu.js";
import type { DecoderConfig } from "./config.js";
import { traits } from "./families.js";

/** What families put in one place of a layer in different forms. */

/** The gated unit of a family's MLP: gateUp [N, 2 I] -> [N, I], and its gradient. */
export const gatedUnit = ({ family }: DecoderConfig) =>
  traits(family).activation === "silu"
    ? { forward: swigluForward, backward: swigluBackward }
    : { forward: gegluForward, backward: gegluBackward };

/** What the backward pass of `outputNorm` needs. */
export type OutputNormSaved = { x: tf.Tensor2D; scale: tf.Tensor2D } | null;

/** RMSNorm of what attention or the MLP adds to the residual stream, where the layer has a gain for it: x [N, C] -> the same shape. Not recorded for gradients. */
export function outputNorm(x: tf.Tensor2D, gain: tf.Tensor1D | null, eps: number): { value: tf.Tensor2D; saved: OutputNormSaved } {
  if (!gain) return { value: x, saved: null };
  const { value, scale } = rmsNormForward(x, gain, eps);
  return { value, saved: { x, scale } };
}

/** Gradient of `outputNorm`: dy [N, C] -> dx. The gain gets none. */
export const outputNormBackward = (dy: tf.Tensor2D, gain: tf.Tensor1D | null, saved: OutputNormSaved): tf.Tensor2D =>
  gain && saved ? rmsNormBackward(dy, saved.x, saved.scale, gain, tf.zerosLike(dy)) : dy;

/** What embeddings are multiplied with on their way into the first layer. */
export const embeddingScale = ({ family, hiddenSize }: DecoderConfig): number =>
  traits(family).scaledEmbedding ? Math.sqrt(hiddenSize) : 1;

/** Embeddings as the first layer sees them: x [N, C] -> the same shape. */
export function scaledEmbeddings(config: DecoderConfig, x: tf.Tensor2D): tf.Tensor2D {
  const scale = embeddingScale(config);
  return scale === 1 ? x : tf.mul(x, scale);
}
