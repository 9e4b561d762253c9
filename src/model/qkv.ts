import * as tf from "@tensorflow/tfjs";
import { type HeadNormSaved, headNormBackward, headNormForward } from "../backend/ops/head-norm.js";
import type { LayerWeights } from "./weights.js";

/** What the backward pass needs where queries and keys are normed. */
export type QkvSaved = HeadNormSaved | null;

/**
 * From a layer's product for q, k and v to what the rotary positions turn: the bias is added and each head of q and k is normed, where the layer has them.
 * product [N, (H + 2 KV) D] -> the same shape. Not recorded for gradients.
 */
export function qkvForward(
  product: tf.Tensor2D,
  { qkvBias, headGains }: LayerWeights,
  eps: number,
): { value: tf.Tensor2D; saved: QkvSaved } {
  const value: tf.Tensor2D = qkvBias ? tf.add(product, qkvBias) : product;
  return headGains ? headNormForward(value, headGains, eps) : { value, saved: null };
}

/** Gradient of `qkvForward`: dy [N, (H + 2 KV) D] -> d product. Bias and gains get none. */
export const qkvBackward = (dy: tf.Tensor2D, { headGains }: LayerWeights, saved: QkvSaved): tf.Tensor2D =>
  headGains && saved ? headNormBackward(dy, headGains, saved) : dy;
