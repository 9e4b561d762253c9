import * as tf from "@tensorflow/tfjs";
import type { TokenRow } from "../data/tokens.js";
import type { LanguageModel } from "../model/load.js";
import { sft } from "../objectives/sft.js";
import { pieces } from "./batches.js";
import { completionLogps } from "./completion.js";
import { TrainingError } from "./errors.js";
import { digest, type Step, type TrainOptions, trainLoop } from "./loop.js";
import type { StepMetrics } from "./metrics.js";

/**
 * Supervised fine-tuning of an adapter: minimises the weighted mean of the completion tokens' cross-entropies over each optimizer step. Yields a row a step.
 * @throws TrainingError when weights do not fit their completion, a step has no weight at all, or as `trainLoop`
 */
export async function* trainSft(model: LanguageModel, rows: readonly TokenRow[], options: TrainOptions): AsyncGenerator<StepMetrics> {
  const wrong = rows.findIndex(({ completion, weights }) => weights && weights.length !== completion.length);
  if (wrong >= 0) {
    throw new TrainingError(
      `row ${wrong + 1}: ${rows[wrong]!.weights!.length} weights for ${rows[wrong]!.completion.length} completion tokens`,
    );
  }
  const makeStep = (batch: readonly number[], step: number): Step => {
    const chosen = batch.map((i) => rows[i]!);
    const total = chosen.reduce((sum, row) => sum + rowWeight(row), 0);
    if (!(total > 0))
      throw new TrainingError(`step ${step}: no completion token of its rows counts: all weights are 0 or the completions are empty`);
    return {
      tokens: chosen.reduce((sum, { prompt, completion }) => sum + prompt.length + completion.length, 0),
      parts: pieces(chosen, options.microBatch ?? chosen.length).map((part) => () => {
        const { logps, row, position } = completionLogps(model.decoder, part, options.lora, options.gradientCheckpointing);
        const weights = row.map((b, n) => part[b]!.weights?.[position[n]!] ?? 1);
        return { loss: sft(logps, tf.tensor1d(weights), total) };
      }),
    };
  };
  yield* trainLoop(model, options, makeStep, { method: "sft", data: digest(rows) });
}

/** Sum of the weights of the tokens that can be scored: without a prompt nothing predicts the first one. */
function rowWeight({ prompt, completion, weights }: TokenRow): number {
  const from = prompt.length === 0 ? 1 : 0;
  return completion.slice(from).reduce((sum, _, k) => sum + (weights?.[from + k] ?? 1), 0);
}
