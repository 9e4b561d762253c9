import { createHash } from "node:crypto";
import * as tf from "@tensorflow/tfjs";
import { openDevice } from "../backend/device.js";
import { readLast } from "../backend/read.js";
import { releaseTape } from "../backend/tape.js";
import type { LanguageModel } from "../model/load.js";
import type { Lora } from "../model/lora.js";
import { checkSettings, newestCheckpoint, type RunSettings, restoreAdapter, saveCheckpoint } from "./checkpoint.js";
import { clipByGlobalNorm } from "./clip.js";
import { TrainingError } from "./errors.js";
import { openMetrics, type StepMetrics } from "./metrics.js";
import { AdamW, flatten } from "./optimizer.js";
import type { Schedule } from "./schedule.js";

/** How a stage is trained, whatever its loss. */
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

/** A share of a step: its contribution to the step's loss, and numbers to look at. Called while gradients are recorded. */
export type StepPart = () => { loss: tf.Scalar; observed?: tf.Tensor };

/** What a loss makes of a batch. */
export interface Step {
  /** Their losses add up to the step's. */
  parts: readonly StepPart[];
  /** Real tokens of its rows, those that are run once for several counted for each. */
  tokens: number;
  /** Metrics from the parts' observed numbers, in order. */
  summarize?(observed: readonly Float32Array[]): Partial<StepMetrics>;
}

/**
 * The training loop: for each batch of the plan the gradient of the loss by the adapter, clipped, and one step of AdamW. Between steps nothing is left behind but the
 * adapter and the optimizer's moments, which go when the generator ends, is left, or throws.
 *
 * @param makeStep turns a batch into parts
 * @param settings what decides the numbers beside the options, for checkpoints
 * @throws TrainingError when a checkpoint is of another run, or a loss or gradient is not finite (the adapter is then as before that step)
 */
export async function* trainLoop(
  model: LanguageModel,
  options: TrainOptions,
  makeStep: (batch: readonly number[], step: number) => Step,
  settings: RunSettings,
): AsyncGenerator<StepMetrics> {
  const { lora, batches, learningRate, schedule, maxGradNorm, weightDecay, betas, checkpoint, signal } = options;
  const total = batches.length;
  const { precision } = await openDevice();
  const all = runSettings(model, options, { ...settings, precision });
  const optimizer = new AdamW(lora.variables(), { betas, weightDecay });
  let metricsFile: ReturnType<typeof openMetrics> | undefined;
  try {
    let done = 0;
    let numTokens = 0;
    let stored = 0;
    const store = async () => {
      if (!checkpoint || done === stored) return;
      const state = { step: done, numTokens, settings: all, optimizer: await optimizer.state() };
      await saveCheckpoint(checkpoint.dir, state, lora, model.name, stored);
      stored = done;
    };
    if (checkpoint) {
      const { dir, log, log: warn = console.warn } = checkpoint;
      const { checkpoint: found, broken } = await newestCheckpoint(dir);
      for (const line of broken) warn(`skipped a broken checkpoint: ${line}`);
      if (found) {
        checkSettings(found, all);
        await restoreAdapter(found, lora, model.config);
        optimizer.restore(found.optimizer);
        ({ step: done, numTokens } = found);
        stored = done;
        log?.(`going on from ${found.dir}`);
      } else if (broken.length > 0) warn(`${dir} has no whole checkpoint left: starting over`);
      metricsFile = openMetrics(dir, done);
    }
    while (done < total) {
      const step = done + 1;
      await new Promise((resolve) => setImmediate(resolve)); // timers and signals get their turn
      if (signal?.aborted) return void (await store());
      const started = performance.now();
      const work = makeStep(batches[step - 1]!, step);
      const result = await stepGradient(work.parts, lora.variables(), signal);
      if (!result) return void (await store());
      const { gradient, norm } = await clipByGlobalNorm(result.gradient, maxGradNorm);
      const rate = learningRate * schedule(step, total);
      if (!Number.isFinite(result.loss) || !Number.isFinite(norm)) {
        gradient.dispose();
        const what = Number.isFinite(result.loss) ? `the gradient's norm is ${norm}` : `the loss is ${result.loss}`;
        throw new TrainingError(`step ${step}: ${what}: try a lower learning rate than ${learningRate}, or look at the step's rows`);
      }
      optimizer.update(gradient, rate);
      gradient.dispose();
      numTokens += work.tokens;
      const seconds = (performance.now() - started) / 1000;
      const metrics: StepMetrics = {
        step,
        loss: result.loss,
        grad_norm: norm,
        learning_rate: rate,
        ...work.summarize?.(result.observed),
        step_seconds: seconds,
        tokens_per_second: work.tokens / seconds,
        peak_rss_bytes: process.resourceUsage().maxRSS * 1024,
        numTokens,
      };
      metricsFile?.append(metrics);
      done = step;
      if (checkpoint && (step % checkpoint.everySteps === 0 || step === total)) await store();
      yield metrics;
    }
  } finally {
    metricsFile?.close();
    optimizer.dispose();
  }
}

/** Loss, flat gradient `[P]` and observed numbers of a step's parts; null when the signal ends it. Keeps the gradient only. */
async function stepGradient(
  parts: readonly StepPart[],
  variables: tf.Variable[],
  signal: AbortSignal | undefined,
): Promise<{ loss: number; gradient: tf.Tensor1D; observed: Float32Array[] } | null> {
  let loss = 0;
  let gradient: tf.Tensor1D | null = null;
  const observed: Float32Array[] = [];
  for (const part of parts) {
    if (signal?.aborted) {
      gradient?.dispose();
      return null;
    }
    let seen: tf.Tensor | undefined;
    try {
      const { value, sum } = tf.tidy(() => {
        const { value, grads } = tf.variableGrads(() => {
          const { loss, observed } = part();
          seen = observed && tf.keep(tf.clone(observed));
          return loss;
        }, variables);
        const own = flatten(variables.map((variable) => grads[variable.name] ?? tf.zerosLike(variable)));
        const sum: tf.Tensor1D = gradient ? tf.add(gradient, own) : own;
        return { value, sum };
      });
      gradient?.dispose();
      gradient = sum;
      loss += (await readLast(value))[0]!;
      if (seen) observed.push((await seen.data()) as Float32Array);
    } catch (error) {
      gradient?.dispose();
      releaseTape();
      throw error;
    } finally {
      seen?.dispose();
    }
  }
  return { loss, gradient: gradient!, observed };
}

/** What decides the numbers of a run, by names that an error can show. */
function runSettings(model: LanguageModel, options: TrainOptions, settings: RunSettings): RunSettings {
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
    ...settings,
  };
}

/** SHA-256 of a value's JSON. */
export const digest = (value: unknown): string => createHash("sha256").update(JSON.stringify(value)).digest("hex");
