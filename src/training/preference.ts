import { giveWay } from "../backend/give-way.js";
import { readLast } from "../backend/read.js";
import type { CompletionRow, TokenPair, TokenUnpaired } from "../data/tokens.js";
import type { LanguageModel } from "../model/load.js";
import type { Lora } from "../model/lora.js";
import type { PreferenceObjective } from "../objectives/types.js";
import { pieces } from "../setup/lists.js";
import { sequenceLogps } from "./completion.js";
import { TrainingError } from "./errors.js";
import { train } from "./loop.js";
import type { StepMetrics } from "./metrics.js";
import type { TrainOptions } from "./options.js";
import { bothSides, pairObjective } from "./pair-objective.js";
import { mismatchedRows } from "./unpaired-objective.js";

/**
 * Preference optimization of an adapter: `train` with the mean of a loss over each optimizer step's pairs.
 *
 * @param pairs with their reference log-probs
 * @param loss with its hyperparameters, e.g. `(policy, reference) => dpo(policy, reference, 0.1)`
 * @param label names the loss and its hyperparameters, so that a checkpoint of another one is not taken for this run's
 * @throws TrainingError when a pair has no reference log-probs, or as `train`
 */
export const trainPreference = (
  model: LanguageModel,
  pairs: readonly TokenPair[],
  loss: PreferenceObjective,
  options: TrainOptions,
  label = "preference",
): AsyncGenerator<StepMetrics> =>
  train(model, pairs, pairObjective({ name: label, settings: {}, loss: (b) => loss(b.policy, b.reference, b.lengths) }), options);

/**
 * Pairs, or labelled completions with mismatched ones, with their log-probs under the reference, computed once, in batches of like length.
 * @param lora the reference's adapter: the policy's as it is now, another one, or null for the base model
 * @param options how rows are taken, and how to follow or stop it
 * @param options.batchSize rows at a time; default 8
 * @param options.onBatch told how many rows are done
 * @returns the rows in their order, each with `reference`: sums over tokens, times their weights, in nats
 * @throws TrainingError when a log-prob is not finite; RangeError when a row is longer than the model's positions; the signal's reason once it is aborted
 */
export async function referenceLogps<Row extends TokenPair | TokenUnpaired>(
  model: LanguageModel,
  rows: readonly Row[],
  lora: Lora | null,
  { batchSize = 8, signal, onBatch }: { batchSize?: number; signal?: AbortSignal; onBatch?: (done: number, total: number) => void } = {},
): Promise<Row[]> {
  const length = (row: Row) =>
    twoCompletions([row]).rows.reduce((sum, { prompt, completion }) => sum + prompt.length + completion.length, 0);
  const lengths = rows.map(length);
  const order = rows.map((_, i) => i).sort((a, b) => lengths[a]! - lengths[b]!);
  const result: Row[] = [...rows];
  let done = 0;
  for (const batch of pieces(order, batchSize)) {
    await giveWay(signal);
    const { names, rows: sides } = twoCompletions(batch.map((i) => rows[i]!));
    const sums = await readLast(sequenceLogps(model.decoder, sides, lora)); // [2 B]
    batch.forEach((i, k) => {
      const [first, second] = [sums[k]!, sums[batch.length + k]!];
      if (!Number.isFinite(first + second))
        throw new TrainingError(`row ${i + 1}: its log-probs are ${first} and ${second}: the weights or the adapter are damaged`);
      result[i] = { ...rows[i]!, reference: { [names[0]]: first, [names[1]]: second } };
    });
    done += batch.length;
    onBatch?.(done, rows.length);
  }
  return result;
}

/** The two completions of each row as one batch: all first ones, then all second ones. */
function twoCompletions(rows: readonly (TokenPair | TokenUnpaired)[]): { names: [string, string]; rows: CompletionRow[] } {
  const pairs = rows.filter((row): row is TokenPair => "chosen" in row);
  if (pairs.length > 0) return { names: ["chosen", "rejected"], rows: bothSides(pairs) };
  const labelled = rows as readonly TokenUnpaired[];
  return { names: ["completion", "mismatched"], rows: [...labelled, ...mismatchedRows(labelled)] };
}
