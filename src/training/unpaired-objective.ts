import * as tf from "@tensorflow/tfjs";
import type { CompletionRow, TokenUnpaired } from "../data/tokens.js";
import { kto, type UnpairedBatch, type UnpairedLoss } from "../objectives/kto.js";
import type { BareLoss } from "../objectives/types.js";
import { pieces } from "../setup/lists.js";
import { checkedLoss, type Objective, type Settings } from "./objective.js";
import { keepStart } from "./tokenize.js";

/**
 * An objective of a loss per labelled completion, as a function of its sum of log-probs and of how far the policy is from the reference: the mean of
 * log(pi/ref) over the batch's mismatched completions, 0 where that is negative.
 *
 *     unpairedObjective({ name: "kto", settings: { beta: 0.1 }, loss: (batch, settings) => kto(batch, settings) })
 *
 * Its metrics are TRL's: rewards and log-probs of desirable ("chosen") and other ("rejected") completions, their margin, and the KL.
 */
export function unpairedObjective<S extends Settings>(kind: {
  name: string;
  settings: S;
  /** The mean over completions; without rewards there are no metrics of them. */
  loss: (batch: UnpairedBatch, settings: S) => BareLoss<UnpairedLoss>;
}): Objective<TokenUnpaired> {
  const { name, settings, loss } = kind;
  return {
    name,
    settings,
    completions: (rows) => rows,
    observed: mismatchedRows,
    lacks: ({ mismatched, reference }) => {
      if (!mismatched) return "has no mismatched completion: call mismatch first";
      return reference ? undefined : "has no reference log-probs: call referenceLogps first";
    },
    loss: ({ rows, sums, observed }) => {
      const policy = sums(); // [B]
      const reference = tf.tensor1d(rows.map((row) => row.reference!.completion));
      const labels = tf.tensor1d(rows.map(({ label }) => (label ? 1 : 0)));
      const apart = tf.sub(observed, tf.tensor1d(rows.map((row) => row.reference!.mismatched))); // [B]
      const kl = tf.maximum(tf.mean(apart), 0) as tf.Scalar;
      const { loss: mean, rewards } = checkedLoss(name, loss({ policy, reference, labels, kl }, settings));
      return { loss: mean, columns: { ...(rewards && { rewards }), logps: policy, labels, kl: tf.reshape(kl, [1]) } };
    },
    summarize,
    metrics: METRICS,
  };
}

const METRICS = ["rewards/chosen", "rewards/rejected", "rewards/margins", "logps/chosen", "logps/rejected", "kl"];

/** Kahneman-Tversky optimization; see `kto`. */
export const ktoObjective = (settings: { beta: number; desirableWeight?: number; undesirableWeight?: number }): Objective<TokenUnpaired> =>
  unpairedObjective({ name: "kto", settings: { desirableWeight: 1, undesirableWeight: 1, ...settings }, loss: kto });

/**
 * Gives each row the completion of the row before it, within groups of `size` rows, the first that of the last (TRL's estimate of the KL). Where the groups are the
 * batches, a batch's mismatched completions are its own completions under other prompts.
 * @param maxLength tokens of a prompt and its mismatched completion together that are kept, from the start; default: all
 */
export const mismatch = (rows: readonly TokenUnpaired[], size: number, maxLength = Number.POSITIVE_INFINITY): TokenUnpaired[] =>
  pieces(rows, size).flatMap((group) =>
    group.map((row, i) => {
      const other = { prompt: row.prompt, completion: group.at(i - 1)!.completion };
      return { ...row, mismatched: keepStart(other, maxLength)?.completion ?? [] };
    }),
  );

/** The mismatched completions, as rows to score. */
export const mismatchedRows = (rows: readonly TokenUnpaired[]): CompletionRow[] =>
  rows.map(({ prompt, mismatched = [] }) => ({ prompt, completion: mismatched }));

function summarize({ rewards, logps = [], labels = [], kl = [] }: Readonly<Record<string, readonly number[]>>) {
  const mean = (xs: readonly number[]) => xs.reduce((a, b) => a + b, 0) / xs.length;
  const of = (label: number, xs: readonly number[]) => mean(xs.filter((_, i) => labels[i] === label));
  const [some, others] = [labels.includes(1), labels.includes(0)];
  return {
    ...(some && { ...(rewards && { "rewards/chosen": of(1, rewards) }), "logps/chosen": of(1, logps) }),
    ...(others && { ...(rewards && { "rewards/rejected": of(0, rewards) }), "logps/rejected": of(0, logps) }),
    ...(some && others && rewards && { "rewards/margins": of(1, rewards) - of(0, rewards) }),
    kl: mean(kl),
  };
}
