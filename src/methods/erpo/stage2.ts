import type { TokenPair } from "../../data/tokens.js";
import { dpo } from "../../objectives/dpo.js";
import { withNll } from "../../objectives/nll.js";
import type { Run } from "../../runs/run.js";
import { type Training, trainKept } from "../../runs/training.js";
import type { StepMetrics } from "../../training/metrics.js";
import { pairObjective } from "../../training/pair-objective.js";
import { type PairLevel, pairBatches, stage2Pairs } from "./pairs.js";
import { stage2Defaults as defaults, pairs as knobs, preferenceOptimizer, version } from "./recipe.js";
import { stages } from "./stages.js";

/** What a notebook may vary. */
export interface PreferenceOptions {
  /** Strength of the anchor to the reference, > 0; 0.5 in stage 2, 0.1 in stage 3. */
  beta?: number;
  /** Weight of the chosen completion's NLL per token, >= 0; 1 in stage 2, 3 in stage 3. Keeps likelihood from being displaced. */
  nllWeight?: number;
  /**
   * "trace" compares whole completions, "verdict" two decisions up to the end of their verifications and others whole, "step" only the first step in which they differ; the NLL term goes on to the
   * chosen one's end in each. "step" in stage 2, "verdict" in stage 3.
   */
  level?: PairLevel;
  signal?: AbortSignal;
}

/**
 * Stage 2: DPO on the policy's errors. Its own wrong decision is compared with what it writes from the right one; and behind either first word a verdict that is right with
 * one that is not.
 *
 * @throws KeptError when 2-dpo was trained with other settings, naming what differs; RangeError when one of them is out of range
 */
export async function* stage2(run: Run, options: PreferenceOptions = {}): AsyncGenerator<StepMetrics> {
  yield* trainKept(run, stages.dpo, await preferenceTraining(run, options), options.signal);
}

/** Stage 2's training: its pairs are made or, where they are kept, read. */
export async function preferenceTraining(
  run: Run,
  { beta = defaults.beta, nllWeight = defaults.nllWeight, level = defaults.level, signal }: PreferenceOptions = {},
): Promise<Training<TokenPair>> {
  const pairs = await stage2Pairs(run, level, signal);
  const rng = run.rng("stage 2 batches");
  return {
    recipe: "ERPO, preferences",
    version,
    start: { stage: stages.sft },
    objective: pairObjective({
      name: "dpo",
      settings: { beta, nllWeight, level },
      loss: ({ policy, reference, lengths, unweighted }) => withNll(dpo(policy, reference, beta), unweighted, lengths, nllWeight),
    }),
    rows: pairs.tokens,
    batches: Array.from({ length: knobs.epochs }, () => pairBatches(pairs, rng)).flat(),
    optimizer: preferenceOptimizer(run.profile.stage2.rate),
    everySteps: knobs.everySteps,
    microBatch: knobs.batchSize, // with the pairs beside the decisions a step is larger than what WebAssembly's memory holds
  };
}
