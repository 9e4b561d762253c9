import type * as tf from "@tensorflow/tfjs";
import { type AttentionSaved, attentionBackward, attentionForward } from "../backend/ops/attention.js";
import { joinHeads, joinHeadsBackward, splitHeads, splitHeadsBackward } from "../backend/ops/heads.js";
import type { PassContext } from "./pass.js";

/** What the backward pass of the token mixing needs. */
export interface MixSaved {
  rows: AttentionSaved;
  prefix: AttentionSaved | null;
}

/**
 * Rotary positions and attention over a pass's tokens: qkv [P + N, (H + 2 KV) D] -> [P + N, H D]. The prefix attends to itself once; its keys and
 * values are then shared by all rows. `saved.rows.k` and `.v` [B, KV, P + T, D] are what a cache holds.
 */
export function mixForward(
  qkv: tf.Tensor2D,
  { config, layout, rotary, mask, prefixMask }: PassContext,
): { value: tf.Tensor2D; saved: MixSaved } {
  const { rows: own, prefix: before } = splitHeads(qkv, rotary, config, layout);
  const prefix = before && prefixMask && attentionForward(before.q, before.k, before.v, prefixMask);
  const rows = attentionForward(own.q, own.k, own.v, mask);
  return {
    value: joinHeads(rows.value, prefix?.value ?? null, config, layout),
    saved: { rows: rows.saved, prefix: prefix?.saved ?? null },
  };
}

/** Gradient of `mixForward`: dy [P + N, H D] -> d qkv [P + N, (H + 2 KV) D]. */
export function mixBackward(dy: tf.Tensor2D, saved: MixSaved, { config, layout, rotary }: PassContext): tf.Tensor2D {
  const { rows, prefix } = joinHeadsBackward(dy, config, layout);
  const gradients = (dy: tf.Tensor4D, of: AttentionSaved) => {
    const { dq, dk, dv } = attentionBackward(dy, of);
    return { q: dq, k: dk, v: dv };
  };
  const before = prefix && saved.prefix && gradients(prefix, saved.prefix);
  return splitHeadsBackward({ rows: gradients(rows, saved.rows), prefix: before }, rotary, config, layout);
}
