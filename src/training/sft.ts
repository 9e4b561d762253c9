import type { TokenRow } from "../data/tokens.js";
import type { LanguageModel } from "../model/load.js";
import { train } from "./loop.js";
import type { StepMetrics } from "./metrics.js";
import type { TrainOptions } from "./options.js";
import { sftObjective } from "./token-objective.js";

/**
 * Supervised fine-tuning of an adapter: `train` with the weighted mean of the completion tokens' cross-entropies over each optimizer step.
 * @throws TrainingError when weights do not fit their completion, a step has no weight at all, or as `train`
 */
export const trainSft = (model: LanguageModel, rows: readonly TokenRow[], options: TrainOptions): AsyncGenerator<StepMetrics> =>
  train(model, rows, sftObjective, options);
