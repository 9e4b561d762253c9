import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { logMetrics } from "../../../src/training/loggers/logger.js";
import { mlflowLogger } from "../../../src/training/loggers/mlflow.js";
import type { StepMetrics } from "../../../src/training/metrics.js";
import { MlflowServer } from "./mlflow-server.js";

let dir: string;
let server: MlflowServer;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "erpo-mlflow-"));
  server = new MlflowServer();
  await server.start();
});
afterEach(() => {
  vi.unstubAllEnvs();
  server.stop();
  rmSync(dir, { recursive: true });
});

const step = (n: number, more: object = {}) => ({ step: n, loss: 1 / n, "rewards/margins": n, step_seconds: 2, ...more }) as StepMetrics;
const stepsOf = (run: number, key = "loss") => server.runs[run]!.metrics.filter((m) => m.key === key).map((m) => m.step);

test("a run has its name, its parameters as texts, and each step's numbers; names come from MLflow's environment", async () => {
  vi.stubEnv("MLFLOW_TRACKING_URI", `${server.uri}/`);
  vi.stubEnv("MLFLOW_EXPERIMENT_NAME", "tiny & co");
  vi.stubEnv("MLFLOW_TRACKING_TOKEN", "secret");
  const before = Date.now();
  const logger = mlflowLogger({ runName: "a", params: { method: "dpo", lora: { r: 2 }, layers: [0, 1], resume: false, none: undefined } });
  logger.log(step(1));
  logger.log(step(2, { loss: Number.NaN }));
  await logger.close();
  expect(server.experiments.get("1")).toBe("tiny & co");
  expect(server.runs).toHaveLength(1);
  const { experiment, name, status, params, metrics } = server.runs[0]!;
  expect({ experiment, name, status }).toEqual({ experiment: "1", name: "a", status: "FINISHED" });
  expect(params).toEqual({ method: "dpo", "lora.r": "2", layers: "[0,1]", resume: "false" });
  expect(metrics.map(({ key, value, step }) => [step, key, value])).toEqual([
    [1, "loss", 1],
    [1, "rewards/margins", 1],
    [1, "step_seconds", 2],
    [2, "loss", "NaN"],
    [2, "rewards/margins", 2],
    [2, "step_seconds", 2],
  ]);
  for (const { timestamp } of metrics) expect(timestamp).toBeGreaterThanOrEqual(before);
  expect(new Set(server.tokens)).toEqual(new Set(["Bearer secret"]));
});

test("a long training takes calls of at most 1,000 metrics", async () => {
  const rows = Array.from({ length: 1200 }, (_, i) => step(i + 1));
  await logMetrics(rows, [mlflowLogger({ trackingUri: server.uri })]);
  expect(stepsOf(0)).toEqual(rows.map((row) => row.step));
});

test("a resumed run goes on with its run: steps that the server lacks are sent, none twice; earlier ones end when they ended", async () => {
  const options = { trackingUri: server.uri, idFile: join(dir, "mlflow.json"), params: { a: 1 }, totalSteps: 8 };
  const first = mlflowLogger(options);
  for (const n of [1, 2, 3, 4]) first.log(step(n));
  await first.close(); // stopped: steps 5 and 6 were computed and not logged, the checkpoint is of step 6
  expect(server.runs[0]!.status).toBe("KILLED");
  const now = Date.now();
  const second = mlflowLogger(
    options,
    [1, 2, 3, 4, 5, 6].map((n) => step(n)),
  );
  for (const n of [7, 8]) second.log(step(n));
  await second.close();
  expect(server.runs).toHaveLength(1);
  expect(stepsOf(0)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  expect(server.runs[0]!.status).toBe("FINISHED");
  const fifth = server.runs[0]!.metrics.find((m) => m.step === 5)!.timestamp; // 2 s before the sixth, which is when the second began
  expect(Math.abs(fifth - (now - 2000))).toBeLessThan(1000);

  const third = mlflowLogger(
    options,
    [1, 2, 3, 4].map((n) => step(n)),
  ); // from a checkpoint before what the server has
  for (const n of [5, 6, 7, 8]) third.log(step(n));
  await third.close();
  expect(stepsOf(0)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
});

test("a training that starts over, or whose run the server has no more, gets a run of its own, with all its steps", async () => {
  const options = { trackingUri: server.uri, idFile: join(dir, "mlflow.json") };
  for (const _ of [1, 2]) await logMetrics([step(1)], [mlflowLogger(options)]);
  expect(server.runs).toHaveLength(2);
  expect(JSON.parse(readFileSync(options.idFile, "utf8"))).toEqual({ tracking_uri: server.uri, run_id: "1" });
  server.runs.length = 0;
  const logger = mlflowLogger(options, [step(1)]);
  logger.log(step(2));
  await logger.close();
  expect(stepsOf(0)).toEqual([1, 2]);
});

test.each([
  ["answers 503", 503, /^MLflow at http:\S+ answers 503 to runs\/create: \{"error_code":"BUSY"\}/],
  ["answers 401", 401, /^MLflow at http:\S+ answers 401 to runs\/create/],
  ["cuts the line", 0, /^MLflow at http:\S+ cannot be reached \(UND_ERR_SOCKET\)/],
])("a server that %s: one warning, and the end says which steps are lost; one that comes back loses none", async (_, failing, cause) => {
  const warnings: string[] = [];
  server.failing = failing;
  const lost = mlflowLogger({ trackingUri: server.uri, warn: (line) => warnings.push(line) });
  for (const n of [1, 2, 3]) {
    lost.log(step(n));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const error: Error = await lost.close().then(String, (e) => e);
  expect(error.name).toBe("TrainingError");
  expect(error.message).toMatch(cause);
  expect(error.message).toMatch(/: steps 1 to 3 are lost to MLflow; metrics.jsonl has them$/);
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toMatch(/: training goes on, and its steps wait$/);

  const back = mlflowLogger({ trackingUri: server.uri, warn: () => {} });
  back.log(step(1));
  await new Promise((resolve) => setTimeout(resolve, 50));
  server.failing = undefined;
  back.log(step(2));
  await back.close();
  expect(stepsOf(0)).toEqual([1, 2]);
});

test("a server that is not there is named in one line, as is a page that is no MLflow", async () => {
  const warnings: string[] = [];
  const warn = (line: string) => void warnings.push(line);
  const gone = new MlflowServer();
  await gone.start();
  const { uri } = gone;
  gone.stop();
  await expect(logMetrics([step(1)], [mlflowLogger({ trackingUri: uri, warn })])).rejects.toThrow(
    /cannot be reached \(\w+\): step 1 is lost/,
  );
  const other = mlflowLogger({ trackingUri: `${server.uri}/other`, warn });
  await expect(logMetrics([step(1)], [other])).rejects.toThrow("answers 404 to runs/create");
  expect(warnings).toHaveLength(2);
});

test.each([
  [undefined, "MLFLOW_TRACKING_URI: not set: set it to the http address of an MLflow server"],
  ["sqlite:///mlflow.db", "MLFLOW_TRACKING_URI: sqlite:///mlflow.db: set it"],
])("an address of %s is refused before anything is computed", (uri, message) => {
  vi.stubEnv("MLFLOW_TRACKING_URI", uri);
  expect(() => mlflowLogger()).toThrow(message);
});
