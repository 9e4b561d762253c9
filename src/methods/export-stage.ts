import { existsSync } from "node:fs";
import type { TokenPair, TokenRow } from "../data/tokens.js";
import { finishedStages, KeptError, readRecord } from "../runs/claim.js";
import { exportTraining } from "../runs/export-training.js";
import type { Run } from "../runs/run.js";
import { claimStage, type Training } from "../runs/training.js";
import { answersTraining, decisionTraining, openingsTraining, stage1Prompts, traceRows, traceTraining } from "./erpo/stage1.js";
import { preferenceTraining } from "./erpo/stage2.js";
import { type LengthControlOptions, roundTraining } from "./erpo/stage3.js";
import { stages } from "./erpo/stages.js";
import { naiveStage, naiveTraining } from "./naive-sft.js";

/**
 * Writes a kept stage of ERPO or of a baseline as a RUN.json with its data: `erpo train` makes of it the same adapter, bit for bit on the same machine, and `erpo export trl`
 * takes it to others.
 *
 * @param stage its folder in the run, such as "2-dpo"
 * @param options.output folder that gets run.json, rows.jsonl, batches.json and, where the stage began with a fresh adapter, init_adapter/
 * @param options.model what loads the run's model; default: its name
 * @returns the RUN.json's path
 * @throws KeptError when the run has no such stage, or its code or data would give another training today, naming what differs
 */
export async function exportStage(run: Run, stage: string, options: { output: string; model?: string }): Promise<string> {
  const kept = await keptTraining(run, stage);
  return exportTraining(kept.run, kept.training, options);
}

/**
 * What a stage of ERPO or of a baseline was trained with, from what the run keeps: its rows, batches, objective and optimizer, in the precision that it was trained in.
 * @typeParam Row `TokenPair` of stage 2 and of a round of stage 3, `TokenRow` of all others
 * @throws as `exportStage`
 */
export async function keptTraining<Row extends TokenRow | TokenPair = TokenRow>(
  run: Run,
  stage: string,
): Promise<{ run: Run; training: Training<Row> }> {
  const identity = readRecord(run.dir, stage)?.identity;
  const from = Object.keys((identity?.from as object | undefined) ?? {})[0];
  if (identity && stage === stages.final) throw new KeptError(`${stage} is the adapter of ${from}: name that stage`);
  const trained = finishedStages(run.dir).filter((folder) => existsSync(run.path(folder, "stage.json")));
  if (!identity || !trained.includes(stage))
    throw new KeptError(`${run.path(stage)}: is not there; there is: ${trained.join(", ") || "no stage yet"}`);
  const precision = identity.precision as Run["device"]["precision"];
  const then: Run = { ...run, device: { ...run.device, precision } };
  const training = (await trainingOf(then, stage, from, identity.objective as LengthControlOptions)) as unknown as Training<Row>;
  claimStage(then, stage, training); // it is there, so this refuses another one
  return { run: then, training };
}

/** @param options the settings of its objective, which have the names of what a notebook may vary */
async function trainingOf(
  run: Run,
  stage: string,
  from: string | undefined,
  options: LengthControlOptions,
): Promise<Training<TokenRow> | Training<TokenPair>> {
  if (stage === stages.decision) return decisionTraining(run, stage1Prompts(run));
  if (stage === stages.sft) return traceTraining(run, await traceRows(run, stage1Prompts(run)));
  if (stage === stages.baselineDecision) return openingsTraining(run, stage1Prompts(run));
  if (stage === stages.baseline) return answersTraining(run, stage1Prompts(run));
  if (stage === naiveStage) return naiveTraining(run);
  if (stage === stages.dpo) return preferenceTraining(run, options);
  const round = new RegExp(`^${stages.final}/round-(\\d+)$`).exec(stage)?.[1];
  if (round !== undefined && from !== undefined) return roundTraining(run, Number(round), from, options);
  throw new KeptError(`${stage}: is no stage of ERPO or of its baselines`);
}
