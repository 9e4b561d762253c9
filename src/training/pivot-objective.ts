import * as tf from "@tensorflow/tfjs";
import type { CompletionRow, TokenRow } from "../data/tokens.js";
import { pivotLoss } from "../objectives/pivot.js";
import type { Objective, ScoredBatch } from "./objective.js";

/** The ids of the two pivot tokens that are held against each other, and how much that counts. */
export interface PivotSettings {
  safe: number;
  unsafe: number;
  /** Of the pivot terms beside cross-entropy, >= 0. */
  weight: number;
}

/**
 * R2D's objective (`pivotLoss`). A row is a micro-batch, as in the authors' script, whose devices take one row at a time: its means are over the row, and a step's loss is the mean of its rows'.
 * Any third pivot token is a token like others.
 *
 * A difference of logits at a place is that of two log-probs there: for each pivot place the other pivot is scored behind the same tokens, which the model runs once.
 */
export function pivotObjective({ safe, unsafe, weight }: PivotSettings): Objective<TokenRow> {
  const other = new Map([
    [safe, unsafe],
    [unsafe, safe],
  ]);
  const pivotsOf = (rows: readonly TokenRow[]): PivotPlace[] =>
    rows.flatMap(({ completion }, row) => completion.flatMap((id, place) => (other.has(id) ? [{ row, place, id }] : [])));
  const counterpart = (rows: readonly TokenRow[], { row, place, id }: PivotPlace): CompletionRow => {
    const { prompt, completion } = rows[row]!;
    return { prompt: [...prompt, ...completion.slice(0, place)], completion: [other.get(id)!] };
  };
  return {
    name: "r2d",
    settings: { safe, unsafe, weight },
    metrics: ["loss/tokens", "loss/pivots", "pivots/accuracy"],
    lacks: (row) => (row.prompt.length === 0 ? "has no prompt" : row.completion.length === 0 ? "has no completion" : undefined),
    completions: (rows) => [...rows, ...pivotsOf(rows).map((pivot) => counterpart(rows, pivot))],
    loss(batch) {
      const { rows, weight: count } = batch;
      const pivots = pivotsOf(rows);
      const at = placesOf(batch);
      const differences = differencesOf(batch, pivots, at); // [K], of the right pivot and the other one
      const losses = rows.map((_, b) => {
        const some = (id: number) => pivots.flatMap((pivot, k) => (pivot.row === b && pivot.id === id ? [k] : []));
        const own = at[b]!;
        const logps = tf.slice(batch.logps, [own[0]!], [own.length]); // a row's places lie side by side
        return pivotLoss({ logps, safe: pick(differences, some(safe)), unsafe: pick(differences, some(unsafe)) }, weight);
      });
      const tokens = rows.map((_, b) => tf.neg(tf.mean(tf.slice(batch.logps, [at[b]![0]!], [at[b]!.length]))) as tf.Scalar);
      return {
        loss: tf.div(tf.addN(losses), count) as tf.Scalar,
        columns: {
          "loss/tokens": tf.stack(tokens) as tf.Tensor1D,
          ...(pivots.length > 0 && {
            "loss/pivots": tf.softplus(tf.neg(differences)) as tf.Tensor1D,
            "pivots/accuracy": tf.cast(tf.greater(differences, 0), "float32") as tf.Tensor1D,
          }),
        },
      };
    },
  };
}

/** A pivot token of a row's completion. */
interface PivotPlace {
  row: number;
  place: number;
  id: number;
}

/** Of each scored completion, where its log-probs stand among all. */
function placesOf({ row }: ScoredBatch<TokenRow>): number[][] {
  const places: number[][] = [];
  row.forEach((b, n) => {
    places[b] = [...(places[b] ?? []), n];
  });
  return places;
}

/** log p(pivot) - log p(the other one) at each pivot place, [K]. */
function differencesOf({ rows, logps }: ScoredBatch<TokenRow>, pivots: readonly PivotPlace[], at: readonly number[][]): tf.Tensor1D {
  const signs = new Float32Array(pivots.length * logps.size); // [K, N]
  pivots.forEach(({ row, place }, k) => {
    signs[k * logps.size + at[row]![place]!] = 1;
    signs[k * logps.size + at[rows.length + k]![0]!] = -1;
  });
  if (pivots.length === 0) return tf.tensor1d([]);
  return tf.sum(tf.mul(tf.tensor2d(signs, [pivots.length, logps.size]), logps), 1) as tf.Tensor1D;
}

/** Some of a vector's values, [n]. tf.gather's own gradient needs an operation that WebAssembly lacks. */
function pick(x: tf.Tensor1D, indices: readonly number[]): tf.Tensor1D {
  if (indices.length === 0) return tf.tensor1d([]);
  return tf.concat1d(indices.map((i) => tf.slice(x, [i], [1])));
}
