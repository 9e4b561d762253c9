import type { TokenPair } from "../../data/tokens.js";
import type { Policy } from "../../generation/policy.js";
import { withNll } from "../../objectives/nll.js";
import { stepDpo } from "../../objectives/step-dpo.js";
import { inTurns } from "../../runs/prompts.js";
import type { Run } from "../../runs/run.js";
import { type Training, trainKept } from "../../runs/training.js";
import { pieces } from "../../setup/lists.js";
import type { StepMetrics } from "../../training/metrics.js";
import { pairObjective } from "../../training/pair-objective.js";
import { preferenceOptimizer } from "../erpo/recipe.js";
import type { StairPairs } from "./pairs.js";
import { dpoSettings as knobs, version } from "./settings.js";
import { folderOf } from "./structured.js";

/** Folder of the adapter that step DPO trains, from a stage's. */
export const dpoStage = (stage: string): string => `${folderOf(stage)}/dpo`;

/**
 * STAIR's stage 2, step-level DPO on pairs of siblings, one round (the paper has three):
 *
 *     L = -log sigmoid( beta [ log pi/ref(s_w | x, s_<k) - log pi/ref(s_l | x, s_<k) ] ) + NLL(s_w) / |s_w|
 *
 * The second term, which keeps the winner likely, is this project's.
 *
 * @throws KeptError when the stage was trained otherwise
 */
export async function* stepwise(run: Run, stage: string, pairs: StairPairs, signal?: AbortSignal): AsyncGenerator<StepMetrics> {
  yield* trainKept(run, dpoStage(stage), stepTraining(run, stage, pairs), signal);
}

/** Step DPO's training on pairs, from the stage that grew their trees. */
export function stepTraining(run: Run, stage: string, { tokens, labels }: StairPairs): Training<TokenPair> {
  const { beta, nllWeight, batchSize, epochs, everySteps } = knobs;
  const rng = run.rng("STAIR, batches");
  const epoch = () =>
    pieces(
      inTurns(rng.shuffle(tokens.map((_, i) => i)), (i) => labels[i]!),
      batchSize,
    ); // both labels in each batch
  return {
    recipe: "STAIR, steps",
    version,
    start: { stage },
    objective: pairObjective({
      name: "step-dpo",
      settings: { beta, nllWeight },
      loss: ({ policy, reference, lengths }) => withNll(stepDpo(policy, reference, beta), policy, lengths, nllWeight),
    }),
    rows: tokens,
    batches: Array.from({ length: epochs }, epoch).flat(),
    optimizer: preferenceOptimizer(run.profile.stage2.rate),
    everySteps,
  };
}

/** The policies before and after step DPO, under names that say what they come from: `stair-1-sft` and `stair-1-sft-dpo`. */
export async function stairPolicies(run: Run, stage: string): Promise<{ before: Policy; after: Policy }> {
  const name = `stair-${stage.split("/").at(-1)}`;
  return { before: { ...(await run.policy(stage)), name }, after: { ...(await run.policy(dpoStage(stage))), name: `${name}-dpo` } };
}
