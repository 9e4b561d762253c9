import { createHash } from "node:crypto";
import type { LanguageModel } from "../model/load.js";
import type { Lora } from "../model/lora.js";
import type { RunSettings } from "./checkpoint.js";
import type { Objective } from "./objective.js";
import type { Schedule } from "./schedule.js";

/** How a stage is trained, whatever its objective. */
export interface TrainOptions {
  /** The adapter that is trained, in place. */
  lora: Lora;
  /** Row indices of every optimizer step: the caller's plan (batches.ts). */
  batches: readonly (readonly number[])[];
  /** Rows that are computed at a time, to save memory: a step's gradient is the same whatever it is. Default: the whole batch. */
  microBatch?: number;
  /** Computes each layer a second time instead of keeping what its backward pass needs: about a third more time, for long rows. Changes no number. */
  gradientCheckpointing?: boolean;
  /** Peak learning rate; a step's is this times the schedule's factor. */
  learningRate: number;
  schedule: Schedule;
  /** Global norm that gradients are scaled down to; 0 for none. */
  maxGradNorm: number;
  /** AdamW's decoupled weight decay. */
  weightDecay: number;
  /** AdamW's decay rates; default 0.9, 0.999. */
  betas?: [number, number];
  /**
   * Where the run keeps checkpoint-N/ and metrics.jsonl. It goes on from the newest whole checkpoint, if there is one, and stores the last step too. `log` receives
   * what it goes on from; broken checkpoints are named to it, else to `console.warn`.
   */
  checkpoint?: { dir: string; everySteps: number; log?: (line: string) => void };
  /** Ends the run quietly between two micro-batches; the step that was under way is dropped, the one before it is stored. */
  signal?: AbortSignal;
}

/** What decides the numbers of a run, by names that an error can show. */
export function runSettings<Row>(
  model: LanguageModel,
  rows: readonly Row[],
  objective: Objective<Row>,
  options: TrainOptions,
  precision: string,
): RunSettings {
  const { lora, batches, microBatch, learningRate, schedule, maxGradNorm, weightDecay, betas } = options;
  return {
    model: model.sha256,
    lora: lora.config,
    steps: batches.length,
    batches: digest(batches),
    microBatch: microBatch ?? null,
    learningRate,
    schedule: digest(batches.map((_, i) => schedule(i + 1, batches.length))),
    maxGradNorm,
    weightDecay,
    betas: betas ?? null,
    precision,
    objective: { name: objective.name, ...objective.settings },
    data: digest(rows, (key, value) => (key === "reference" ? undefined : value)), // what a model says of the rows, not the rows themselves
  };
}

/** SHA-256 of a value's JSON. */
const digest = (value: unknown, replacer?: (key: string, value: unknown) => unknown): string =>
  createHash("sha256").update(JSON.stringify(value, replacer)).digest("hex");
