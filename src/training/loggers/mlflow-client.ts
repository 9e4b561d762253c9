import { z } from "zod";
import { TrainingError } from "../errors.js";

/** A tracking server and where in it runs go. */
export interface MlflowServer {
  /** The http address of a tracking server; left out: `MLFLOW_TRACKING_URI`. */
  trackingUri?: string;
  /** Left out: `MLFLOW_EXPERIMENT_NAME`, else the server's default experiment. Made where missing. */
  experiment?: string;
  /** Bearer token; left out: `MLFLOW_TRACKING_TOKEN`. */
  token?: string;
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
export function connect({ trackingUri, experiment, token }: MlflowServer) {
  const uri = trackingServer(trackingUri);
  const name = experiment ?? (process.env.MLFLOW_EXPERIMENT_NAME || undefined);
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
