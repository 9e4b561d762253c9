import { rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { createRng, type Rng } from "../backend/random.js";
import type { TokenPair } from "../data/tokens.js";
import { loadAdapter, saveAdapter } from "../model/adapter-io.js";
import type { LanguageModel } from "../model/load.js";
import { createLora, type Lora, type LoraConfig, linearNames } from "../model/lora.js";
import { dpo } from "../objectives/dpo.js";
import { ipo } from "../objectives/ipo.js";
import { lengthMargin } from "../objectives/length-margin.js";
import { withNll } from "../objectives/nll.js";
import { robustDpo } from "../objectives/robust.js";
import { sigmoidNorm } from "../objectives/sigmoid-norm.js";
import type { PreferenceObjective } from "../objectives/types.js";
import { writeAtomic } from "../setup/atomic.js";
import { type Plan, sequential, shuffled } from "./batches.js";
import { removeCheckpoints } from "./checkpoint.js";
import { TrainingError } from "./errors.js";
import type { TrainOptions } from "./loop.js";
import type { StepMetrics } from "./metrics.js";
import { referenceLogps, trainPreference } from "./preference.js";
import { readTokenPairs, readTokenRows } from "./rows.js";
import type { RunConfig } from "./run-config.js";
import { constant, cosine, linear, type Schedule } from "./schedule.js";
import { trainSft } from "./sft.js";

/**
 * Runs one stage as its RUN.json says and yields a row of metrics a step. `output_dir` gets train.json, metrics.jsonl, checkpoints, and, when the last step is done, the
 * adapter.
 * @param options.log receives lines for the reader: rows that are left out, checkpoints, the reference
 * @throws TrainingError, DataError, WeightsError
 */
export async function* runTraining(
  config: RunConfig,
  model: LanguageModel,
  { log, signal }: { log: (line: string) => void; signal?: AbortSignal },
): AsyncGenerator<StepMetrics> {
  const rng = createRng(config.seed);
  const cut = { maxLength: config.max_length, maxPositions: model.config.maxPositions };
  const sft = config.method === "sft" ? readTokenRows(config.data, model.tokenizer, cut) : null;
  const preferences = config.method === "sft" ? null : readTokenPairs(config.data, model.tokenizer, cut);
  const { rows, leftOut } = sft ?? preferences!;
  if (leftOut.length > 0) {
    const few = leftOut.slice(0, 10).join(", ") + (leftOut.length > 10 ? ", ..." : "");
    log(`${config.data}: left out ${leftOut.length} rows whose prompts alone fill max_length ${config.max_length}: rows ${few}`);
  }
  const lora = await startAdapter(config, model, rng.fork("lora"));
  try {
    writeAtomic(join(config.output_dir, "train.json"), [`${JSON.stringify(config, null, 2)}\n`]);
    const pairs = preferences && (await withReference(config, model, preferences.rows, lora, signal));
    if (!config.resume) await startOver(config);
    const options = trainOptions(config, lora, rows.length, rng.fork("data"), { log, signal });
    if (sft) yield* trainSft(model, sft.rows, options);
    else yield* trainPreference(model, pairs!, objectiveOf(config), options, objectiveLabel(config));
    if (!signal?.aborted) await saveAdapter(config.output_dir, lora, config.model);
  } finally {
    lora.dispose();
  }
}

/** The pairs with their log-probs under what the run measures against: `reference_adapter`, or the policy as it is at the start. */
async function withReference(
  { reference_adapter: path, batch_size: batchSize }: RunConfig,
  model: LanguageModel,
  pairs: readonly TokenPair[],
  policy: Lora,
  signal?: AbortSignal,
): Promise<TokenPair[]> {
  const other = path ? await loadAdapter(path, model.config) : null;
  try {
    return await referenceLogps(model, pairs, path === undefined ? policy : other, { batchSize, signal });
  } finally {
    other?.dispose();
  }
}

/** Removes what an earlier run left in `output_dir`, so that a run that is stopped does not look done; never the adapter it starts from. */
async function startOver({ output_dir: dir, init_adapter, reference_adapter }: RunConfig): Promise<void> {
  await removeCheckpoints(dir);
  const used = [init_adapter, reference_adapter].some((other) => other && resolve(other) === resolve(dir));
  if (!used) await rm(join(dir, "adapter_model.safetensors"), { force: true });
}

function trainOptions(
  config: RunConfig,
  lora: Lora,
  rows: number,
  rng: Rng,
  { log, signal }: { log: (line: string) => void; signal?: AbortSignal },
): TrainOptions {
  return {
    lora,
    batches: batchPlan(config, rows, rng),
    microBatch: config.batch_size,
    gradientCheckpointing: config.gradient_checkpointing,
    learningRate: peakRate(config),
    schedule: scheduleOf(config),
    maxGradNorm: config.max_grad_norm,
    weightDecay: config.weight_decay,
    checkpoint: { dir: config.output_dir, everySteps: config.save_steps, log },
    signal,
  };
}

/** The rows of each step. */
export function batchPlan(config: RunConfig, rows: number, rng: Rng): Plan {
  const size = config.batch_size * config.gradient_accumulation_steps;
  return config.shuffle ? shuffled(rows, size, config.max_steps, rng) : sequential(rows, size, config.max_steps);
}

/** TRL's defaults where the run names none. */
export const peakRate = ({ learning_rate, method }: RunConfig): number => learning_rate ?? (method === "sft" ? 2e-5 : 1e-6);

function scheduleOf({ lr_scheduler_type: type, lr_scheduler_kwargs: more, warmup_ratio: warmup }: RunConfig): Schedule {
  if (type === "linear") return linear({ warmup });
  if (type === "cosine") return cosine({ warmup });
  if (type === "cosine_with_min_lr") return cosine({ warmup, floor: more!.min_lr_rate });
  return constant({ warmup: type === "constant" ? 0 : warmup }); // as in transformers, plain constant has no warm-up
}

/** Preference losses by their RUN.json names, each of a run's hyperparameters. */
const LOSSES: Record<RunConfig["loss_type"], (config: RunConfig) => PreferenceObjective> = {
  sigmoid:
    ({ beta }) =>
    (policy, reference) =>
      dpo(policy, reference, beta),
  ipo:
    ({ beta }) =>
    (policy, reference, lengths) =>
      ipo(policy, reference, lengths, beta),
  sigmoid_norm:
    ({ beta }) =>
    (policy, reference, lengths) =>
      sigmoidNorm(policy, reference, lengths, beta),
  robust:
    ({ beta, label_smoothing: epsilon }) =>
    (policy, reference) =>
      robustDpo(policy, reference, { beta, epsilon }),
};

function objectiveOf(config: RunConfig): PreferenceObjective {
  const { beta, length_alpha: alpha = 0.02 } = config;
  const lengthControlled: PreferenceObjective = (policy, reference, lengths) => lengthMargin(policy, reference, lengths, { beta, alpha });
  const loss = config.method === "length-controlled-dpo" ? lengthControlled : LOSSES[config.loss_type](config);
  return (policy, reference, lengths) => withNll(loss(policy, reference, lengths), policy, lengths, config.nll_weight);
}

/** What a preference run's losses depend on, its reference included: the start is that of `init_adapter`. */
function objectiveLabel(config: RunConfig): string {
  const { method, loss_type, beta, label_smoothing, length_alpha, nll_weight, reference_adapter, init_adapter } = config;
  const reference = reference_adapter === undefined ? { start: init_adapter } : reference_adapter;
  return JSON.stringify([method, loss_type, beta, label_smoothing, length_alpha ?? null, nll_weight, reference]);
}

/** The adapter that training starts from: `init_adapter`, or a fresh one. */
export async function startAdapter(config: RunConfig, model: LanguageModel, rng: Rng): Promise<Lora> {
  const { r, alpha, target_modules, layers_to_transform } = config.lora ?? {
    r: 16,
    alpha: 32,
    target_modules: "all-linear",
    layers_to_transform: null,
  };
  const wanted: LoraConfig = {
    r,
    alpha,
    targetModules: target_modules === "all-linear" ? linearNames(model.config) : target_modules,
    layers: layers_to_transform ?? Array.from({ length: model.config.numLayers }, (_, i) => i),
  };
  const beyond = wanted.layers.find((layer) => layer >= model.config.numLayers);
  if (beyond !== undefined) {
    throw new TrainingError(`field "lora.layers_to_transform": the model's layers are 0 to ${model.config.numLayers - 1}, not ${beyond}`);
  }
  const names = linearNames(model.config);
  const unknown = wanted.targetModules.find((module) => !names.includes(module));
  if (unknown) throw new TrainingError(`field "lora.target_modules": the model's linear layers are ${names.join(", ")}, not ${unknown}`);
  if (config.init_adapter === null) return createLora(model.config, wanted, rng);
  const lora = await loadAdapter(config.init_adapter, model.config);
  if (config.lora && (lora.config.r !== r || lora.config.alpha !== alpha)) {
    const { r: storedR, alpha: storedAlpha } = lora.config;
    lora.dispose();
    throw new TrainingError(
      `${config.init_adapter}: has r ${storedR} and alpha ${storedAlpha}, the run says ${r} and ${alpha}: leave "lora" out to go on with the adapter as it is`,
    );
  }
  return lora;
}
