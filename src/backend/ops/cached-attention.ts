import * as tf from "@tensorflow/tfjs";
import { maskedSoftmax } from "./attention.js";
import { splitHeads } from "./heads.js";
import { hasKernels, run } from "./native.js";
import type { RotaryShape, RotaryTables } from "./rotary.js";
import { rowLayout } from "./rows.js";
import { updateRows } from "./update-rows.js";

/** Keys and values of B rows, each with room for M positions: [B KV M, D]. */
export interface KeysAndValues {
  keys: tf.Tensor2D;
  values: tf.Tensor2D;
}

/**
 * Attention of one new token per row: qkv [B, (H + 2 KV) D] -> [B, H D]. The token's key and value are written at its position (`positions` [B] int32, each < M) and
 * seen with those before it: all, or `window` with its own. `kept` is used up: where the backend can, the result shares its buffers. Not recorded for gradients.
 */
export function cachedAttention(
  qkv: tf.Tensor2D,
  rotary: RotaryTables,
  positions: tf.Tensor1D,
  kept: KeysAndValues,
  shape: RotaryShape,
  window: number | null | undefined = null,
): { value: tf.Tensor2D; kept: KeysAndValues } {
  const { numHeads: H, numKvHeads: KV, headDim: D } = shape;
  if (hasKernels()) {
    const attributes = { heads: { int: H }, kv_heads: { int: KV }, dim: { int: D }, window: { int: window ?? 0 } };
    const inputs = [qkv, rotary.cos, rotary.sin, positions, kept.keys, kept.values];
    return { value: run("ErpoCachedAttention", attributes, inputs) as tf.Tensor2D, kept };
  }
  const B = qkv.shape[0];
  const M = kept.keys.shape[0] / (B * KV);
  const oneEach = rowLayout(
    0,
    Array.from({ length: B }, () => 1),
  );
  const { q, k, v } = splitHeads(qkv, rotary, shape, oneEach).rows; // T = 1
  const byKvHead = tf.reshape(tf.tile(tf.reshape(positions, [B, 1]), [1, KV]), [B * KV]);
  const places = tf.add(tf.range(0, B * KV * M, M, "int32"), byKvHead) as tf.Tensor1D; // where the new tokens go
  const put = (all: tf.Tensor2D, x: tf.Tensor4D) => updateRows(all, places, tf.reshape(x, [B * KV, D]));
  const now = { keys: put(kept.keys, k), values: put(kept.values, v) };
  const column = tf.reshape(tf.range(0, M, 1, "int32"), [1, M]);
  const own = tf.reshape(positions, [B, 1]);
  const ahead = tf.greater(column, own); // [B, M]
  const unseen = window === null ? ahead : tf.logicalOr(ahead, tf.lessEqual(column, tf.sub(own, window)));
  const byRow = (x: tf.Tensor2D): tf.Tensor4D => tf.reshape(x, [B, KV, M, D]);
  const scores = tf.matMul(tf.reshape(q, [B, KV, H / KV, D]), byRow(now.keys), false, true); // [B, KV, G, M]
  const attended = tf.matMul(maskedSoftmax(scores, tf.mul(tf.cast(unseen, "float32"), -1e9), H), byRow(now.values)); // [B, KV, G, D]
  return { value: tf.reshape(attended, [B, H * D]), kept: now };
}
