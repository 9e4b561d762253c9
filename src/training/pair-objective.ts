import * as tf from "@tensorflow/tfjs";
import type { CompletionRow, TokenPair } from "../data/tokens.js";
import type { BareLoss, PairLengths, PairLogps, PairLoss } from "../objectives/types.js";
import { checkedLoss, type Objective, type Settings } from "./objective.js";

/** Sums of log-probs of a batch's pairs. */
export interface PairBatch<Pair extends TokenPair = TokenPair> {
  /** The pairs themselves, in order: for a loss that needs more of a pair than its log-probs, such as a soft label. */
  rows: readonly Pair[];
  /** Under the model being trained, each token's times its weight. */
  policy: PairLogps;
  /** The same under the reference; zeros where the objective has none. */
  reference: PairLogps;
  /** Tokens of each completion. */
  lengths: PairLengths;
  /** The same, each token counted by its weight. */
  weighted: PairLengths;
  /** Under the model being trained, each token counted once. */
  unweighted: PairLogps;
}

/**
 * An objective of a loss per pair, as a function of the sums of log-probs of its two completions.
 *
 *     pairObjective({ name: "dpo", settings: { beta: 0.1 }, loss: ({ policy, reference }, { beta }) => dpo(policy, reference, beta) })
 *
 * Its metrics are TRL's: rewards, their margins and accuracies, and log-probs.
 *
 * @param kind.reference "none" for a loss that has none (SimPO): the pairs then need no reference log-probs
 */
export function pairObjective<S extends Settings, Pair extends TokenPair = TokenPair>(kind: {
  name: string;
  settings: S;
  reference?: "none";
  /** The mean over pairs; without rewards there are no metrics of them. */
  loss: (pairs: PairBatch<Pair>, settings: S) => BareLoss<PairLoss>;
}): Objective<Pair> {
  const { name, settings, loss } = kind;
  const free = kind.reference === "none";
  return {
    name,
    settings,
    completions: bothSides,
    lacks: ({ reference }) => (reference || free ? undefined : "has no reference log-probs: call referenceLogps first"),
    loss: ({ rows: pairs, sums }) => {
      const policy = halves(sums()); // [2 B]
      const areWeighted = pairs.some(({ weights }) => weights);
      const unweighted = areWeighted ? halves(sums({ unweighted: true })) : policy;
      const reference = tensors(pairs.map((pair) => (free ? { chosen: 0, rejected: 0 } : pair.reference!)));
      const lengths = tensors(pairs.map(({ chosen, rejected }) => ({ chosen: chosen.length, rejected: rejected.length })));
      const weighted = areWeighted
        ? tensors(pairs.map((pair) => ({ chosen: weightOf(pair, "chosen"), rejected: weightOf(pair, "rejected") })))
        : lengths;
      const { loss: mean, rewards } = checkedLoss(name, loss({ rows: pairs, policy, reference, lengths, weighted, unweighted }, settings));
      return {
        loss: mean,
        columns: {
          ...(rewards && { chosenRewards: rewards.chosen, rejectedRewards: rewards.rejected }),
          chosenLogps: policy.chosen,
          rejectedLogps: policy.rejected,
        },
      };
    },
    summarize,
    metrics: METRICS,
  };
}

const METRICS = ["rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies", "logps/chosen", "logps/rejected"];

/** Tokens of a side, each counted by its weight. */
const weightOf = (pair: TokenPair, side: "chosen" | "rejected"): number =>
  pair.weights ? pair.weights[side].reduce((sum, weight) => sum + weight, 0) : pair[side].length;

/** All chosen completions, then all rejected ones, as rows to score. */
export const bothSides = (pairs: readonly TokenPair[]): CompletionRow[] =>
  (["chosen", "rejected"] as const).flatMap((side) =>
    pairs.map((pair) => ({ prompt: pair.prompt, completion: pair[side], ...(pair.weights && { weights: pair.weights[side] }) })),
  );

/** [2 B] -> the first and the second half, [B] each. */
function halves(both: tf.Tensor1D): PairLogps {
  const B = both.size / 2;
  return { chosen: tf.slice(both, 0, B), rejected: tf.slice(both, B, B) };
}

const tensors = (values: readonly { chosen: number; rejected: number }[]): PairLogps => ({
  chosen: tf.tensor1d(values.map((v) => v.chosen)),
  rejected: tf.tensor1d(values.map((v) => v.rejected)),
});

/** Differences of rewards, in nats, that are rounding's: before the first update all are 0, and count as no preference, as in TRL. */
const ROUNDING = 1e-4;

function summarize(columns: Readonly<Record<string, readonly number[]>>) {
  const { chosenRewards: chosen, rejectedRewards: rejected, chosenLogps = [], rejectedLogps = [] } = columns;
  return {
    ...(chosen && rejected && rewardMetrics(chosen, rejected)),
    "logps/chosen": mean(chosenLogps),
    "logps/rejected": mean(rejectedLogps),
  };
}

const rewardMetrics = (chosen: readonly number[], rejected: readonly number[]) => ({
  "rewards/chosen": mean(chosen),
  "rewards/rejected": mean(rejected),
  "rewards/margins": mean(chosen.map((x, i) => x - rejected[i]!)),
  "rewards/accuracies": mean(chosen.map((x, i) => (x - rejected[i]! > ROUNDING ? 1 : 0))),
});

const mean = (xs: readonly number[]) => xs.reduce((a, b) => a + b, 0) / xs.length;
