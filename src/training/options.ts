import { createHash } from "node:crypto";
import type { Rng } from "../backend/random.js";
import type { LanguageModel } from "../model/load.js";
import type { Lora } from "../model/lora.js";
import type { RunSettings } from "./checkpoint.js";
import { TrainingError } from "./errors.js";
import type { EvaluationMetrics } from "./metrics.js";
import type { Objective } from "./objective.js";
import type { Schedule } from "./schedule.js";

/** How a stage is trained, whatever its objective. */
export interface TrainOptions {
  /** The adapter that is trained, in place. */
  lora: Lora;
  /** Row indices of every optimizer step: the caller's plan (batches.ts). */
  batches: readonly (readonly number[])[];
  /**
   * Rows that are computed at a time, to save memory: a step's gradient is the same whatever it is, except for losses that are no mean over rows (`tokenNll` and KTO's KL, as
   * in TRL). Default: the whole batch.
   */
  microBatch?: number;
  /** Computes each layer a second time instead of keeping what its backward pass needs: about a third more time, for long rows. Changes no number. */
  gradientCheckpointing?: boolean;
  /** Peak learning rate, >= 0; a step's is this times the schedule's factor. */
  learningRate: number;
  schedule: Schedule;
  /** Global norm that gradients are scaled down to; 0 for none. */
  maxGradNorm: number;
  /** AdamW's decoupled weight decay, >= 0. */
  weightDecay: number;
  /** AdamW's decay rates, each in [0, 1); default 0.9, 0.999. */
  betas?: [number, number];
  /** Added to the root of AdamW's second moment; default 1e-8. */
  epsilon?: number;
  /** Dropout on the adapter's inputs (PEFT's `lora_dropout`), in training only: the share that is dropped, in [0, 1), and the stream that draws it. */
  dropout?: { p: number; rng: Rng };
  /** Measures the adapter as it is after every so many steps, and after the last one: `evaluateRows` of held-out rows. What it gives joins the step's metrics. */
  evaluation?: {
    everySteps: number;
    /** Measures the adapter as it is. */
    measure: () => Promise<EvaluationMetrics>;
  };
  /**
   * Where the run keeps checkpoint-N/ and metrics.jsonl. It goes on from the newest whole checkpoint, if there is one, and stores the last step too.
   */
  checkpoint?: CheckpointOptions;
  /** Ends the run quietly between two micro-batches; the step that was under way is dropped, the one before it is stored. */
  signal?: AbortSignal;
}

/** When checkpoints are written, and which are kept. */
export interface CheckpointOptions {
  dir: string;
  everySteps: number;
  /** How many are kept, the newest; default 2: one more in case that the disk damages the newest. */
  limit?: number;
  /** When the last step is done the adapter becomes that of the checkpoint whose step has the lowest value of a metric (or the highest), which is kept too. */
  best?: BestChoice;
  /** Goes on from the newest whole checkpoint; default true. With false those that are there are not looked at, and go when the first one is stored. */
  resume?: boolean;
  /** More that the run's numbers depend on, by name, such as digests of the adapters that it starts from: a checkpoint with others is not gone on with. */
  standsOn?: Readonly<Record<string, unknown>>;
  /** Called once, when everything is checked and before anything is written or removed; what it throws ends the run. */
  begin?: () => Promise<void>;
  /** Receives what the run goes on from; broken checkpoints, and that a schedule trains nothing, which are otherwise named to `console.warn`. */
  log?: (line: string) => void;
}

/** What makes a checkpoint the best one. */
export interface BestChoice {
  /** A name among the step's metrics, such as `eval_loss`. */
  metric: string;
  wanted: "lowest" | "highest";
}

/** @throws TrainingError that names the first option that is out of range: with NaN a training would end in an adapter of NaN, or store nothing */
export function checkOptions({ learningRate, schedule, maxGradNorm, microBatch, batches, evaluation, checkpoint }: TrainOptions): void {
  const rates = [learningRate, ...batches.map((_, i) => schedule(i + 1, batches.length))];
  const wrong = rates.findIndex((rate) => !(rate >= 0 && Number.isFinite(rate)));
  const named = wrong > 0 ? `the schedule's factor of step ${wrong}` : "learningRate";
  if (wrong >= 0) throw new TrainingError(`${named} must be a number >= 0, got ${rates[wrong]}`);
  if (!(maxGradNorm >= 0)) throw new TrainingError(`maxGradNorm must be a number >= 0, got ${maxGradNorm}`);
  const counts = {
    microBatch,
    "evaluation.everySteps": evaluation?.everySteps,
    "checkpoint.everySteps": checkpoint?.everySteps,
    "checkpoint.limit": checkpoint?.limit,
  };
  for (const [name, count] of Object.entries(counts))
    if (count !== undefined && !(count >= 1)) throw new TrainingError(`${name} must be a number >= 1, got ${count}`);
}

/** What decides the numbers of a run, by names that an error can show. */
export function runSettings<Row>(
  model: LanguageModel,
  rows: readonly Row[],
  objective: Objective<Row>,
  options: TrainOptions,
  precision: string,
): RunSettings {
  const { lora, batches, microBatch, learningRate, schedule, maxGradNorm, weightDecay, betas, epsilon, dropout, checkpoint } = options;
  return {
    model: model.digest,
    lora: lora.config,
    steps: batches.length,
    batches: digest(batches),
    microBatch: microBatch ?? null,
    learningRate,
    schedule: digest(batches.map((_, i) => schedule(i + 1, batches.length))),
    maxGradNorm,
    weightDecay,
    betas: betas ?? null,
    epsilon: epsilon ?? null,
    dropout: dropout ? { p: dropout.p, rng: dropout.rng.state() } : null,
    best: checkpoint?.best ?? null,
    precision,
    objective: { name: objective.name, ...objective.settings },
    ...checkpoint?.standsOn,
    data: digest(rows, (key, value) => (key === "reference" ? undefined : value)), // what a model says of the rows, not the rows themselves
  };
}

/** SHA-256 of a value's JSON. */
const digest = (value: unknown, replacer?: (key: string, value: unknown) => unknown): string =>
  createHash("sha256").update(JSON.stringify(value, replacer)).digest("hex");
