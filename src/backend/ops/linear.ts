import * as tf from "@tensorflow/tfjs";
import { matMul } from "./mat-mul.js";

/** Low-rank parts of a linear layer whose outputs may be those of several modules side by side. */
export interface LowRank {
  /** Of each adapted module: its matrices and where its outputs begin. */
  parts: { A: tf.Tensor2D /* [r, in] */; B: tf.Tensor2D /* [out_i, r] */; offset: number }[];
  /** alpha / r */
  scale: number;
}

/** The parts as one pair: A [k r, in] stacked, B [out, k r] block by block. */
function stacked({ parts }: LowRank, out: number): { A: tf.Tensor2D; B: tf.Tensor2D } {
  const r = parts[0]!.A.shape[0];
  const only = parts[0]!;
  if (parts.length === 1 && only.B.shape[0] === out) return { A: only.A, B: only.B };
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
  return {
    A: tf.concat(
      parts.map((p) => p.A),
      0,
    ),
    B: tf.concat(blocks, 0),
  };
}

/**
 * y = x W + scale (x A^T) B^T. x [N, in], weight [in, out] -> value [N, out] and, where there are low-rank parts, u = scale x A^T [N, k r] for the
 * backward pass. Not recorded for gradients.
 */
export function linearForward(x: tf.Tensor2D, weight: tf.Tensor2D, low: LowRank | null): { value: tf.Tensor2D; u: tf.Tensor2D | null } {
  const base = matMul(x, weight);
  if (!low) return { value: base, u: null };
  const { A, B } = stacked(low, weight.shape[1]);
  const u = tf.mul(matMul(x, A, false, true), low.scale) as tf.Tensor2D;
  return { value: tf.add(base, matMul(u, B, false, true)), u };
}

/**
 * Gradients of `linearForward`: dy [N, out] -> dx [N, in] (one matmul for the frozen weight, none where `wantInput` is false) and those of A and B, part by part.
 */
export function linearBackward(
  dy: tf.Tensor2D,
  x: tf.Tensor2D,
  weight: tf.Tensor2D,
  low: LowRank | null,
  u: tf.Tensor2D | null,
  wantInput = true,
): { dx: tf.Tensor2D | null; dLow: tf.Tensor2D[] } {
  const base = wantInput ? matMul(dy, weight, false, true) : null;
  if (!low || !u) return { dx: base, dLow: [] };
  const { A, B } = stacked(low, weight.shape[1]);
  const r = low.parts[0]!.A.shape[0];
  const du = tf.mul(matMul(dy, B), low.scale) as tf.Tensor2D; // [N, k r], of x A^T
  const dA = matMul(du, x, true, false); // [k r, in]
  const dB = matMul(dy, u, true, false); // [out, k r]
  const dLow = low.parts.flatMap((part, i) => [
    low.parts.length === 1 ? dA : tf.slice(dA, [i * r, 0], [r, -1]),
    tf.slice(dB, [part.offset, i * r], [part.B.shape[0], r]),
  ]);
  return { dx: base && (tf.add(base, matMul(du, A)) as tf.Tensor2D), dLow };
}

/** A frozen linear layer with its adapters, with its own gradient. x [N, in] -> [N, out]. */
export function linear(x: tf.Tensor2D, weight: tf.Tensor2D, low: LowRank | null): tf.Tensor2D {
  const variables = low?.parts.flatMap((p) => [p.A, p.B]) ?? [];
  return tf.customGrad((...args) => {
    const save = args[args.length - 1] as tf.GradSaveFunc;
    const input = args[0] as tf.Tensor2D;
    const { value, u } = linearForward(input, weight, low);
    save(u ? [input, u] : [input]);
    return {
      value,
      gradFunc: (dy: tf.Tensor2D, [x, u]: tf.Tensor[]) => {
        const { dx, dLow } = linearBackward(dy, x as tf.Tensor2D, weight, low, (u as tf.Tensor2D) ?? null);
        return [dx!, ...dLow];
      },
    };
  })(x, ...variables) as tf.Tensor2D;
}

/** The plain twin, with tfjs's own gradients. */
export function linearPlain(x: tf.Tensor2D, weight: tf.Tensor2D, low: LowRank | null): tf.Tensor2D {
  const base = tf.matMul(x, weight) as tf.Tensor2D;
  if (!low) return base;
  return low.parts.reduce((y, { A, B, offset }) => {
    const delta = tf.mul(tf.matMul(tf.matMul(x, A, false, true), B, false, true), low.scale);
    return tf.add(
      y,
      tf.pad(delta, [
        [0, 0],
        [offset, weight.shape[1] - offset - B.shape[0]],
      ]),
    ) as tf.Tensor2D;
  }, base);
}
