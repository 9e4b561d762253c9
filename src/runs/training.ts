import { readdirSync, rmSync } from "node:fs";
import { digestOf, type Identity, type IdentityValue } from "../data/identity.js";
import { saveAdapter } from "../model/adapter-io.js";
import { addedTokensFiles, saveAddedTokens } from "../model/added-tokens.js";
import { createLora, type Lora, linearNames } from "../model/lora.js";
import { writeJson } from "../setup/atomic.js";
import { type TrainOptions, train } from "../training/loop.js";
import { readMetrics, type StepMetrics } from "../training/metrics.js";
import type { Objective } from "../training/objective.js";
import { cosine } from "../training/schedule.js";
import { claim } from "./claim.js";
import { takePlace } from "./keep.js";
import type { Run } from "./run.js";
import { currentSha256 } from "./stale.js";

/** How an adapter is moved: AdamW on a cosine with a warm-up. */
export interface OptimizerSettings {
  /** Peak. */
  learningRate: number;
  /** Share of the steps that warm up; the last learning rate as a share of the peak. */
  warmup: number;
  floor: number;
  maxGradNorm: number;
  weightDecay: number;
  betas: readonly [number, number];
}

/** A stage's training, as data: everything that its adapter depends on. */
export interface Training<Row> {
  /** Which recipe, and its version: a number that is raised when the same settings would give something else. */
  recipe: string;
  version: number;
  /** The stage whose adapter is trained on, or the random stream that a fresh adapter is drawn with; with `tokens` it has their rows of the embedding too, which begin as they are. */
  start: { stage: string } | { stream: string; tokens?: readonly number[] };
  objective: Objective<Row>;
  rows: readonly Row[];
  /** Rows of each step. */
  batches: number[][];
  optimizer: OptimizerSettings;
  /** Steps between checkpoints; changes no number. */
  everySteps: number;
  /** Rows of a step that are computed at a time, to save memory; default: all. */
  microBatch?: number;
}

/**
 * Trains a stage once and keeps its adapter in the stage's folder. A later call with the same training yields the stored steps again without computing, and a call after
 * an interruption goes on from the last checkpoint.
 *
 * @param stage folder of the stage
 * @param signal ends the training quietly; the stage is then not through
 * @throws KeptError when the folder holds a stage that was trained otherwise, naming what differs, or when the stage that it starts from is missing or stale
 */
export async function* trainKept<Row>(run: Run, stage: string, training: Training<Row>, signal?: AbortSignal): AsyncGenerator<StepMetrics> {
  const dir = run.path(stage);
  const doneFile = run.path(stage, "stage.json");
  using place = await takePlace(...stagePlace(run, stage, training), signal);
  if (place.whole) {
    yield* readMetrics(dir);
    return;
  }
  const earlier = readMetrics(dir);
  const lora = await startAdapter(run, training);
  try {
    let last = 0;
    for await (const step of train(run.model, training.rows, training.objective, trainOptions(training, lora, dir, signal))) {
      if (last === 0) yield* earlier.filter((e) => e.step < step.step);
      last = step.step;
      yield step;
    }
    if (signal?.aborted) return;
    if (last === 0) yield* earlier; // the last checkpoint was the last step
    place.assertClaimed();
    saveAddedTokens(dir, run.model);
    await saveAdapter(dir, lora, run.model.name);
    writeJson(doneFile, { stage, profile: run.profile, seed: run.seed, steps: last || earlier.length });
  } finally {
    lora.dispose();
  }
}

/** Removes the checkpoints of a stage that is through, where there are dozens of stages of a few steps: the adapter stays. */
export function dropCheckpoints(run: Pick<Run, "path">, stage: string): void {
  for (const name of readdirSync(run.path(stage)))
    if (/^checkpoint-\d+$/.test(name)) rmSync(run.path(stage, name), { recursive: true, force: true });
}

/** Takes a stage's folder for its training, as `claim` does. @throws KeptError as there */
export const claimStage = <Row>(run: Run, stage: string, training: Training<Row>): "whole" | "open" =>
  claim(...stagePlace(run, stage, training));

function stagePlace<Row>(run: Run, stage: string, training: Training<Row>): Parameters<typeof claim> {
  const names = ["stage.json", "adapter_model.safetensors", "adapter_config.json", "metrics.jsonl", ...addedTokensFiles(run.model)];
  const files = names.map((file) => `${stage}/${file}`);
  return [run, stage, files as [string, ...string[]], trainingIdentity(run, training)];
}

function trainingIdentity<Row>(run: Run, { recipe, version, start, objective, rows, batches, optimizer }: Training<Row>): Identity {
  const { model, seed, profile, device } = run;
  return {
    recipe,
    version,
    objective: { loss: objective.name, ...objective.settings },
    optimizer: { ...optimizer },
    steps: batches.length,
    rows: digestOf(rows as unknown as IdentityValue),
    batches: digestOf(batches),
    model: model.digest,
    rules: run.rules.digest,
    seed,
    precision: device.precision,
    ...("stage" in start
      ? { from: { [start.stage]: currentSha256(run, start.stage) } }
      : { adapter: { stream: start.stream, rank: profile.rank, firstLayer: profile.firstLayer, tokens: start.tokens } }),
  };
}

/** What a stage's training starts from; the caller disposes of it. */
export async function startAdapter(run: Run, { start }: Pick<Training<unknown>, "start">): Promise<Lora> {
  return "stage" in start ? run.adapter(start.stage) : freshAdapter(run, start.stream, start.tokens);
}

/** An adapter that changes nothing yet, on all linear layers of the upper part of the decoder, and on rows of the embedding. */
export function freshAdapter(run: Pick<Run, "model" | "profile" | "rng">, stream: string, tokens?: readonly number[]): Lora {
  const { config, decoder } = run.model;
  const { rank, firstLayer } = run.profile;
  const layers = Array.from({ length: config.numLayers }, (_, l) => l).filter((l) => l >= Math.floor(firstLayer * config.numLayers));
  const adapter = { r: rank, alpha: 2 * rank, targetModules: linearNames(config), layers, trainableTokens: tokens };
  return createLora(config, adapter, run.rng(stream), tokens ? decoder.embeddings(tokens) : null);
}

function trainOptions(
  { batches, optimizer, everySteps, microBatch }: Pick<Training<unknown>, "batches" | "optimizer" | "everySteps" | "microBatch">,
  lora: Lora,
  dir: string,
  signal?: AbortSignal,
): TrainOptions {
  const { learningRate, warmup, floor, maxGradNorm, weightDecay, betas } = optimizer;
  return {
    lora,
    batches,
    microBatch,
    learningRate,
    schedule: cosine({ warmup, floor }),
    maxGradNorm,
    weightDecay,
    betas: [...betas],
    checkpoint: { dir, everySteps },
    signal,
  };
}
