import { existsSync } from "node:fs";
import { z } from "zod";
import { readJson } from "../../data/jsonl.js";
import { writeAtomic } from "../../setup/atomic.js";
import { TrainingError } from "../errors.js";
import type { StepMetrics } from "../metrics.js";
import { type MetricsLogger, numbersOf, timesBefore } from "./logger.js";

/** Where a run goes; what is left out comes from MLflow's environment variables. */
export interface MlflowOptions {
  /** The http address of a tracking server; left out: `MLFLOW_TRACKING_URI`. */
  trackingUri?: string;
  /** Left out: `MLFLOW_EXPERIMENT_NAME`, else the server's default experiment. Made where missing. */
  experiment?: string;
  /** Bearer token; left out: `MLFLOW_TRACKING_TOKEN`. */
  token?: string;
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
    if (idFile !== undefined) writeAtomic(idFile, [`${JSON.stringify({ tracking_uri: server.uri, run_id: id }, null, 2)}\n`]);
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

const runResponse = z.object({
  run: z.object({ data: z.object({ metrics: z.array(z.object({ step: z.coerce.number().default(0) })).default([]) }) }),
});

/** The address of a tracking server: the one that is given, else `MLFLOW_TRACKING_URI`. @throws TrainingError when it is no http address */
export function trackingServer(given = process.env.MLFLOW_TRACKING_URI): string {
  if (given !== undefined && /^https?:\/\//.test(given) && URL.canParse(given)) return given.replace(/\/$/, "");
  throw new TrainingError(`MLFLOW_TRACKING_URI: ${given || "not set"}: set it to the http address of an MLflow server`);
}

/** The calls of MLflow's REST API 2.0 (mlflow.org/docs, "REST API"). */
function connect({ trackingUri, experiment, token }: MlflowOptions) {
  const uri = trackingServer(trackingUri);
  const name = experiment ?? process.env.MLFLOW_EXPERIMENT_NAME;
  const bearer = token ?? process.env.MLFLOW_TRACKING_TOKEN;
  /** Undefined where there is no such thing. */
  const ask = async (method: "GET" | "POST", path: string, body?: object): Promise<unknown> => {
    const headers = { "Content-Type": "application/json", ...(bearer ? { Authorization: `Bearer ${bearer}` } : {}) };
    const signal = AbortSignal.timeout(60_000);
    try {
      const response = await fetch(`${uri}/api/2.0/mlflow/${path}`, { method, headers, signal, body: body && JSON.stringify(body) });
      const content = await response.text();
      if (response.ok) return JSON.parse(content);
      if (response.status === 404 && content.includes("RESOURCE_DOES_NOT_EXIST")) return undefined;
      throw new Error(`answers ${response.status} to ${path}: ${content.slice(0, 200).replaceAll(/\s+/g, " ")}`);
    } catch (error) {
      const { name, code, message } = ((error as Error).cause ?? error) as NodeJS.ErrnoException;
      const problem = name === "TimeoutError" ? "does not answer" : code ? `cannot be reached (${code})` : message;
      throw new TrainingError(`MLflow at ${uri} ${problem}`);
    }
  };
  const post = async (path: string, body: object): Promise<unknown> => {
    const answer = await ask("POST", path, body);
    if (answer === undefined)
      throw new TrainingError(`MLflow at ${uri} has not got what ${path} is about: ${JSON.stringify(body).slice(0, 100)}`);
    return answer;
  };
  const experimentId = async (): Promise<string> => {
    if (name === undefined) return "0"; // the experiment "Default"
    const found = await ask("GET", `experiments/get-by-name?experiment_name=${encodeURIComponent(name)}`);
    if (found !== undefined) return (found as { experiment: { experiment_id: string } }).experiment.experiment_id;
    return ((await post("experiments/create", { name })) as { experiment_id: string }).experiment_id;
  };
  return {
    uri,
    post,
    /** The last value of each of a run's metrics; undefined where there is no such run. */
    async metricsOf(run: string): Promise<{ step: number }[] | undefined> {
      const found = await ask("GET", `runs/get?run_id=${encodeURIComponent(run)}`);
      return found === undefined ? undefined : runResponse.parse(found).run.data.metrics;
    },
    async createRun(run_name: string | undefined): Promise<string> {
      const tags = [{ key: "mlflow.source.name", value: "erpo" }];
      const body = { experiment_id: await experimentId(), run_name, start_time: Date.now(), tags };
      return ((await post("runs/create", body)) as { run: { info: { run_id: string } } }).run.info.run_id;
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
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return flatten(value, `${key}.`);
    return [{ key, value: typeof value === "string" ? value : JSON.stringify(value) }];
  });
}
