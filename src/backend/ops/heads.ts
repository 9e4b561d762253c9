import * as tf from "@tensorflow/tfjs";
import { hasKernels, run, runMany } from "./native.js";
import { type RotaryShape, type RotaryTables, rotate } from "./rotary.js";
import { packRows, padRows, padRowsWithZeros, type RowLayout, sumRows } from "./rows.js";

/** Queries [B, H, T, D], keys and values [B, KV, S, D]. */
export interface Heads {
  q: tf.Tensor4D;
  k: tf.Tensor4D;
  v: tf.Tensor4D;
}

/** Those of padded rows, with a prefix's keys and values in front of each row's own (S = P + T), and of the prefix itself, P > 0. */
export interface RowHeads {
  rows: Heads;
  prefix: Heads | null;
}

const attributes = ({ numHeads, numKvHeads, headDim }: RotaryShape, { prefix, width }: RowLayout) => ({
  heads: { int: numHeads },
  kv_heads: { int: numKvHeads },
  dim: { int: headDim },
  prefix: { int: prefix },
  width: { int: width },
});

/**
 * Rotary positions, and rows out of tokens: qkv [P + N, (H + 2 KV) D] -> heads. Queries are scaled by 1/sqrt(D). What stands at the pads no real token sees. Not
 * recorded for gradients.
 */
export function splitHeads(qkv: tf.Tensor2D, tables: RotaryTables, shape: RotaryShape, layout: RowLayout): RowHeads {
  const { numHeads: H, numKvHeads: KV, headDim: D } = shape;
  const { prefix: P, width: T } = layout;
  if (hasKernels()) {
    const made = runMany("ErpoSplitHeads", attributes(shape, layout), [qkv, tables.cos, tables.sin, layout.table], 6) as tf.Tensor4D[];
    const [q, k, v, pq, pk, pv] = made as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D, tf.Tensor4D, tf.Tensor4D, tf.Tensor4D];
    return { rows: { q, k, v }, prefix: P > 0 ? { q: pq, k: pk, v: pv } : null };
  }
  const all = H + 2 * KV;
  const B = layout.lengths.length;
  const turned = rotate(tf.reshape(qkv, [-1, all, D]), tables, shape, 1); // [P + N, all, D]
  const byHead = (x: tf.Tensor3D, rows: number, length: number): Heads => {
    const heads = tf.transpose(tf.reshape(x, [rows, length, all, D]), [0, 2, 1, 3]); // [rows, all, length, D]
    const [q, k, v] = tf.split(heads, [H, KV, KV], 1) as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D];
    return { q, k, v };
  };
  const own = P === 0 ? turned : tf.slice(turned, [P, 0, 0], [-1, all, D]);
  const rows = byHead(padRows(own, layout), B, T);
  if (P === 0) return { rows, prefix: null };
  const prefix = byHead(tf.slice(turned, [0, 0, 0], [P, all, D]), 1, P);
  const behind = (before: tf.Tensor4D, x: tf.Tensor4D): tf.Tensor4D => tf.concat([tf.tile(before, [B, 1, 1, 1]), x], 2); // [B, KV, P + T, D]
  return { rows: { q: rows.q, k: behind(prefix.k, rows.k), v: behind(prefix.v, rows.v) }, prefix };
}

/** Gradient of `splitHeads`: those of the heads -> d qkv [P + N, (H + 2 KV) D]. */
export function splitHeadsBackward({ rows, prefix }: RowHeads, tables: RotaryTables, shape: RotaryShape, layout: RowLayout): tf.Tensor2D {
  const { numHeads: H, numKvHeads: KV, headDim: D } = shape;
  const { prefix: P, width: T } = layout;
  if (hasKernels()) {
    const none = (heads: number): tf.Tensor4D => tf.zeros([1, heads, 0, D]);
    const { q, k, v } = prefix ?? { q: none(H), k: none(KV), v: none(KV) };
    const inputs = [rows.q, rows.k, rows.v, q, k, v, tables.cos, tables.sin, layout.table];
    return run("ErpoSplitHeadsGrad", attributes(shape, layout), inputs) as tf.Tensor2D;
  }
  const all = H + 2 * KV;
  const stack = ({ q, k, v }: Heads): tf.Tensor3D => tf.reshape(tf.transpose(tf.concat([q, k, v], 1), [0, 2, 1, 3]), [-1, all, D]);
  if (!prefix) return tf.reshape(rotate(sumRows(stack(rows), layout), tables, shape, -1), [-1, all * D]);
  const [kShared, kOwn] = tf.split(rows.k, [P, T], 2) as [tf.Tensor4D, tf.Tensor4D];
  const [vShared, vOwn] = tf.split(rows.v, [P, T], 2) as [tf.Tensor4D, tf.Tensor4D];
  const total = (first: tf.Tensor4D, fromRows: tf.Tensor4D) => tf.add(first, tf.sum(fromRows, 0, true)) as tf.Tensor4D;
  const before = stack({ q: prefix.q, k: total(prefix.k, kShared), v: total(prefix.v, vShared) });
  const turned = tf.concat([before, sumRows(stack({ q: rows.q, k: kOwn, v: vOwn }), layout)], 0);
  return tf.reshape(rotate(turned, tables, shape, -1), [-1, all * D]);
}

/** Tokens out of rows: heads of padded rows [B, H, T, D] and of the prefix [1, H, P, D] -> [P + N, H D]. Not recorded for gradients. */
export function joinHeads(rows: tf.Tensor4D, prefix: tf.Tensor4D | null, shape: RotaryShape, layout: RowLayout): tf.Tensor2D {
  const { numHeads: H, headDim: D } = shape;
  if (hasKernels()) {
    return run("ErpoJoinHeads", attributes(shape, layout), [rows, prefix ?? tf.zeros([1, H, 0, D]), layout.table]) as tf.Tensor2D;
  }
  const join = (x: tf.Tensor4D): tf.Tensor2D => tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [-1, H * D]);
  const own = packRows(join(rows), layout);
  return prefix ? tf.concat([join(prefix), own], 0) : own;
}

/** Gradient of `joinHeads`: dy [P + N, H D] -> those of the rows' heads, with zeros where a row has no token of its own, and of the prefix's. */
export function joinHeadsBackward(
  dy: tf.Tensor2D,
  shape: RotaryShape,
  layout: RowLayout,
): { rows: tf.Tensor4D; prefix: tf.Tensor4D | null } {
  const { numHeads: H, headDim: D } = shape;
  const { prefix: P, width: T } = layout;
  if (hasKernels()) {
    const [rows, prefix] = runMany("ErpoJoinHeadsGrad", attributes(shape, layout), [dy, layout.table], 2) as [tf.Tensor4D, tf.Tensor4D];
    return { rows, prefix: P > 0 ? prefix : null };
  }
  const heads = (x: tf.Tensor2D, rows: number, length: number) =>
    tf.transpose(tf.reshape(x, [rows, length, H, D]), [0, 2, 1, 3]) as tf.Tensor4D;
  const own = P === 0 ? dy : tf.slice(dy, [P, 0], [-1, H * D]);
  const rows = heads(padRowsWithZeros(own, layout), layout.lengths.length, T);
  return { rows, prefix: P > 0 ? heads(tf.slice(dy, [0, 0], [P, H * D]), 1, P) : null };
}
