import type { TokenRow } from "../../data/tokens.js";
import { createLora, type Lora, linearNames } from "../../model/lora.js";
import type { Run } from "../../runs/run.js";
import { lengthSorted } from "../../training/batches.js";
import type { TrainOptions } from "../../training/loop.js";
import { cosine } from "../../training/schedule.js";

/** Folders of the stages in a run; each holds an adapter for the base model when its stage is through. */
export const stages = {
  decision: "1-sft/decision",
  sft: "1-sft",
  dpo: "2-dpo",
  final: "3-length-controlled",
  baseline: "baseline-answers-only",
} as const;

/** Folder of a round of stage 3. */
export const roundStage = (round: number): string => `${stages.final}/round-${round}`;

const common = { maxGradNorm: 1, weightDecay: 0, betas: [0.9, 0.99] as [number, number] };

/** An adapter that changes nothing yet, on all linear layers of the upper part of the decoder. */
export function freshAdapter(run: Run, purpose: string): Lora {
  const { numLayers } = run.model.config;
  const layers = Array.from({ length: numLayers }, (_, l) => l).filter((l) => l >= Math.floor(run.profile.firstLayer * numLayers));
  return createLora(
    run.model.config,
    { r: run.profile.rank, alpha: 2 * run.profile.rank, targetModules: linearNames(run.model.config), layers },
    run.rng(purpose),
  );
}

/** One epoch of SFT in batches of eight rows of like length. */
export function sftOptions(
  run: Run,
  lora: Lora,
  dir: string,
  rows: readonly TokenRow[],
  learningRate: number,
  signal?: AbortSignal,
): TrainOptions {
  const batches = lengthSorted(rows.map(rowTokens), 8, run.rng("sft batches"));
  return {
    ...common,
    lora,
    batches,
    learningRate,
    schedule: cosine({ warmup: 0.06, floor: 0.05 }),
    checkpoint: { dir, everySteps: 25 },
    signal,
  };
}

/** One pass over the pairs. */
export function preferenceOptions(lora: Lora, dir: string, batches: number[][], learningRate: number, signal?: AbortSignal): TrainOptions {
  return {
    ...common,
    lora,
    batches,
    learningRate,
    schedule: cosine({ warmup: 0.1, floor: 0.1 }),
    checkpoint: { dir, everySteps: 10 },
    signal,
  };
}

/** Prompt and completion. */
export const rowTokens = ({ prompt, completion }: TokenRow): number => prompt.length + completion.length;
