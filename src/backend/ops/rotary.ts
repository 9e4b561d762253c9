import * as tf from "@tensorflow/tfjs";

/** How Llama 3.1 stretches its frequencies to longer texts (transformers: rope_type llama3). */
export interface RopeScaling {
  /** What frequencies are divided by whose wave is longer than original / low positions. */
  factor: number;
  /** Between original / low and original / high positions the division fades out. */
  low: number;
  high: number;
  original: number;
}

/** Which rows of [N, heads, D] are queries, keys and values, and the base of the frequencies. */
export interface RotaryShape {
  numHeads: number;
  numKvHeads: number;
  headDim: number;
  ropeTheta: number;
  ropeScaling?: RopeScaling | null;
}

/** The angles of N tokens: their cosines and sines, [N, D / 2]. */
export interface RotaryTables {
  cos: tf.Tensor2D;
  sin: tf.Tensor2D;
}

/** What each of the D / 2 frequencies is divided by. */
export function frequencyFactors({
  headDim: D,
  ropeTheta,
  ropeScaling,
}: Pick<RotaryShape, "headDim" | "ropeTheta" | "ropeScaling">): Float64Array {
  return Float64Array.from({ length: D / 2 }, (_, i) => {
    if (!ropeScaling) return 1;
    const { factor, low, high, original } = ropeScaling;
    const waves = (original * ropeTheta ** ((-2 * i) / D)) / (2 * Math.PI); // that fit in the original positions
    const kept = Math.min(1, Math.max(0, (waves - low) / (high - low)));
    return 1 / ((1 - kept) / factor + kept);
  });
}

/**
 * Angles of rotary positions (Su et al. 2021): position * theta^(-2 i / D) for i < D / 2.
 * @param positions of the N tokens, from 0
 */
export function rotaryTables(shape: RotaryShape, positions: ArrayLike<number>): RotaryTables {
  const { headDim: D, ropeTheta } = shape;
  const N = positions.length;
  const half = D / 2;
  const frequency = frequencyFactors(shape).map((factor, i) => ropeTheta ** (-i / half) / factor);
  const cos = new Float32Array(N * half);
  const sin = new Float32Array(N * half);
  for (let n = 0; n < N; n++) {
    for (let i = 0; i < half; i++) {
      cos[n * half + i] = Math.cos(positions[n]! * frequency[i]!);
      sin[n * half + i] = Math.sin(positions[n]! * frequency[i]!);
    }
  }
  return { cos: tf.tensor2d(cos, [N, half]), sin: tf.tensor2d(sin, [N, half]) };
}

/**
 * Turns q, k and v stacked along heads, [N, H + 2 KV, D], in PyTorch's half-split form: queries are also scaled by 1/sqrt(D), values pass unchanged.
 * @param direction -1 for the adjoint
 */
export function rotate(x: tf.Tensor3D, { cos, sin }: RotaryTables, shape: RotaryShape, direction: 1 | -1): tf.Tensor3D {
  const { numHeads: H, numKvHeads: KV, headDim: D } = shape;
  const [turned, values] = tf.split(x, [H + KV, KV], 1) as [tf.Tensor3D, tf.Tensor3D];
  const scale = Array.from({ length: H + KV }, (_, h) => (h < H ? 1 / Math.sqrt(D) : 1));
  const [a, b] = tf.split(tf.mul(turned, tf.tensor3d(scale, [1, H + KV, 1])), 2, 2) as [tf.Tensor3D, tf.Tensor3D];
  const c = tf.expandDims(cos, 1); // [N, 1, D / 2]
  const s = tf.mul(tf.expandDims(sin, 1), direction);
  return tf.concat([tf.concat([tf.sub(tf.mul(a, c), tf.mul(b, s)), tf.add(tf.mul(b, c), tf.mul(a, s))], 2), values], 1) as tf.Tensor3D;
}
