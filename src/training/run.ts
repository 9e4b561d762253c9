import { createRng, type Rng } from "../backend/random.js";
import { loadAdapter, saveAdapter } from "../model/adapter-io.js";
import type { LanguageModel } from "../model/load.js";
import type { Lora } from "../model/lora.js";
import { type Plan, sequential, shuffled } from "./batches.js";
import type { RunSettings } from "./checkpoint.js";
import { TrainingError } from "./errors.js";
import { train } from "./loop.js";
import type { StepMetrics } from "./metrics.js";
import type { Objective } from "./objective.js";
import type { TrainOptions } from "./options.js";
import { beginRun, checkOutput } from "./output-folder.js";
import { readPlan } from "./plan-file.js";
import { referenceLogps } from "./preference.js";
import type { Tokenized } from "./rows.js";
import { evalSteps, type RunConfig } from "./run-config.js";
import { dertaMethod, ktoMethod, type Method, pairMethod, type ReferenceLogps, sftMethod } from "./run-methods.js";
import { constant, cosine, linear, type Schedule } from "./schedule.js";
import { runStandsOn } from "./stands-on.js";
import { startAdapter } from "./start-adapter.js";
import { evaluateRows, totalWeight } from "./step.js";

/** What a run is told from outside: where lines for its reader go, and when to stop. */
export interface RunOptions {
  log: (line: string) => void;
  signal?: AbortSignal;
  /** Is told the steps of the whole run, before the first. */
  onPlan?: (steps: number) => void;
}

/**
 * Runs one stage as its RUN.json says and yields a row of metrics a step. `output_dir` gets train.json, metrics.jsonl, checkpoints, and, when the last step is done, the
 * adapter. Everything is checked before the folder is touched: a start that is refused leaves an earlier run's files as they are. The caller is the folder's only writer.
 * @param options.log receives lines for the reader: rows that are left out, checkpoints, the reference
 * @throws TrainingError, DataError, WeightsError, FileError
 */
export function runTraining(config: RunConfig, model: LanguageModel, options: RunOptions): AsyncGenerator<StepMetrics> {
  if (config.method === "sft") return runMethod(sftMethod, config, model, options);
  if (config.method === "derta") return runMethod(dertaMethod(config), config, model, options);
  if (config.method === "kto") return runMethod(ktoMethod(config, model), config, model, options);
  return runMethod(pairMethod(config), config, model, options);
}

async function* runMethod<Row>(
  method: Method<Row>,
  config: RunConfig,
  model: LanguageModel,
  options: RunOptions,
): AsyncGenerator<StepMetrics> {
  const { log, signal } = options;
  checkBest(config, method.objective);
  checkOutput(config);
  const rng = createRng(config.seed);
  const read = (path: string) => {
    const tokenized = method.read(path, model, { maxLength: config.max_length });
    const { leftOut } = tokenized;
    const few = leftOut.slice(0, 10).join(", ") + (leftOut.length > 10 ? ", ..." : "");
    if (few) log(`${path}: left out ${leftOut.length} rows whose prompts alone fill max_length ${config.max_length}: rows ${few}`);
    return tokenized;
  };
  const data = read(config.data);
  const arranged = method.arrange?.(data.rows, rng.fork("order")) ?? data.rows;
  const held = config.eval_data === null ? null : read(config.eval_data).rows;
  const batches = batchPlan(config, data, rng.fork("data"));
  const lora = await startAdapter(config, model, rng.fork("lora"));
  try {
    const [rows, heldOut] = await withReference(config, model, lora, signal, async (reference) => [
      await method.complete(arranged, reference),
      held && (await method.complete(held, reference)),
    ]);
    if (heldOut && totalWeight(method.objective, heldOut) === 0)
      throw new TrainingError(`${config.eval_data}: no completion token counts: all weights are 0`);
    options.onPlan?.(batches.length);
    const measure = heldOut && (() => evaluateRows(model, heldOut, method.objective, { lora, size: config.batch_size }));
    const evaluation = measure ? { everySteps: evalSteps(config), measure } : undefined;
    const standsOn = await runStandsOn(config, data.rows, held);
    yield* train(model, rows, method.objective, {
      ...trainOptions(config, options, standsOn),
      lora,
      batches,
      dropout: config.lora && config.lora.dropout > 0 ? { p: config.lora.dropout, rng: rng.fork("dropout") } : undefined,
      evaluation,
      signal,
    });
    if (!signal?.aborted) await saveAdapter(config.output_dir, lora, config.model, { dropout: config.lora?.dropout });
  } finally {
    lora.dispose();
  }
}

/** The metric that makes a checkpoint the best one, as transformers reads its name. */
const bestMetric = ({ metric_for_best_model: name }: RunConfig): string => (name.startsWith("eval_") ? name : `eval_${name}`);

/** @throws TrainingError when no evaluation of the objective can give the metric that the best checkpoint is chosen by */
function checkBest<Row>(config: RunConfig, { metrics }: Objective<Row>): void {
  if (!config.load_best_model_at_end || !metrics) return;
  const names = ["loss", ...metrics].map((name) => `eval_${name}`);
  if (names.includes(bestMetric(config))) return;
  const { method, metric_for_best_model: name } = config;
  throw new TrainingError(`field "metric_for_best_model": an evaluation of ${method} has no ${name}: it has ${names.join(", ")}`);
}

/** Work with the log-probs of what the run measures against: `reference_adapter`, or the policy as it is at the start. */
async function withReference<T>(
  { reference_adapter: path, batch_size: batchSize }: RunConfig,
  model: LanguageModel,
  policy: Lora,
  signal: AbortSignal | undefined,
  work: (reference: ReferenceLogps) => Promise<T>,
): Promise<T> {
  const other = path ? await loadAdapter(path, model.config) : null;
  try {
    return await work((rows) => referenceLogps(model, rows, path === undefined ? policy : other, { batchSize, signal }));
  } finally {
    other?.dispose();
  }
}

function trainOptions(config: RunConfig, { log, signal }: RunOptions, standsOn: RunSettings): Omit<TrainOptions, "lora" | "batches"> {
  const metric = bestMetric(config);
  const highest = config.greater_is_better ?? !metric.endsWith("loss");
  return {
    microBatch: config.batch_size,
    gradientCheckpointing: config.gradient_checkpointing,
    learningRate: peakRate(config),
    schedule: scheduleOf(config),
    maxGradNorm: config.max_grad_norm,
    weightDecay: config.weight_decay,
    betas: [config.adam_beta1, config.adam_beta2],
    epsilon: config.adam_epsilon,
    checkpoint: {
      dir: config.output_dir,
      everySteps: config.save_steps,
      limit: config.save_total_limit ?? Number.POSITIVE_INFINITY,
      best: config.load_best_model_at_end ? { metric, wanted: highest ? "highest" : "lowest" } : undefined,
      log,
      standsOn,
      resume: config.resume,
      begin: async () => {
        signal?.throwIfAborted();
        await beginRun(config);
      },
    },
  };
}

/** The rows of each step. Epochs are of whole steps, as in transformers: one and a half epochs of three steps are five. */
export function batchPlan(config: RunConfig, data: Pick<Tokenized<unknown>, "rows" | "leftOut">, rng: Rng): Plan {
  if (config.batches !== undefined) return readPlan(config.batches, data);
  const rows = data.rows.length;
  const size = config.batch_size * config.gradient_accumulation_steps;
  const steps = config.max_steps ?? Math.ceil(config.num_train_epochs! * Math.ceil(rows / size));
  const inOrder = !config.shuffle || config.method === "kto"; // whose rows were shuffled before
  return inOrder ? sequential(rows, size, steps) : shuffled(rows, size, steps, rng);
}

/** TRL's defaults where the run names none. */
export const peakRate = ({ learning_rate, method }: RunConfig): number =>
  learning_rate ?? (method === "sft" || method === "derta" ? 2e-5 : 1e-6);

function scheduleOf({ lr_scheduler_type: type, lr_scheduler_kwargs: more, warmup_ratio: warmup }: RunConfig): Schedule {
  if (type === "linear") return linear({ warmup });
  if (type === "cosine") return cosine({ warmup });
  if (type === "cosine_with_min_lr") return cosine({ warmup, floor: more!.min_lr_rate });
  return constant({ warmup: type === "constant" ? 0 : warmup }); // as in transformers, plain constant has no warm-up
}
