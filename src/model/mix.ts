import * as tf from "@tensorflow/tfjs";
import { type AttentionSaved, attentionBackward, attentionForward } from "../backend/ops/attention.js";
import { rotaryBackward, rotaryForward } from "../backend/ops/rotary.js";
import type { PassContext } from "./pass.js";
import { packRows, padRows, padRowsWithZeros } from "./rows.js";

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
  { config: c, layout, rotary, mask, prefixMask }: PassContext,
): { value: tf.Tensor2D; saved: MixSaved } {
  const { numHeads: H, numKvHeads: KV, headDim: D } = c;
  const all = H + 2 * KV;
  const { prefix: P, width: T } = layout;
  const B = layout.lengths.length;
  const turned = rotaryForward(tf.reshape(qkv, [-1, all, D]), rotary); // [P + N, all, D]
  const own = P === 0 ? turned : tf.slice(turned, [P, 0, 0], [-1, all, D]);
  const byHead = tf.transpose(tf.reshape(padRows(own, layout), [B, T, all, D]), [0, 2, 1, 3]); // [B, all, T, D]
  const [q, k, v] = tf.split(byHead, [H, KV, KV], 1) as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D];
  const join = (x: tf.Tensor4D): tf.Tensor2D => tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [-1, H * D]);
  if (P === 0 || !prefixMask) {
    const { value, saved } = attentionForward(q, k, v, mask);
    return { value: packRows(join(value), layout), saved: { rows: saved, prefix: null } };
  }
  const head = tf.transpose(tf.reshape(tf.slice(turned, [0, 0, 0], [P, all, D]), [1, P, all, D]), [0, 2, 1, 3]); // [1, all, P, D]
  const [pq, pk, pv] = tf.split(head, [H, KV, KV], 1) as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D];
  const shared = attentionForward(pq, pk, pv, prefixMask);
  const behind = (before: tf.Tensor4D, x: tf.Tensor4D) => tf.concat([tf.tile(before, [B, 1, 1, 1]), x], 2); // [B, KV, P + T, D]
  const rows = attentionForward(q, behind(pk, k), behind(pv, v), mask);
  return {
    value: tf.concat([join(shared.value), packRows(join(rows.value), layout)], 0),
    saved: { rows: rows.saved, prefix: shared.saved },
  };
}

/** Gradient of `mixForward`: dy [P + N, H D] -> d qkv [P + N, (H + 2 KV) D]. */
export function mixBackward(dy: tf.Tensor2D, saved: MixSaved, { config: c, layout, rotary }: PassContext): tf.Tensor2D {
  const { numHeads: H, numKvHeads: KV, headDim: D } = c;
  const all = H + 2 * KV;
  const { prefix: P, width: T } = layout;
  const B = layout.lengths.length;
  const heads = (x: tf.Tensor2D, rows: number, length: number) =>
    tf.transpose(tf.reshape(x, [rows, length, H, D]), [0, 2, 1, 3]) as tf.Tensor4D;
  const stack = (dq: tf.Tensor4D, dk: tf.Tensor4D, dv: tf.Tensor4D): tf.Tensor3D =>
    tf.reshape(tf.transpose(tf.concat([dq, dk, dv], 1), [0, 2, 1, 3]), [-1, all, D]);
  const own = P === 0 ? dy : tf.slice(dy, [P, 0], [-1, H * D]);
  const { dq, dk, dv } = attentionBackward(heads(padRowsWithZeros(own, layout), B, T), saved.rows);
  if (P === 0 || !saved.prefix) return tf.reshape(rotaryBackward(packRows(stack(dq, dk, dv), layout), rotary), [-1, all * D]);
  const [dkShared, dkOwn] = tf.split(dk, [P, T], 2) as [tf.Tensor4D, tf.Tensor4D];
  const [dvShared, dvOwn] = tf.split(dv, [P, T], 2) as [tf.Tensor4D, tf.Tensor4D];
  const before = attentionBackward(heads(tf.slice(dy, [0, 0], [P, H * D]), 1, P), saved.prefix);
  const total = (first: tf.Tensor4D, fromRows: tf.Tensor4D) => tf.add(first, tf.sum(fromRows, 0, true)) as tf.Tensor4D;
  const turned = tf.concat(
    [stack(before.dq, total(before.dk, dkShared), total(before.dv, dvShared)), packRows(stack(dq, dkOwn, dvOwn), layout)],
    0,
  );
  return tf.reshape(rotaryBackward(turned, rotary), [-1, all * D]);
}
