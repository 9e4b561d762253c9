import { join } from "node:path";
import { readMetrics, type StepMetrics } from "../metrics.js";
import { checkFolder } from "../output-folder.js";
import type { RunConfig } from "../run-config.js";
import type { MetricsLogger } from "./logger.js";
import { mlflowLogger } from "./mlflow.js";
import { trackingServer } from "./mlflow-client.js";
import { tensorBoardLogger } from "./tensorboard.js";

const namesOf = ({ report_to = "none" }: RunConfig): string[] => (typeof report_to === "string" ? [report_to] : report_to);

const loggingDir = ({ output_dir, logging_dir = join(output_dir, "runs") }: RunConfig): string => logging_dir;

/** Looks whether a tracker lacks what it cannot do without. Changes nothing. @throws TrainingError, FileError */
export function checkReportTo(config: RunConfig): void {
  if (namesOf(config).includes("mlflow")) trackingServer();
  if (namesOf(config).includes("tensorboard")) checkFolder(loggingDir(config));
}

/**
 * Yields a stage's steps and takes them to what `report_to` names. Opened at the first step: those before it are in metrics.jsonl, and go where they
 * are missing. What a tracker has lost is said in one line to `log`; it does not end the training.
 * @throws FileError when an event file cannot be written, DataError when metrics.jsonl is broken
 */
export async function* reported(
  steps: AsyncIterable<StepMetrics>,
  config: RunConfig,
  log: (line: string) => void,
): AsyncGenerator<StepMetrics> {
  let loggers: MetricsLogger[] | undefined;
  try {
    for await (const step of steps) {
      loggers ??= open(config, stepsBefore(config, step.step), log);
      for (const logger of loggers) logger.log(step);
      yield step;
    }
    const before = stepsBefore(config, Number.POSITIVE_INFINITY);
    if (!loggers && before.length > 0) loggers = open(config, before, log); // an earlier process stopped behind the last step
  } finally {
    for (const logger of loggers ?? []) await logger.close().catch((error: Error) => log(error.message));
  }
}

const stepsBefore = (config: RunConfig, step: number): StepMetrics[] =>
  namesOf(config).includes("none") ? [] : readMetrics(config.output_dir).filter((earlier) => earlier.step < step);

function open(config: RunConfig, earlier: readonly StepMetrics[], log: (line: string) => void): MetricsLogger[] {
  const { output_dir: dir } = config;
  return namesOf(config).flatMap((name) => {
    if (name === "tensorboard") return tensorBoardLogger(loggingDir(config), earlier);
    if (name !== "mlflow") return [];
    return mlflowLogger(
      { runName: dir, params: config, totalSteps: config.max_steps, idFile: join(dir, "mlflow.json"), warn: log },
      earlier,
    );
  });
}
