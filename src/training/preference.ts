import * as tf from "@tensorflow/tfjs";
import { readLast } from "../backend/read.js";
import type { TokenPair } from "../data/tokens.js";
import type { LanguageModel } from "../model/load.js";
import type { Lora } from "../model/lora.js";
import type { PairLogps, PreferenceObjective } from "../objectives/types.js";
import { pieces } from "./batches.js";
import { sequenceLogps } from "./completion.js";
import { TrainingError } from "./errors.js";
import { digest, type Step, type TrainOptions, trainLoop } from "./loop.js";
import type { StepMetrics } from "./metrics.js";

/**
 * Preference optimization of an adapter: minimises the mean of `objective` over each optimizer step's pairs. Yields a row a step, with the rewards.
 *
 * @param pairs with their reference log-probs
 * @param objective a loss with its hyperparameters, e.g. `(policy, reference) => dpo(policy, reference, 0.1)`
 * @param label names the objective and its hyperparameters, so that a checkpoint of another one is not taken for this run's
 * @throws TrainingError when a pair has no reference log-probs, or as `trainLoop`
 */
export async function* trainPreference(
  model: LanguageModel,
  pairs: readonly TokenPair[],
  objective: PreferenceObjective,
  options: TrainOptions,
  label = "preference",
): AsyncGenerator<StepMetrics> {
  const bare = pairs.findIndex((pair) => !pair.reference);
  if (bare >= 0) throw new TrainingError(`pair ${bare + 1} has no reference log-probs: call referenceLogps first`);
  const makeStep = (batch: readonly number[]): Step => {
    const chosen = batch.map((i) => pairs[i]!);
    return {
      tokens: chosen.reduce((sum, p) => sum + 2 * p.prompt.length + p.chosen.length + p.rejected.length, 0),
      parts: pieces(chosen, options.microBatch ?? chosen.length).map((part) => () => {
        const policy = pairLogps(model, part, options.lora, options.gradientCheckpointing);
        const reference = pairTensors(part.map((p) => p.reference!));
        const lengths = pairTensors(part.map((p) => ({ chosen: p.chosen.length, rejected: p.rejected.length })));
        const { loss, rewards } = objective(policy, reference, lengths);
        return {
          loss: tf.mul(loss, part.length / chosen.length),
          observed: tf.stack([rewards.chosen, rewards.rejected, policy.chosen, policy.rejected]), // [4, B]
        };
      }),
      summarize,
    };
  };
  yield* trainLoop(model, options, makeStep, {
    method: label,
    data: digest(pairs.map(({ prompt, chosen, rejected }) => [prompt, chosen, rejected])),
  });
}

/** Log-probs of both completions of pairs, `[B]` each, run as one batch: all chosen ones, then all rejected ones. */
export function pairLogps(
  model: LanguageModel,
  pairs: readonly Omit<TokenPair, "reference">[],
  lora: Lora | null,
  recompute = false,
): PairLogps {
  const B = pairs.length;
  const row = (side: "chosen" | "rejected") => pairs.map((pair) => ({ prompt: pair.prompt, completion: pair[side] }));
  return tf.tidy(() => {
    const sums = sequenceLogps(model.decoder, [...row("chosen"), ...row("rejected")], lora, recompute); // [2 B]
    return { chosen: tf.slice(sums, 0, B), rejected: tf.slice(sums, B, B) };
  });
}

/**
 * The pairs with their log-probs under the reference, computed once, in batches of like length.
 * @param lora the reference's adapter: the policy's as it is now, another one, or null for the base model
 * @param options.batchSize pairs at a time; default 8
 * @throws TrainingError when a log-prob is not finite
 */
export async function referenceLogps(
  model: LanguageModel,
  pairs: readonly TokenPair[],
  lora: Lora | null,
  { batchSize = 8, signal, onBatch }: { batchSize?: number; signal?: AbortSignal; onBatch?: (done: number, total: number) => void } = {},
): Promise<TokenPair[]> {
  const length = ({ prompt, chosen, rejected }: TokenPair) => 2 * prompt.length + chosen.length + rejected.length;
  const order = pairs.map((_, i) => i).sort((a, b) => length(pairs[a]!) - length(pairs[b]!));
  const result: TokenPair[] = [...pairs];
  let done = 0;
  for (const batch of pieces(order, batchSize)) {
    await new Promise((resolve) => setImmediate(resolve));
    signal?.throwIfAborted();
    const logps = pairLogps(
      model,
      batch.map((i) => pairs[i]!),
      lora,
    );
    const [chosen, rejected] = await Promise.all([readLast(logps.chosen), readLast(logps.rejected)]);
    batch.forEach((i, k) => {
      if (!Number.isFinite(chosen[k]! + rejected[k]!))
        throw new TrainingError(`pair ${i + 1}: its log-probs are ${chosen[k]} and ${rejected[k]}: the weights or the adapter are damaged`);
      result[i] = { ...pairs[i]!, reference: { chosen: chosen[k]!, rejected: rejected[k]! } };
    });
    done += batch.length;
    onBatch?.(done, pairs.length);
  }
  return result;
}

const pairTensors = (values: readonly { chosen: number; rejected: number }[]): PairLogps => ({
  chosen: tf.tensor1d(values.map((v) => v.chosen)),
  rejected: tf.tensor1d(values.map((v) => v.rejected)),
});

/** Differences of rewards, in nats, that are rounding's: before the first update all are 0, and count as no preference, as in TRL. */
const ROUNDING = 1e-4;

/** TRL's metrics from [4, B] blocks: rewards and log-probs of chosen and rejected completions. */
function summarize(observed: readonly Float32Array[]): Partial<StepMetrics> {
  const side = (k: number) => observed.flatMap((block) => [...block.subarray((k * block.length) / 4, ((k + 1) * block.length) / 4)]);
  const [chosen, rejected, chosenLogps, rejectedLogps] = [side(0), side(1), side(2), side(3)];
  const mean = (xs: number[]) => xs.reduce((a, b) => a + b, 0) / xs.length;
  return {
    "rewards/chosen": mean(chosen),
    "rewards/rejected": mean(rejected),
    "rewards/margins": mean(chosen.map((x, i) => x - rejected[i]!)),
    "rewards/accuracies": mean(chosen.map((x, i) => (x - rejected[i]! > ROUNDING ? 1 : 0))),
    "logps/chosen": mean(chosenLogps),
    "logps/rejected": mean(rejectedLogps),
  };
}
