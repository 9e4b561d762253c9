import * as tf from "@tensorflow/tfjs";

/** The first tokens of a row that are those of an earlier row, where they are run. */
export interface SharedStart {
  row: number;
  tokens: number;
}

/**
 * How the tokens of several rows lie in one matrix [P + N, C]: first the P tokens of a prefix that all rows share, then the rows' own tokens one
 * row after the other, without padding and without what a row shares with an earlier one. Attention alone sees whole rows [B, T], right-padded.
 */
export interface RowLayout {
  /** P, tokens that all rows share. */
  prefix: number;
  /** Tokens of each row after the prefix, each >= 1. */
  lengths: readonly number[];
  /** The first tokens of each that another row runs. */
  shared: readonly (SharedStart | null)[];
  /** T, the longest of the lengths. */
  width: number;
  /** Position of each of the P + N tokens in its sequence. */
  positions: Int32Array;
  /** Where each row's own tokens begin among the N. */
  starts: readonly number[];
  /** For the kernels, of each row: its start, its length, how many of its tokens are shared, and with which row. */
  table: tf.Tensor2D; // [B, 4] int32
  /** Unless tokens and places are the same: index into the N tokens for each of B T places; a pad takes token 0. */
  toPadded: tf.Tensor1D | null; // [B T] int32
  /** The place in B T of each own token. */
  toPacked: tf.Tensor1D | null; // [N] int32
}

/**
 * The layout of rows with these many tokens after a prefix. Holds tensors: make it inside a tidy, or dispose them.
 * @throws RangeError when a shared start is not that of an earlier row that runs it itself, or leaves nothing to run
 */
export function rowLayout(
  prefix: number,
  lengths: readonly number[],
  shared: readonly (SharedStart | null)[] = lengths.map(() => null),
): RowLayout {
  const width = Math.max(...lengths);
  const starts: number[] = [];
  const positions = Array.from({ length: prefix }, (_, p) => p);
  const padded = new Int32Array(lengths.length * width);
  const packed: number[] = [];
  lengths.forEach((length, b) => {
    const { row, tokens } = shared[b] ?? { row: -1, tokens: 0 };
    if (row >= b || shared[row] || tokens >= length || tokens > (lengths[row] ?? 0))
      throw new RangeError(`rows: row ${b} cannot begin with ${tokens} tokens of row ${row}`);
    starts.push(packed.length);
    for (let t = 0; t < length; t++) {
      padded[b * width + t] = t < tokens ? starts[row]! + t : packed.length;
      if (t < tokens) continue;
      positions.push(prefix + t);
      packed.push(b * width + t);
    }
  });
  const even = packed.length === padded.length;
  const table = lengths.flatMap((length, b) => [starts[b]!, length, shared[b]?.tokens ?? 0, shared[b]?.row ?? b]);
  return {
    prefix,
    lengths,
    shared,
    width,
    positions: Int32Array.from(positions),
    starts,
    table: tf.tensor2d(table, [lengths.length, 4], "int32"),
    toPadded: even ? null : tf.tensor1d(padded, "int32"),
    toPacked: even ? null : tf.tensor1d(packed, "int32"),
  };
}

/** Tokens [N, ...] to right-padded rows [B T, ...]; the pads hold copies of token 0, which no real token sees. */
export const padRows = <T extends tf.Tensor>(x: T, { toPadded }: RowLayout): T => (toPadded ? (tf.gather(x, toPadded) as T) : x);

/** Padded rows [B T, ...] to own tokens [N, ...]. */
export const packRows = <T extends tf.Tensor>(x: T, { toPacked }: RowLayout): T => (toPacked ? (tf.gather(x, toPacked) as T) : x);

/** The adjoint of padRows, but for the pads, which are left out: a shared token gets what stands at its place in every row. x [B T, ...] to [N, ...]. */
export function sumRows<T extends tf.Tensor>(x: T, layout: RowLayout): T {
  const own = packRows(x, layout);
  const rest = own.shape.slice(1);
  const others = layout.shared.flatMap((start, b) => {
    if (!start) return [];
    const part = tf.slice(x, [b * layout.width, ...rest.map(() => 0)], [start.tokens, ...rest]);
    const before = layout.starts[start.row]!;
    return [tf.pad(part, [[before, own.shape[0]! - before - start.tokens], ...rest.map((): [number, number] => [0, 0])])];
  });
  return others.length ? (tf.addN([own, ...others]) as T) : own;
}

/** The adjoint of packRows: [N, C] to [B T, C] with zeros at the pads and at the starts that other rows run. Not recorded for gradients. */
export function padRowsWithZeros(x: tf.Tensor2D, { toPadded, lengths, shared, width }: RowLayout): tf.Tensor2D {
  if (!toPadded) return x;
  const own = new Float32Array(lengths.length * width);
  lengths.forEach((length, b) => {
    own.fill(1, b * width + (shared[b]?.tokens ?? 0), b * width + length);
  });
  return tf.mul(tf.gather(x, toPadded), tf.tensor2d(own, [own.length, 1]));
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

/** packRows for rows that share nothing, recorded with its own gradient: tf.gather's needs an operation that WebAssembly lacks. */
export function gatherRows(x: tf.Tensor2D, layout: RowLayout): tf.Tensor2D {
  const { toPacked, toPadded } = layout;
  if (!toPacked || !toPadded) return x;
  return tf.customGrad((input, save) => {
    (save as tf.GradSaveFunc)([toPadded]); // which would not outlive the forward pass
    return {
      value: packRows(input as tf.Tensor2D, layout),
      gradFunc: (dy: tf.Tensor2D, [at]: tf.Tensor[]) => padRowsWithZeros(dy, { ...layout, toPadded: at as tf.Tensor1D }),
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

/**
 * For each row an earlier one with which it has a start in common, so that this is run once: the longest first, since a row that lends its start runs it itself.
 * @param limits how many of a row's first tokens may be another's; default: all but one, which each row keeps in any case
 */
export function sharedStarts(
  rows: readonly (readonly number[])[],
  limits: readonly number[] = rows.map((r) => r.length),
): (SharedStart | null)[] {
  const found: (SharedStart | null)[] = rows.map(() => null);
  const ways = rows.flatMap((row, b) =>
    rows.slice(0, b).map((other, a) => ({ b, row: a, tokens: Math.min(commonPrefix([other, row]), limits[b]!) })),
  );
  ways.sort((x, y) => y.tokens - x.tokens);
  const lends = new Set<number>();
  for (const { b, row, tokens } of ways) {
    if (tokens === 0 || found[b] || found[row] || lends.has(b)) continue;
    found[b] = { row, tokens };
    lends.add(row);
  }
  return found;
}
