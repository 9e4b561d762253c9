import { readMetrics, type StepMetrics } from "../metrics.js";

/** Takes the steps of a training to a tracker, beside metrics.jsonl. A cell makes one of its own by these two functions. */
export interface MetricsLogger {
  /** Takes a step and returns at once. Steps come in ascending order. */
  log(step: StepMetrics): void;
  /** Resolves when all steps are where they belong. @throws TrainingError that names those that are not */
  close(): Promise<void>;
}

/** A step's numbers by name, `step` itself left out. */
export const numbersOf = ({ step: _, ...rest }: StepMetrics): [string, number][] =>
  Object.entries(rest).filter((entry): entry is [string, number] => typeof entry[1] === "number");

/** When earlier steps ended, in ms: counted back from `now` by their own seconds, as if nobody had paused. */
export function timesBefore(steps: readonly StepMetrics[], now: number): number[] {
  let time = now - 1000 * steps.reduce((sum, { step_seconds }) => sum + step_seconds, 0);
  return steps.map(({ step_seconds }) => {
    time += 1000 * step_seconds;
    return Math.round(time);
  });
}

/**
 * Writes steps that are there already to loggers, and closes them.
 * @param metrics the steps, or a folder with a metrics.jsonl
 * @throws DataError when metrics.jsonl is broken; the first of the loggers' errors when all are closed
 */
export async function logMetrics(metrics: string | readonly StepMetrics[], loggers: readonly MetricsLogger[]): Promise<void> {
  const steps = typeof metrics === "string" ? readMetrics(metrics) : metrics;
  for (const logger of loggers) for (const step of steps) logger.log(step);
  const ended = await Promise.allSettled(loggers.map((logger) => logger.close()));
  for (const end of ended) if (end.status === "rejected") throw end.reason;
}
