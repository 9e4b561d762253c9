import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { packageRoot } from "../../../src/setup/paths.js";
import { checkReportTo, reported } from "../../../src/training/loggers/report-to.js";
import type { StepMetrics } from "../../../src/training/metrics.js";
import { parseRunConfig } from "../../../src/training/run-config.js";
import { fixture } from "../../model/open.js";
import { MlflowServer } from "./mlflow-server.js";

let dir: string;
let server: MlflowServer;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "erpo-report-"));
  server = new MlflowServer();
  await server.start();
  vi.stubEnv("MLFLOW_TRACKING_URI", server.uri);
});
afterEach(() => {
  vi.unstubAllEnvs();
  server.stop();
  rmSync(dir, { recursive: true, force: true });
});

const config = (more: object) =>
  parseRunConfig({ method: "sft", model: "m", data: "d", output_dir: dir, max_steps: 4, ...more }, "RUN.json");
const step = (n: number) => ({ step: n, loss: n, step_seconds: 1 }) as StepMetrics;
const written = (...steps: number[]) =>
  writeFileSync(join(dir, "metrics.jsonl"), steps.map((n) => `${JSON.stringify(step(n))}\n`).join(""));

async function* training(...steps: number[]): AsyncGenerator<StepMetrics> {
  for (const n of steps) yield step(n);
}

async function report(steps: AsyncIterable<StepMetrics>, more: object): Promise<{ seen: number[]; lines: string[] }> {
  const [seen, lines]: [number[], string[]] = [[], []];
  for await (const { step } of reported(steps, config(more), (line) => lines.push(line))) seen.push(step);
  return { seen, lines };
}

const loggedSteps = () => server.runs.map(({ metrics }) => metrics.filter(({ key }) => key === "loss").map((m) => m.step));

test("steps go where report_to says, and nowhere without it", async () => {
  const { seen } = await report(training(1, 2, 3, 4), {});
  expect(seen).toEqual([1, 2, 3, 4]);
  expect(readdirSync(dir)).toEqual([]);
  await report(training(1, 2, 3, 4), { report_to: "mlflow" });
  expect(readdirSync(dir)).toEqual(["mlflow.json"]);
  await report(training(1, 2, 3, 4), { report_to: ["tensorboard", "mlflow"] });
  expect(readdirSync(join(dir, "runs"))).toHaveLength(1);
  await report(training(1), { report_to: "tensorboard", logging_dir: join(dir, "elsewhere") });
  expect(readdirSync(join(dir, "elsewhere"))).toHaveLength(1);
  expect(loggedSteps()).toEqual([
    [1, 2, 3, 4],
    [1, 2, 3, 4],
  ]);
  expect(server.runs[0]).toMatchObject({ name: dir, status: "FINISHED", params: { method: "sft", max_steps: "4", report_to: "mlflow" } });
});

test("a stopped training is marked, and goes on with its run; one stopped behind its last step is made whole", async () => {
  const options = { report_to: "mlflow", resume: true };
  await report(training(1, 2), options);
  expect(server.runs[0]!.status).toBe("KILLED");
  written(1, 2, 3); // step 3 was computed, and the process killed before it was sent
  await report(training(4), options);
  expect(loggedSteps()).toEqual([[1, 2, 3, 4]]);
  server.runs[0]!.metrics.splice(-2);
  written(1, 2, 3, 4);
  await report(training(), options);
  expect(loggedSteps()).toEqual([[1, 2, 3, 4]]);
  expect(server.runs[0]!.status).toBe("FINISHED");
});

test("a reader that leaves closes the loggers; a training that fails keeps its own error", async () => {
  for await (const _ of reported(training(1, 2), config({ report_to: "mlflow" }), () => {})) break;
  expect(loggedSteps()).toEqual([[1]]);
  async function* failing(): AsyncGenerator<StepMetrics> {
    yield step(1);
    throw new Error("step 2: the loss is NaN");
  }
  await expect(report(failing(), { report_to: "mlflow" })).rejects.toThrow("step 2: the loss is NaN");
  expect(server.runs[1]!.status).toBe("KILLED");
});

test("a server that does not answer costs two lines, and no step", async () => {
  server.failing = 500;
  const { seen, lines } = await report(training(1, 2, 3, 4), { report_to: "mlflow" });
  expect(seen).toEqual([1, 2, 3, 4]);
  expect(lines).toHaveLength(2);
  expect(lines[0]).toMatch(/answers 500 .*: training goes on, and its steps wait$/);
  expect(lines[1]).toMatch(/steps 1 to 4 are lost to MLflow; metrics.jsonl has them$/);
});

test("an address that MLflow has not is named before training; so is a tracker that there is not", () => {
  vi.stubEnv("MLFLOW_TRACKING_URI", "");
  expect(() => checkReportTo(config({ report_to: "mlflow" }))).toThrow("MLFLOW_TRACKING_URI: not set");
  expect(() => checkReportTo(config({ report_to: "tensorboard" }))).not.toThrow();
  expect(() => config({ report_to: "wandb" })).toThrow(
    'RUN.json: field "report_to": must be "none", "tensorboard", "mlflow", or a list of the latter two',
  );
});

test("erpo train reports, and refuses before it computes", () => {
  const run = {
    method: "sft",
    model: fixture("llama-tiny"),
    data: join(dir, "rows.jsonl"),
    output_dir: join(dir, "out"),
    max_steps: 2,
    batch_size: 1,
  };
  writeFileSync(run.data, '{"prompt": "a", "completion": " b"}\n');
  const erpo = (fields: object) => {
    writeFileSync(join(dir, "RUN.json"), JSON.stringify({ ...run, ...fields }));
    const env = { ...process.env, MLFLOW_TRACKING_URI: "" };
    return spawnSync(process.execPath, [join(packageRoot(), "src/setup/bootstrap.mjs"), "train", join(dir, "RUN.json")], {
      encoding: "utf8",
      env,
    });
  };
  const refused = erpo({ report_to: "mlflow" });
  expect(refused.status).toBe(1);
  expect(refused.stderr).toBe("erpo: MLFLOW_TRACKING_URI: not set: set it to the http address of an MLflow server\n");
  expect(erpo({ report_to: "tensorboard" }).status).toBe(0);
  expect(readdirSync(join(dir, "out/runs"))).toHaveLength(1);
}, 120_000);
