import * as tf from "@tensorflow/tfjs";

/**
 * How the tokens of several rows lie in one matrix [P + N, C]: first the P tokens of a prefix that all rows share, then the rows' own tokens one
 * row after the other, without padding. Attention alone sees rows [B, T], right-padded.
 */
export interface RowLayout {
  /** P, shared tokens. */
  prefix: number;
  /** Own tokens of each row, each >= 1. */
  lengths: readonly number[];
  /** T, the longest of the lengths. */
  width: number;
  /** Position of each of the P + N tokens in its sequence. */
  positions: Int32Array;
  /** Where each row's tokens begin among the N, and N. */
  starts: tf.Tensor1D; // [B + 1] int32
  /** For rows of different lengths: index into the N own tokens for each of B T places; a pad takes token 0. */
  toPadded: tf.Tensor1D | null; // [B T] int32
  /** The inverse: the place in B T of each own token. */
  toPacked: tf.Tensor1D | null; // [N] int32
}

/** The layout of rows with these many own tokens after a shared prefix. Holds tensors: make it inside a tidy, or dispose them. */
export function rowLayout(prefix: number, lengths: readonly number[]): RowLayout {
  const width = Math.max(...lengths);
  const N = lengths.reduce((a, b) => a + b, 0);
  const positions = new Int32Array(prefix + N);
  for (let p = 0; p < prefix; p++) positions[p] = p;
  const padded = new Int32Array(lengths.length * width);
  const packed = new Int32Array(N);
  const starts = new Int32Array(lengths.length + 1);
  let n = 0;
  lengths.forEach((length, b) => {
    starts[b + 1] = starts[b]! + length;
    for (let t = 0; t < length; t++, n++) {
      positions[prefix + n] = prefix + t;
      padded[b * width + t] = n;
      packed[n] = b * width + t;
    }
  });
  const even = N === padded.length;
  return {
    prefix,
    lengths,
    width,
    positions,
    starts: tf.tensor1d(starts, "int32"),
    toPadded: even ? null : tf.tensor1d(padded, "int32"),
    toPacked: even ? null : tf.tensor1d(packed, "int32"),
  };
}

/** Own tokens [N, ...] to right-padded rows [B T, ...]; the pads hold copies of token 0, which no real token sees. */
export const padRows = <T extends tf.Tensor>(x: T, { toPadded }: RowLayout): T => (toPadded ? (tf.gather(x, toPadded) as T) : x);

/** Padded rows [B T, ...] to own tokens [N, ...]. */
export const packRows = <T extends tf.Tensor>(x: T, { toPacked }: RowLayout): T => (toPacked ? (tf.gather(x, toPacked) as T) : x);

/** The adjoint of packRows: [N, C] to [B T, C] with zeros at the pads. Not recorded for gradients. */
export function padRowsWithZeros(x: tf.Tensor2D, layout: RowLayout): tf.Tensor2D {
  const { toPadded, lengths, width } = layout;
  if (!toPadded) return x;
  const real = new Float32Array(lengths.length * width);
  lengths.forEach((length, b) => {
    real.fill(1, b * width, b * width + length);
  });
  return tf.mul(tf.gather(x, toPadded), tf.tensor2d(real, [real.length, 1]));
}

/** The same, recorded with its own gradient. */
export function spreadRows(x: tf.Tensor2D, layout: RowLayout): tf.Tensor2D {
  const { toPacked } = layout;
  if (!toPacked) return x;
  return tf.customGrad((input, save) => {
    (save as tf.GradSaveFunc)([toPacked]);
    return {
      value: padRowsWithZeros(input as tf.Tensor2D, layout),
      gradFunc: (dy: tf.Tensor2D, [at]: tf.Tensor[]) => tf.gather(dy, at as tf.Tensor1D),
    };
  })(x) as tf.Tensor2D;
}

/** Length of the longest common prefix of rows, leaving each row at least one token of its own. */
export function commonPrefix(rows: readonly (readonly number[])[]): number {
  const first = rows[0]!;
  let length = Math.min(...rows.map((r) => r.length)) - 1;
  for (const row of rows) {
    let i = 0;
    while (i < length && row[i] === first[i]) i++;
    length = i;
  }
  return Math.max(length, 0);
}
