import * as tf from "@tensorflow/tfjs";
import type { TokenRow } from "../data/tokens.js";
import { sft } from "../objectives/sft.js";
import { tokenWeight } from "./completion.js";
import type { Objective, Settings } from "./objective.js";

/** Log-probs of completion tokens, whatever row they stand in. */
export interface TokenLogps {
  /** `[N]`, in nats. */
  logps: tf.Tensor1D;
  /** The tokens' loss weights, `[N]`. */
  weights: tf.Tensor1D;
  /** Their sum. */
  total: number;
}

/**
 * An objective of a loss per token: a weighted mean over the completion tokens of a step, whatever row they stand in.
 *
 *     tokenObjective({ name: "focal", settings: { gamma: 2 }, loss: ({ logps, weights, total }, { gamma }) => ... })
 */
export function tokenObjective<S extends Settings>(kind: {
  name: string;
  settings: S;
  /** The weighted mean over tokens, a scalar. */
  loss: (tokens: TokenLogps, settings: S) => tf.Scalar;
}): Objective<TokenRow> {
  const { name, settings, loss } = kind;
  return {
    name,
    settings,
    completions: (rows) => rows,
    weight: scoredWeight,
    metrics: [],
    loss: ({ rows, logps, row, position, weight }) => {
      const weights = row.map((b, n) => tokenWeight(rows[b]!, position[n]!));
      return { loss: loss({ logps, weights: tf.tensor1d(weights), total: weight }, settings) };
    },
  };
}

/** Supervised fine-tuning: the weighted mean of the completion tokens' cross-entropies over each optimizer step. */
export const sftObjective: Objective<TokenRow> = tokenObjective({
  name: "sft",
  settings: {},
  loss: ({ logps, weights, total }) => sft(logps, weights, total),
});

/** Sum of the weights of the tokens that can be scored: without a prompt nothing predicts the first one. */
function scoredWeight(row: TokenRow): number {
  const from = row.prompt.length === 0 ? 1 : 0;
  return row.completion.slice(from).reduce((sum, _, k) => sum + tokenWeight(row, from + k), 0);
}
