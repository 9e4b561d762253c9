import { openDevice } from "../backend/device.js";
import { giveWay } from "../backend/give-way.js";
import type { LanguageModel } from "../model/load.js";
import {
  checkSettings,
  newestCheckpoint,
  openCheckpoint,
  removeUnfinished,
  restoreAdapter,
  saveCheckpoint,
  type TrainingState,
} from "./checkpoint.js";
import { clipByGlobalNorm } from "./clip.js";
import { TrainingError } from "./errors.js";
import { openMetrics, readMetrics, type StepMetrics } from "./metrics.js";
import type { Objective } from "./objective.js";
import { AdamW } from "./optimizer.js";
import { type BestChoice, checkOptions, runSettings, type TrainOptions } from "./options.js";
import { scoredTokens, stepGradient, summary, totalWeight } from "./step.js";

export type { TrainOptions } from "./options.js";

/**
 * Trains an adapter: for each batch of the plan the gradient of the objective by the adapter, clipped, and one step of AdamW. Yields a row per step. Between steps
 * nothing is left behind but the adapter and the optimizer's moments, which go when the generator ends, is left, or throws.
 *
 *     for await (const step of train(model, rows, sftObjective, { lora, batches, ... })) curve.push(step);
 *
 * @throws TrainingError when a row cannot be trained on or is not there, an option is out of range, an objective gives no loss, a checkpoint is of another run, or a loss or
 * gradient is not finite (the adapter is then as before that step)
 * @throws RangeError when `betas`, `weightDecay` or `dropout.p` is out of range, or a row is longer than the model's positions
 */
export async function* train<Row>(
  model: LanguageModel,
  rows: readonly Row[],
  objective: Objective<Row>,
  options: TrainOptions,
): AsyncGenerator<StepMetrics> {
  checkRows(rows, objective);
  checkBatches(options.batches, rows, objective);
  checkOptions(options);
  const { lora, batches, learningRate, schedule, maxGradNorm, weightDecay, betas, epsilon, evaluation, checkpoint, signal } = options;
  const total = batches.length;
  const warn = checkpoint?.log ?? console.warn;
  if (total > 0 && batches.every((_, i) => schedule(i + 1, total) === 0))
    warn(
      `this training changes nothing: its learning rate is 0 at every step (${total} in all), since a warm-up begins at 0. Give it more steps, or no warm-up.`,
    );
  const { precision } = await openDevice();
  const settings = runSettings(model, rows, objective, options, precision);
  const optimizer = new AdamW(lora.variables(), { betas, eps: epsilon, weightDecay });
  let metricsFile: ReturnType<typeof openMetrics> | undefined;
  try {
    let done = 0;
    let numTokens = 0;
    let stored = 0;
    let best: TrainingState["best"];
    const store = async (metrics?: StepMetrics) => {
      if (!checkpoint || done === stored) return;
      best = better(best, metrics, checkpoint.best);
      const state = { step: done, numTokens, settings, best, optimizer: await optimizer.state() };
      await saveCheckpoint(checkpoint.dir, state, lora, model.name, { limit: checkpoint.limit ?? 2, before: stored }, options.dropout?.p);
      stored = done;
    };
    if (checkpoint) {
      const { dir, log, resume = true } = checkpoint;
      const { checkpoint: found, broken } = resume ? await newestCheckpoint(dir) : { checkpoint: null, broken: [] };
      for (const line of broken) warn(`skipped a broken checkpoint: ${line}`);
      if (found) {
        checkSettings(found, settings);
        await restoreAdapter(found, lora, model.config);
        optimizer.restore(found.optimizer);
        ({ step: done, numTokens, best } = found);
        stored = done;
        log?.(`going on from ${found.dir}`);
      } else if (broken.length > 0) warn(`${dir} has no whole checkpoint left: starting over`);
      if (done > 0) readMetrics(dir); // a broken line is named before anything is changed
      await checkpoint.begin?.();
      await removeUnfinished(dir);
      metricsFile = openMetrics(dir, done);
    }
    while (done < total) {
      const step = done + 1;
      await giveWay();
      if (signal?.aborted) return void (await store());
      const isDue = (every: number) => step % every === 0 || step === total;
      const started = performance.now();
      const chosen = batches[step - 1]!.map((i) => rows[i]!);
      const size = options.microBatch ?? chosen.length;
      const result = await stepGradient(model, chosen, objective, { ...options, size, dropout: ofStep(options.dropout, step) }, signal);
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
      const tokens = scoredTokens(objective, chosen);
      numTokens += tokens;
      const seconds = (performance.now() - started) / 1000;
      const metrics: StepMetrics = {
        step,
        loss: result.loss,
        grad_norm: norm,
        learning_rate: rate,
        ...summary(objective, result),
        step_seconds: seconds,
        tokens_per_second: tokens / seconds,
        peak_rss_bytes: process.resourceUsage().maxRSS * 1024,
        numTokens,
      };
      if (evaluation && isDue(evaluation.everySteps)) {
        Object.assign(metrics, await evaluation.measure());
        if (checkpoint?.best) bestValue(metrics, checkpoint.best);
      }
      metricsFile?.append(metrics);
      done = step;
      if (checkpoint && isDue(checkpoint.everySteps)) await store(metrics);
      yield metrics;
    }
    if (checkpoint?.best && best && best.step !== total) {
      await restoreAdapter(await openCheckpoint(checkpoint.dir, best.step), lora, model.config);
      checkpoint.log?.(`took step ${best.step}, whose ${checkpoint.best.metric} of ${best.value} is the ${checkpoint.best.wanted}`);
    }
  } finally {
    metricsFile?.close();
    optimizer.dispose();
  }
}

/** Dropout with a stream of the step's own: a run that goes on from a checkpoint draws what one that was not stopped does. */
const ofStep = (dropout: TrainOptions["dropout"], step: number): TrainOptions["dropout"] =>
  dropout && { ...dropout, rng: dropout.rng.fork(String(step)) };

/** The better one of the best stored step and the one that is about to be stored; the earlier one where they are equal. A value that is no finite number is never the best. */
function better(best: TrainingState["best"], metrics: StepMetrics | undefined, choice: BestChoice | undefined): TrainingState["best"] {
  if (!choice || !metrics) return best;
  const value = bestValue(metrics, choice);
  const isBetter = Number.isFinite(value) && (!best || (choice.wanted === "lowest" ? value < best.value : value > best.value));
  return isBetter ? { step: metrics.step, value } : best;
}

/** @throws TrainingError when the step has no such metric */
function bestValue(metrics: StepMetrics, { metric }: BestChoice): number {
  const value = (metrics as unknown as Record<string, number | undefined>)[metric];
  if (value !== undefined) return value;
  const names = Object.keys(metrics).join(", ");
  throw new TrainingError(`step ${metrics.step} has no metric ${metric} to choose the best checkpoint by: it has ${names}`);
}

/** @throws TrainingError that names the first batch with a row that is none, or whose rows count for nothing */
function checkBatches<Row>(batches: TrainOptions["batches"], rows: readonly Row[], objective: Objective<Row>): void {
  for (const [step, batch] of batches.entries()) {
    const wrong = batch.find((row) => !(Number.isInteger(row) && row >= 0 && row < rows.length));
    if (wrong !== undefined) throw new TrainingError(`batches[${step}]: there is no row ${wrong}; rows are 0..${rows.length - 1}`);
    const weight = totalWeight(
      objective,
      batch.map((i) => rows[i]!),
    );
    if (!(weight > 0))
      throw new TrainingError(`step ${step + 1}: no completion token of its rows counts: all weights are 0 or the completions are empty`);
  }
}

/** @throws TrainingError that names the first row that cannot be trained on */
function checkRows<Row>(rows: readonly Row[], objective: Objective<Row>): void {
  rows.forEach((row, i) => {
    const lacks = objective.lacks?.(row);
    if (lacks) throw new TrainingError(`row ${i + 1} ${lacks}`);
    for (const completionRow of [...objective.completions([row]), ...(objective.observed?.([row]) ?? [])]) {
      for (const field of ["weights", "targets"] as const) {
        const [is, wanted] = [completionRow[field]?.length, completionRow.completion.length];
        if (is !== undefined && is !== wanted) throw new TrainingError(`row ${i + 1} has ${is} ${field} for ${wanted} completion tokens`);
      }
    }
  });
}
