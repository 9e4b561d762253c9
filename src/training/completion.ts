import * as tf from "@tensorflow/tfjs";
import { commonPrefix, sharedStarts } from "../backend/ops/rows.js";
import type { CompletionRow } from "../data/tokens.js";
import type { Decoder } from "../model/decoder.js";
import type { Lora } from "../model/lora.js";

export type { CompletionRow } from "../data/tokens.js";

/** Log-probs of completion tokens of several rows, one after the other, and where each comes from. */
export interface CompletionLogps {
  /** `[N]`, in nats. */
  logps: tf.Tensor1D;
  /** Row of each, `[N]`. */
  row: number[];
  /** Place of each in its row's completion, from 0, `[N]`. */
  position: number[];
}

/**
 * Log-probabilities of all completion tokens given what stands before them. Nothing predicts the first token of a sequence, so a completion after an empty
 * prompt is scored from its second token on. Where a row has targets, they are scored in place of its completion's tokens. What all rows begin with is run once, and so is what a prompt has in common with an earlier one: the prompt of a
 * pair. Gradients flow to the adapter.
 *
 * @param rows at least one
 * @param lora adapter to score with; null for the base model
 * @param recompute see `HiddenOptions`
 * @throws RangeError when a row is longer than the model's positions
 */
export function completionLogps(decoder: Decoder, rows: readonly CompletionRow[], lora: Lora | null, recompute = false): CompletionLogps {
  const inputs = rows.map(({ prompt, completion }) => [...prompt, ...completion.slice(0, -1)]); // the last token predicts nothing here
  const row: number[] = [];
  const position: number[] = [];
  rows.forEach(({ prompt, completion }, b) => {
    for (let k = prompt.length === 0 ? 1 : 0; k < completion.length; k++) {
      row.push(b);
      position.push(k);
    }
  });
  if (row.length === 0) return { logps: tf.tensor1d([]), row, position };

  const scored = [...new Set(row)]; // rows that have something to score
  const P = Math.min(commonPrefix(scored.map((b) => inputs[b]!)), ...scored.map((b) => Math.max(0, rows[b]!.prompt.length - 1)));
  const own = scored.map((b) => inputs[b]!.slice(P));
  const lengths = own.map((ids) => ids.length);
  const T = Math.max(...lengths);
  const at = new Map(scored.map((b, i) => [b, i]));
  const shared = sharedStarts(
    own,
    scored.map((b) => Math.max(0, rows[b]!.prompt.length - P - 1)), // the last token of a prompt predicts, so each row runs its own
  );
  const places = row.map((b, n) => at.get(b)! * T + rows[b]!.prompt.length - P - 1 + position[n]!); // of the states that predict
  const targets = row.map((b, n) => (rows[b]!.targets ?? rows[b]!.completion)[position[n]!]!);
  const logps = tf.tidy(() => {
    const ids = tf.tensor2d(
      Int32Array.from(own.flatMap((ids) => [...ids, ...new Array(T - ids.length).fill(0)])),
      [own.length, T],
      "int32",
    );
    const states = decoder.hidden(ids, { lora, prefix: inputs[scored[0]!]!.slice(0, P), lengths, shared, recompute }); // [B, T, C]
    const C = states.shape[2];
    return decoder.tokenLogps(takeRows(tf.reshape(states, [own.length * T, C]), places), tf.tensor1d(targets, "int32"), lora);
  });
  return { logps, row, position };
}

/** Sums of log-probabilities over each row's completion, times its tokens' weights, `[B]`, in nats. */
export function sequenceLogps(decoder: Decoder, rows: readonly CompletionRow[], lora: Lora | null): tf.Tensor1D {
  return tf.tidy(() => rowSums(completionLogps(decoder, rows, lora), rows));
}

/** The same from the log-probs of the rows' tokens. */
export function rowSums({ logps, row, position }: CompletionLogps, rows: readonly CompletionRow[]): tf.Tensor1D {
  return tf.tidy(() => {
    if (row.length === 0) return tf.zeros([rows.length]) as tf.Tensor1D;
    const share = new Float32Array(rows.length * row.length); // [B, N], the token's weight where it is the row's
    row.forEach((b, n) => {
      share[b * row.length + n] = tokenWeight(rows[b]!, position[n]!);
    });
    return tf.sum(tf.mul(tf.tensor2d(share, [rows.length, row.length]), logps), 1); // not a product: a GPU may round its factors
  });
}

/** How much a token of a completion counts. */
export const tokenWeight = ({ weights }: CompletionRow, position: number): number => weights?.[position] ?? 1;

/** Different rows of a matrix: x [M, C], indices < M -> [N, C]. tf.gather's own gradient needs an operation that WebAssembly lacks. */
function takeRows(x: tf.Tensor2D, indices: readonly number[]): tf.Tensor2D {
  const places = Int32Array.from(indices);
  const { shape } = x;
  return tf.customGrad((input) => ({
    value: tf.gather(input as tf.Tensor2D, tf.tensor1d(places, "int32")),
    gradFunc: (dy: tf.Tensor) => tf.scatterND(tf.tensor2d(places, [places.length, 1], "int32"), dy, shape),
  }))(x) as tf.Tensor2D;
}
