/**
 * Naive safety training, the problem that ERPO starts from: SFT on refusals of harmful prompts and on ordinary answers to ordinary
 * prompts, with every token counted alike and no prompt that looks harmful and is not. What tells the two apart in such data is how a
 * prompt sounds, and that is what is learned.
 */
import { needed, neededGeneral } from "../data/dataset.js";
import type { TokenRow } from "../data/tokens.js";
import { answerRow, promptIds } from "../exante/rows.js";
import { balancedPrompts, withinTokens } from "../runs/prompts.js";
import { withAnswers } from "../runs/reference-answers.js";
import type { Run } from "../runs/run.js";
import { type Training, trainKept } from "../runs/training.js";
import type { StepMetrics } from "../training/metrics.js";
import { wordings } from "./erpo/recipe.js";
import { sftTraining } from "./erpo/stage1.js";
import { stages } from "./erpo/stages.js";

/** Folder of the stage in a run. */
export const naiveStage = stages.naive;

/** Of stage 1b's budget in tokens, the share that this takes: enough to show what it does. */
const share = 0.125;

/** Tokens after which an answer is cut: the reference answers have as many. */
const answerTokens = 16;

/** Harmful prompts with refusals and general ones with the base model's own words, in turn, as long as there are some of both. */
export async function naiveRows(run: Run, signal?: AbortSignal): Promise<TokenRow[]> {
  const { tokenizer } = run.model;
  const harmful = needed(run.data, "train1").filter((row) => row.label === "unsafe");
  const all = balancedPrompts([...harmful, ...neededGeneral(run.data, "train1")], run.rng("naive"));
  const reached = withinTokens(
    all,
    ({ prompt }) => promptIds(prompt, tokenizer).length + answerTokens,
    share * run.profile.stage1.traceTokens,
  );
  const variants = run.rng("naive wording");
  const answered = (await withAnswers(run, "naive", reached, signal)).filter(
    ({ label, answer }) => label === "unsafe" || answer !== undefined,
  );
  return answered.map((row) => {
    const { prompt, completion } = answerRow(row, run.writer, { variant: variants.integer(0, wordings - 1), answerTokens });
    return { prompt, completion }; // no weights: every token counts alike
  });
}

/** Trains the baseline once; its adapter is in `baseline-naive-sft`. @throws KeptError when it was trained otherwise */
export async function* naiveSft(run: Run, signal?: AbortSignal): AsyncGenerator<StepMetrics> {
  yield* trainKept(run, naiveStage, await naiveTraining(run, signal), signal);
}

/** The baseline's training. */
export async function naiveTraining(run: Run, signal?: AbortSignal): Promise<Training<TokenRow>> {
  const rows = await naiveRows(run, signal);
  const groups = rows.map((row) => [row]);
  return sftTraining(run, "naive SFT", { stream: "naive adapter" }, groups, run.profile.stage1.decisionRate);
}
