import { needed } from "../../data/dataset.js";
import type { TokenRow } from "../../data/tokens.js";
import { answerRow, decisionRow, type LabelledPrompt, traceRow } from "../../exante/rows.js";
import { balancedPrompts, withAnswers, withinTokens } from "../../runs/prompts.js";
import type { Run } from "../../runs/run.js";
import { type Training, trainKept } from "../../runs/training.js";
import { lengthSorted } from "../../training/batches.js";
import type { StepMetrics } from "../../training/metrics.js";
import { sftObjective } from "../../training/token-objective.js";
import { stage1 as knobs, sftOptimizer, version, wordings } from "./recipe.js";
import { stages } from "./stages.js";

/** Prompts of stage 1, every beginning of the list half benign, with reference answers where the budget reaches. */
export async function stage1Prompts(run: Run, signal?: AbortSignal): Promise<LabelledPrompt[]> {
  const all = balancedPrompts([...needed(run.data, "train1"), ...run.data.general.train1], run.rng("stage 1"));
  const reached = withinTokens(all, (p) => rowTokens(decisionRow(p, run.writer)), run.profile.stage1.decisionTokens);
  return withAnswers(run, "stage-1", reached, signal);
}

/** Stage 1, SFT: the decision alone (1a), then whole traces, some of them verbose (1b). */
export async function* stage1(run: Run, signal?: AbortSignal): AsyncGenerator<StepMetrics & { phase: "decision" | "trace" }> {
  const prompts = await stage1Prompts(run, signal);
  for await (const step of trainKept(run, stages.decision, decisionTraining(run, prompts), signal)) yield { ...step, phase: "decision" };
  for await (const step of trainKept(run, stages.sft, traceTraining(run, prompts), signal)) yield { ...step, phase: "trace" };
}

/** 1a, from stage 1's prompts. */
export function decisionTraining(run: Run, prompts: readonly LabelledPrompt[]): Training<TokenRow> {
  const rows = prompts.map((p) => decisionRow(p, run.writer));
  return sftTraining(run, "ERPO, decisions", { stream: "adapter" }, rows, run.profile.stage1.decisionRate);
}

/** 1b, from the same prompts. */
export function traceTraining(run: Run, prompts: readonly LabelledPrompt[]): Training<TokenRow> {
  const { traceTokens, traceRate } = run.profile.stage1;
  const variants = run.rng("stage 1 wording");
  const verbose = (i: number) => (i >> 1) % knobs.verboseEvery === knobs.verboseEvery - 1;
  const written = prompts.map((p, i) => traceRow(p, verbose(i) ? "verbose" : "terse", variants.integer(0, wordings - 1), run.writer));
  const traces = withinTokens(written, rowTokens, traceTokens);
  return sftTraining(run, "ERPO, traces", { stage: stages.decision }, traces, traceRate);
}

/** The matched baseline: the same prompts and weights as 1a, without thoughts. */
export async function* answersOnly(run: Run, signal?: AbortSignal): AsyncGenerator<StepMetrics> {
  yield* trainKept(run, stages.baseline, answersTraining(run, await stage1Prompts(run, signal)), signal);
}

/** The baseline's, from stage 1's prompts. */
export function answersTraining(run: Run, prompts: readonly LabelledPrompt[]): Training<TokenRow> {
  const variants = run.rng("baseline wording");
  const rows = prompts.map((p) => answerRow(p, variants.integer(0, wordings - 1), run.writer));
  return sftTraining(run, "answers only", { stream: "adapter" }, rows, run.profile.stage1.decisionRate);
}

/** One epoch of SFT in batches of rows of like length. */
export function sftTraining(
  run: Run,
  recipe: string,
  start: Training<TokenRow>["start"],
  rows: TokenRow[],
  learningRate: number,
): Training<TokenRow> {
  return {
    recipe,
    version,
    start,
    objective: sftObjective,
    rows,
    batches: lengthSorted(rows.map(rowTokens), knobs.batchSize, run.rng("sft batches")),
    optimizer: sftOptimizer(learningRate),
    everySteps: knobs.everySteps,
  };
}

/** Prompt and completion. */
export const rowTokens = ({ prompt, completion }: TokenRow): number => prompt.length + completion.length;
