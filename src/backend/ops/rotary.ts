import * as tf from "@tensorflow/tfjs";
import { isNative, run } from "./native.js";

/** Which rows of [N, heads, D] are queries, keys and values, and the base of the frequencies. */
export interface RotaryShape {
  numHeads: number;
  numKvHeads: number;
  headDim: number;
  ropeTheta: number;
}

/** Factors of q, k and v stacked along heads, [N, H + 2 KV, D]: y = x cos + swap(x) sin, where swap exchanges the halves of D. */
export interface RotaryTables {
  cos: tf.Tensor3D;
  sin: tf.Tensor3D;
}

/**
 * Rotary positions (Su et al. 2021) in PyTorch's half-split form, for q, k and v at once: queries are also scaled by 1/sqrt(D), values pass
 * unchanged. The rotation's sign sits in `sin`.
 * @param positions of the N tokens, from 0
 */
export function rotaryTables(
  { numHeads: H, numKvHeads: KV, headDim: D, ropeTheta }: RotaryShape,
  positions: ArrayLike<number>,
): RotaryTables {
  const N = positions.length;
  const width = (H + 2 * KV) * D;
  const half = D / 2;
  const cos = new Float32Array(N * width);
  const sin = new Float32Array(N * width);
  const scale = 1 / Math.sqrt(D);
  const first = new Map<number, number>(); // the row where a position was filled in first
  const frequency = Float64Array.from({ length: half }, (_, i) => ropeTheta ** (-i / half));
  for (let n = 0, at = 0; n < N; n++, at += width) {
    const position = positions[n]!;
    const same = first.get(position);
    if (same !== undefined) {
      cos.copyWithin(at, same, same + width);
      sin.copyWithin(at, same, same + width);
      continue;
    }
    first.set(position, at);
    for (let i = 0; i < half; i++) {
      const c = Math.cos(position * frequency[i]!);
      const s = Math.sin(position * frequency[i]!);
      for (let h = 0; h < H + KV; h++) {
        const factor = h < H ? scale : 1;
        const o = at + h * D + i;
        cos[o] = cos[o + half] = c * factor;
        sin[o] = -s * factor;
        sin[o + half] = s * factor;
      }
    }
    cos.fill(1, at + (H + KV) * D, at + width);
  }
  return { cos: tf.tensor3d(cos, [N, H + 2 * KV, D]), sin: tf.tensor3d(sin, [N, H + 2 * KV, D]) };
}

/** Exchanges the two halves of the last axis. x [N, heads, D]. */
function swapHalves(x: tf.Tensor3D): tf.Tensor3D {
  const half = x.shape[2] / 2;
  if (!isNative()) {
    const [a, b] = tf.split(x, 2, 2) as [tf.Tensor3D, tf.Tensor3D];
    return tf.concat([b, a], 2);
  }
  return tf.tidy(() =>
    run("Roll", { T: "float32", Tshift: "int32", Taxis: "int32" }, [x, tf.scalar(half, "int32"), tf.scalar(2, "int32")]),
  ) as tf.Tensor3D;
}

/** x [N, H + 2 KV, D] rotated. Not recorded for gradients: `rotaryBackward` is its adjoint. */
export const rotaryForward = (x: tf.Tensor3D, { cos, sin }: RotaryTables): tf.Tensor3D =>
  tf.add(tf.mul(x, cos), tf.mul(swapHalves(x), sin));

/** The adjoint: dx = dy cos + swap(dy sin). */
export const rotaryBackward = (dy: tf.Tensor3D, { cos, sin }: RotaryTables): tf.Tensor3D =>
  tf.add(tf.mul(dy, cos), swapHalves(tf.mul(dy, sin)));

/** Rotation with its own gradient. x [N, H + 2 KV, D]. */
export function rotary(x: tf.Tensor3D, tables: RotaryTables): tf.Tensor3D {
  return tf.customGrad((input) => ({
    value: rotaryForward(input as tf.Tensor3D, tables),
    gradFunc: (dy: tf.Tensor3D) => rotaryBackward(dy, tables),
  }))(x) as tf.Tensor3D;
}

/** The plain twin, with tfjs's own gradients. */
export function rotaryPlain(x: tf.Tensor3D, { cos, sin }: RotaryTables): tf.Tensor3D {
  const [a, b] = tf.split(x, 2, 2) as [tf.Tensor3D, tf.Tensor3D];
  return tf.add(tf.mul(x, cos), tf.mul(tf.concat([b, a], 2), sin));
}
