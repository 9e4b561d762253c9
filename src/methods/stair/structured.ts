import { needed } from "../../data/dataset.js";
import { promptIds, traceRow } from "../../exante/rows.js";
import { finishedStages } from "../../runs/claim.js";
import { balancedPrompts, withinTokens } from "../../runs/prompts.js";
import { withAnswers } from "../../runs/reference-answers.js";
import type { Run } from "../../runs/run.js";
import { trainKept } from "../../runs/training.js";
import type { StepMetrics } from "../../training/metrics.js";
import { wordings } from "../erpo/recipe.js";
import { rowTokens, sftTraining } from "../erpo/stage1.js";
import { stages } from "../erpo/stages.js";
import { formatSettings as knobs } from "./settings.js";

/** Folder of the method's own SFT on structured steps. */
export const formatStage = "methods/stair/format";

/** The stage whose policy writes structured steps: ERPO's first one where the run has it, since its traces are such steps, else the method's own. */
export const structuredStage = (run: Run): string => (finishedStages(run.dir).includes(stages.sft) ? stages.sft : formatStage);

/** Folder of what is made from a stage's policy: a run that gets ERPO's stage later keeps what it made without. */
export const folderOf = (stage: string): string => `methods/stair/from-${stage.split("/").at(-1)}`;

/**
 * STAIR's stage 1, SFT on structured steps. There GPT-4o writes 20,000 of them; here they are traces that are written by rule from prompts of train1, safe and unsafe in turn, as short as can
 * be. Yields nothing where the run has ERPO's first stage.
 *
 * @throws KeptError when the stage was trained otherwise
 */
export async function* structured(run: Run, signal?: AbortSignal): AsyncGenerator<StepMetrics> {
  if (structuredStage(run) !== formatStage) return;
  const { tokenizer } = run.model;
  const budget = knobs.budget * run.profile.stage1.traceTokens;
  const all = balancedPrompts([...needed(run.data, "train1"), ...run.data.general.train1], run.rng("STAIR, structured steps"));
  const reached = withinTokens(all, ({ prompt }) => Math.max(knobs.rowTokens, promptIds(prompt, tokenizer).length), budget);
  const wording = run.rng("STAIR, wording");
  const answered = (await withAnswers(run, "stair", reached, signal)).filter(
    ({ label, answer }) => label === "unsafe" || answer !== undefined,
  );
  const rows = answered.map((prompt) =>
    traceRow(prompt, run.writer, { variant: wording.integer(0, wordings - 1), answerTokens: knobs.answerTokens }),
  );
  const groups = withinTokens(rows, rowTokens, budget).map((row) => [row]);
  const { traceRate } = run.profile.stage1;
  const training = sftTraining(run, "STAIR, structured steps", { stream: "STAIR adapter" }, groups, traceRate, knobs.batchSize);
  yield* trainKept(run, formatStage, training, signal);
}
