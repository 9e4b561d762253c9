import type { Rng } from "../backend/random.js";
import { type Policy, policy } from "../generation/policy.js";
import type { LanguageModel } from "../model/load.js";
import { createLora, linearNames } from "../model/lora.js";
import { type Plan, shuffled } from "./batches.js";
import { train } from "./loop.js";
import type { StepMetrics } from "./metrics.js";
import type { Objective } from "./objective.js";
import { constant } from "./schedule.js";

/** What a short training is told; all else is the same for all of them. */
export interface BriefTraining {
  steps: number;
  batchSize: number;
  learningRate: number;
  /** Draws the adapter's beginning and the batches: trainings with the same one differ in what they are compared by alone. */
  rng: Rng;
  /** The rows of each step; default: shuffled anew each epoch. */
  batches?: Plan;
  signal?: AbortSignal;
}

/**
 * Trains a fresh adapter on a few rows for a few steps, as a lesson does to show what an objective makes of them: rank 8 on the upper two thirds of the layers, AdamW with a
 * constant learning rate, gradients clipped at 1. Nothing is kept on disk.
 *
 * @param rows those of preference pairs with their log-probs under the reference (`referenceLogps`)
 * @returns the policy, which is the reader's to keep, and the metrics of each step
 * @throws TrainingError and RangeError as `train`; RangeError also when there are no rows, or `steps` or `batchSize` is not whole
 */
export async function trainBriefly<Row>(
  model: LanguageModel,
  rows: readonly Row[],
  objective: Objective<Row>,
  { steps, batchSize, learningRate, rng, batches = shuffled(rows.length, batchSize, steps, rng.fork("batches")), signal }: BriefTraining,
): Promise<{ policy: Policy; steps: StepMetrics[] }> {
  const { config } = model;
  const layers = Array.from({ length: config.numLayers }, (_, layer) => layer).slice(Math.floor(config.numLayers / 3));
  const lora = createLora(config, { r: 8, alpha: 16, targetModules: linearNames(config), layers }, rng.fork("adapter"));
  const how = { lora, batches, learningRate, schedule: constant(), maxGradNorm: 1, weightDecay: 0, ...(signal && { signal }) };
  const metrics: StepMetrics[] = [];
  for await (const step of train(model, rows, objective, how)) metrics.push(step);
  return { policy: policy({ model, adapter: lora }), steps: metrics };
}
