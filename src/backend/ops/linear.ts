import * as tf from "@tensorflow/tfjs";
import type { InputMask } from "./dropout.js";
import { matMul, matMulAdd } from "./mat-mul.js";

/** Low-rank parts of a linear layer whose outputs may be those of several modules side by side. */
export interface LowRank {
  /** Of each adapted module: its matrices, where its outputs begin, and in training with dropout what its A sees of the input. */
  parts: { A: tf.Tensor2D /* [r, in] */; B: tf.Tensor2D /* [out_i, r] */; offset: number; mask?: InputMask }[];
  /** alpha / r */
  scale: number;
}

/** The parts as one pair of matrices, which forward and backward passes share. */
export interface StackedLowRank {
  A: tf.Tensor2D; // [k r, in], times the scale
  B: tf.Tensor2D; // [out, k r], block by block
}

/** Stacks the parts side by side for a layer with `out` outputs. Not recorded for gradients. */
function stack({ parts, scale }: LowRank, out: number): StackedLowRank {
  const r = parts[0]!.A.shape[0];
  const scaled = (A: tf.Tensor2D): tf.Tensor2D => tf.mul(A, scale);
  const only = parts[0]!;
  if (parts.length === 1 && only.B.shape[0] === out) return { A: scaled(only.A), B: only.B };
  const blocks: tf.Tensor2D[] = [];
  let row = 0;
  parts.forEach(({ B, offset }, i) => {
    if (offset > row) blocks.push(tf.zeros([offset - row, parts.length * r]));
    blocks.push(
      tf.pad(B, [
        [0, 0],
        [i * r, (parts.length - 1 - i) * r],
      ]),
    );
    row = offset + B.shape[0];
  });
  if (row < out) blocks.push(tf.zeros([out - row, parts.length * r]));
  const A = tf.concat(
    parts.map((p) => p.A),
    0,
  );
  return { A: scaled(A), B: tf.concat(blocks, 0) };
}

/** The input as a part's A sees it. */
const masked = (x: tf.Tensor2D, { mask }: LowRank["parts"][number]): tf.Tensor2D => (mask ? tf.mul(x, mask(x.shape[0])) : x);

/** Rows of a part in a stacked A. */
const partA = (A: tf.Tensor2D, i: number, r: number): tf.Tensor2D => tf.slice(A, [i * r, 0], [r, -1]);

/** What the backward pass of an adapted linear layer needs beside its input. */
export interface LinearSaved extends StackedLowRank {
  u: tf.Tensor2D; // [N, k r], scale x A^T, each part's with its mask on x
}

/**
 * y = x W + scale (x A^T) B^T. x [N, in], weight [in, out] -> value [N, out] and, where there are low-rank parts, what the backward pass needs. Not recorded for
 * gradients.
 */
export function linearForward(x: tf.Tensor2D, weight: tf.Tensor2D, low: LowRank | null): { value: tf.Tensor2D; saved: LinearSaved | null } {
  if (!low) return { value: matMul(x, weight), saved: null };
  const { A, B } = stack(low, weight.shape[1]);
  const r = low.parts[0]!.A.shape[0];
  const u = low.parts.some(({ mask }) => mask)
    ? (tf.concat(
        low.parts.map((part, i) => matMul(masked(x, part), partA(A, i, r), false, true)),
        1,
      ) as tf.Tensor2D)
    : matMul(x, A, false, true);
  return { value: matMulAdd(x, weight, matMul(u, B, false, true)), saved: { A, B, u } };
}

/**
 * Gradients of `linearForward`: dy [N, out] -> dx [N, in] (one matmul for the frozen weight, none where `wantInput` is false) and those of A and B, part by part.
 */
export function linearBackward(
  dy: tf.Tensor2D,
  x: tf.Tensor2D,
  weight: tf.Tensor2D,
  low: LowRank | null,
  saved: LinearSaved | null,
  wantInput = true,
): { dx: tf.Tensor2D | null; dLow: tf.Tensor2D[] } {
  if (!low || !saved) return { dx: wantInput ? matMul(dy, weight, false, true) : null, dLow: [] };
  const { A, B, u } = saved;
  const r = low.parts[0]!.A.shape[0];
  const du = matMul(dy, B); // [N, k r], of u
  const dropping = low.parts.some(({ mask }) => mask);
  const duOf = (i: number): tf.Tensor2D => tf.slice(du, [0, i * r], [-1, r]); // [N, r]
  const dA = tf.mul(
    dropping ? tf.concat(low.parts.map((part, i) => matMul(duOf(i), masked(x, part), true, false))) : matMul(du, x, true, false),
    low.scale,
  ) as tf.Tensor2D; // [k r, in]
  const dB = matMul(dy, u, true, false); // [out, k r]
  const dLow = low.parts.flatMap((part, i) => [
    low.parts.length === 1 ? dA : partA(dA, i, r),
    tf.slice(dB, [part.offset, i * r], [part.B.shape[0], r]),
  ]);
  if (!wantInput) return { dx: null, dLow };
  const dxLow = dropping ? tf.addN(low.parts.map((part, i) => masked(matMul(duOf(i), partA(A, i, r)), part))) : matMul(du, A);
  return { dx: matMulAdd(dy, weight, dxLow, false, true), dLow };
}

/** A frozen linear layer with its adapters, with its own gradient. x [N, in] -> [N, out]. */
export function linear(x: tf.Tensor2D, weight: tf.Tensor2D, low: LowRank | null): tf.Tensor2D {
  const variables = low?.parts.flatMap((p) => [p.A, p.B]) ?? [];
  return tf.customGrad((...args) => {
    const save = args[args.length - 1] as tf.GradSaveFunc;
    const input = args[0] as tf.Tensor2D;
    const { value, saved } = linearForward(input, weight, low);
    save(saved ? [input, saved.A, saved.B, saved.u] : [input]);
    return {
      value,
      gradFunc: (dy: tf.Tensor2D, kept: tf.Tensor[]) => {
        const [x, A, B, u] = kept as tf.Tensor2D[];
        const { dx, dLow } = linearBackward(dy, x!, weight, low, saved && { A: A!, B: B!, u: u! });
        return [dx!, ...dLow];
      },
    };
  })(x, ...variables) as tf.Tensor2D;
}

/** The plain twin, with tfjs's own gradients. */
export function linearPlain(x: tf.Tensor2D, weight: tf.Tensor2D, low: LowRank | null): tf.Tensor2D {
  const base = tf.matMul(x, weight) as tf.Tensor2D;
  if (!low) return base;
  return low.parts.reduce((y, part) => {
    const { A, B, offset } = part;
    const delta = tf.mul(tf.matMul(tf.matMul(masked(x, part), A, false, true), B, false, true), low.scale);
    return tf.add(
      y,
      tf.pad(delta, [
        [0, 0],
        [offset, weight.shape[1] - offset - B.shape[0]],
      ]),
    ) as tf.Tensor2D;
  }, base);
}
