import type { TokenPair } from "../../data/tokens.js";
import { saveAdapter } from "../../model/adapter-io.js";
import { lengthMargin } from "../../objectives/length-margin.js";
import { withNll } from "../../objectives/nll.js";
import { takePlace } from "../../runs/keep.js";
import type { Run } from "../../runs/run.js";
import { currentSha256 } from "../../runs/stale.js";
import { type Training, trainKept } from "../../runs/training.js";
import type { StepMetrics } from "../../training/metrics.js";
import { pairObjective } from "../../training/pair-objective.js";
import { gate } from "./gate.js";
import { pairBatches, roundPairs } from "./pairs.js";
import { stage3Defaults as defaults, pairs as knobs, preferenceOptimizer, version } from "./recipe.js";
import type { PreferenceOptions } from "./stage2.js";
import { roundStage, stages } from "./stages.js";

/** What a notebook may vary of stage 3. */
export interface LengthControlOptions extends PreferenceOptions {
  /** Price of a token, in nats of reward, >= 0; 0.02. */
  alpha?: number;
}

/**
 * Stage 3: rounds of length-controlled preference optimization. Sample with the current policy, rebuild the pairs, take that policy as
 * the reference, minimise
 *
 *     -log sigmoid( beta * Delta + alpha * (|w| - |l|) ) + nllWeight * NLL(w) / |w|
 *
 * and keep the round only if its answers to dev prompts are not worse (`gate`): in what they refuse, in being answers at all, in usefulness. The gate judges whole
 * answers: a policy can keep its verdicts and lose what it says after them. Stage 2 has to pass the same gate, else the rounds begin with stage 1.
 *
 * @throws KeptError when a round was trained with other settings, naming what differs; RangeError when one of them is out of range
 */
export async function* stage3(run: Run, options: LengthControlOptions = {}): AsyncGenerator<StepMetrics & { round: number }> {
  const { signal } = options;
  let current: string = (await gate(run, stages.dpo, stages.sft, signal)).kept ? stages.dpo : stages.sft;
  for (let round = 1; round <= run.profile.stage3.rounds; round++) {
    const stage = roundStage(round);
    const training = await roundTraining(run, round, current, options);
    for await (const step of trainKept(run, stage, training, signal)) yield { ...step, round };
    if (signal?.aborted) return;
    if ((await gate(run, stage, current, signal)).kept) current = stage;
  }
  await keepFinal(run, current);
}

/** A round's training from the policy of stage `current`: its pairs are made or, where they are kept, read. */
export async function roundTraining(
  run: Run,
  round: number,
  current: string,
  {
    beta = defaults.beta,
    alpha = defaults.alpha,
    nllWeight = defaults.nllWeight,
    level = defaults.level,
    signal,
  }: LengthControlOptions = {},
): Promise<Training<TokenPair>> {
  const pairs = await roundPairs(run, round, current, level, signal);
  return {
    recipe: "ERPO, length control",
    version,
    start: { stage: current },
    objective: pairObjective({
      name: "length margin",
      settings: { beta, alpha, nllWeight, level },
      loss: ({ policy, reference, lengths, weighted, unweighted }) =>
        withNll(lengthMargin(policy, reference, weighted, { beta, alpha }), unweighted, lengths, nllWeight),
    }),
    rows: pairs.tokens,
    batches: pairBatches(pairs, run.rng(`stage 3 batches ${round}`)),
    optimizer: preferenceOptimizer(run.profile.stage3.rate),
    everySteps: knobs.everySteps,
    microBatch: knobs.batchSize, // as in stage 2
  };
}

/** The adapter of the last kept round, as stage 3's result; where none was kept, that of the stage which the rounds began with. */
async function keepFinal(run: Run, current: string): Promise<void> {
  const files = ["adapter_model.safetensors", "adapter_config.json"].map((file) => `${stages.final}/${file}`) as [string, ...string[]];
  const identity = { recipe: "ERPO, last kept round", version, from: { [current]: currentSha256(run, current) } };
  using place = await takePlace(run, stages.final, files, identity);
  if (place.whole) return;
  const final = await run.adapter(current);
  await saveAdapter(run.path(stages.final), final, run.model.name);
  final.dispose();
}
