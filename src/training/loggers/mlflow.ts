import { existsSync } from "node:fs";
import { readJson } from "../../data/jsonl.js";
import { writeJson } from "../../setup/atomic.js";
import { isRecord } from "../../setup/json.js";
import { TrainingError } from "../errors.js";
import type { StepMetrics } from "../metrics.js";
import { type MetricsLogger, numbersOf, timesBefore } from "./logger.js";
import { connect, type MlflowServer } from "./mlflow-client.js";

/** Where a run goes and what is said of it; what is left out of the server comes from MLflow's environment variables. */
export interface MlflowOptions extends MlflowServer {
  /** The run's name; left out: the server makes one up. */
  runName?: string;
  /** What the run was made with; nested fields become `lora.r`. */
  params?: object;
  /** Steps of a whole training: one that is closed before has the status KILLED. */
  totalSteps?: number;
  /** A file that keeps the run's id, so that a resumed training goes on with its run. */
  idFile?: string;
  /** Receives one line when the server first fails; the steps wait for it. Default: `console.warn`. */
  warn?: (line: string) => void;
}

/** Metrics per call, the server's limit. */
const BATCH = 1000;
/** Milliseconds until a server that has failed is asked again. */
const PAUSE = 10_000;

/**
 * Logs to MLflow through its REST API, in the background: a run with its parameters, then each step's numbers under their names in metrics.jsonl. What
 * the server does not take waits in memory and is sent again; no failure of the server reaches the training.
 *
 * @param earlier the steps before the first that will be logged: a resumed run's. Those that the kept run has not got are sent, and none twice.
 * @throws TrainingError without an http address; from `close`, with the steps that the server has not got
 */
export function mlflowLogger(options: MlflowOptions = {}, earlier: readonly StepMetrics[] = []): MetricsLogger {
  const { runName, params = {}, totalSteps, idFile, warn = console.warn } = options;
  const server = connect(options);
  const times = timesBefore(earlier, Date.now());
  let waiting = earlier.map((step, i) => ({ step, time: times[i]! }));
  let lastStep = earlier.at(-1)?.step ?? 0;
  let held = 0; // the last step that the kept run has
  let run: string | undefined;
  let unsent = flatten(params);
  let failure: Error | undefined;
  let warned = false;
  let notBefore = 0;
  let working: Promise<void> | undefined;

  /** The kept run, where the server has it still; else a new one. */
  const begin = async (): Promise<string> => {
    const kept = earlier.length > 0 && idFile !== undefined ? readId(idFile, server.uri) : undefined;
    const metrics = kept === undefined ? undefined : await server.metricsOf(kept);
    if (kept !== undefined && metrics !== undefined) {
      held = Math.max(0, ...metrics.map(({ step }) => step));
      waiting = waiting.filter(({ step }) => step.step > held);
      unsent = [];
      await server.post("runs/update", { run_id: kept, status: "RUNNING" });
      return kept;
    }
    const id = await server.createRun(runName);
    if (idFile !== undefined) writeJson(idFile, { tracking_uri: server.uri, run_id: id });
    return id;
  };

  const send = async (): Promise<void> => {
    run ??= await begin();
    if (unsent.length > 0) await server.post("runs/log-batch", { run_id: run, params: unsent });
    unsent = [];
    while (waiting.length > 0) {
      const metrics: object[] = [];
      let count = 0;
      for (const { step, time } of waiting) {
        const numbers = numbersOf(step);
        if (count > 0 && metrics.length + numbers.length > BATCH) break;
        // protobuf's JSON has "NaN" and "Infinity" as text
        for (const [key, value] of numbers)
          metrics.push({ key, value: Number.isFinite(value) ? value : String(value), timestamp: time, step: step.step });
        count++;
      }
      await server.post("runs/log-batch", { run_id: run, metrics });
      waiting.splice(0, count);
    }
  };

  const work = (): Promise<void> => {
    working ??= send()
      .then(() => {
        failure = undefined;
      })
      .catch((error: Error) => {
        failure = error;
        notBefore = Date.now() + PAUSE;
        if (!warned) warn(`${error.message}: training goes on, and its steps wait`);
        warned = true;
      })
      .finally(() => {
        working = undefined;
      });
    return working;
  };

  return {
    log(step) {
      if (step.step > held) waiting.push({ step, time: Date.now() });
      lastStep = step.step;
      if (Date.now() >= notBefore) void work();
    },
    async close() {
      await working;
      if (waiting.length > 0 || failure || run === undefined) await work();
      if (waiting.length > 0) {
        const [first, last] = [waiting[0]!.step.step, waiting.at(-1)!.step.step];
        const steps = first === last ? `step ${first} is` : `steps ${first} to ${last} are`;
        throw new TrainingError(`${failure!.message}: ${steps} lost to MLflow; metrics.jsonl has them`);
      }
      if (failure) throw new TrainingError(failure.message);
      const status = totalSteps !== undefined && lastStep < totalSteps ? "KILLED" : "FINISHED";
      await server.post("runs/update", { run_id: run, status, end_time: Date.now() });
    },
  };
}

function readId(file: string, uri: string): string | undefined {
  if (!existsSync(file)) return undefined;
  const { tracking_uri, run_id } = readJson<{ tracking_uri?: string; run_id?: string }>(file);
  return tracking_uri === uri ? run_id : undefined;
}

/** Fields as MLflow's parameters, texts all of them. */
function flatten(fields: object, prefix = ""): { key: string; value: string }[] {
  return Object.entries(fields).flatMap(([name, value]) => {
    const key = `${prefix}${name}`;
    if (value === undefined) return [];
    if (isRecord(value)) return flatten(value, `${key}.`);
    return [{ key, value: typeof value === "string" ? value : JSON.stringify(value) }];
  });
}
