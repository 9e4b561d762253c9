import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { constant, evaluateRows, type LanguageModel, type Lora, loadAdapter, loadModel, sftObjective, train } from "../../src/index.js";
import type { CheckpointOptions } from "../../src/training/options.js";
import { runTraining } from "../../src/training/run.js";
import { parseRunConfig } from "../../src/training/run-config.js";
import transformers from "../fixtures/llama-tiny.json" with { type: "json" }; // made by test/fixtures/llama_fixture.py
import { fixture } from "../model/open.js";

// cli.test.ts compares a run's eval_ metrics with TRL's.

let model: LanguageModel;
let lora: Lora;
let dir: string;
const root = mkdtempSync(join(tmpdir(), "erpo-evaluation-"));
beforeAll(async () => {
  model = await loadModel(fixture("llama-tiny"));
});
beforeEach(async () => {
  lora?.dispose();
  lora = await loadAdapter(fixture("llama-tiny-adapter"), model.config);
  dir = mkdtempSync(join(root, "run-"));
});
afterAll(() => {
  lora.dispose();
  model.dispose();
  rmSync(root, { recursive: true, force: true });
});

const { rows: sequences, lengths, adapter_logps } = transformers;
const rows = sequences.map((ids, b) => ({ prompt: ids.slice(0, 5), completion: ids.slice(5, lengths[b]) }));
const values = () => lora.variables().map((variable) => [...variable.dataSync()]);
const checkpoints = () =>
  readdirSync(dir)
    .filter((name) => name.startsWith("checkpoint"))
    .sort();

/** Eight steps whose evaluations, at every second one, come to these losses; the adapter after each step. */
async function steps(losses: number[], checkpoint: Partial<CheckpointOptions>): Promise<number[][][]> {
  const adapters: number[][][] = [];
  const measure = async () => ({ eval_loss: losses[adapters.length >> 1]! });
  const plan = { batches: Array(8).fill([0, 1, 2]), learningRate: 0.01, schedule: constant(), maxGradNorm: 1, weightDecay: 0 };
  const options = { ...plan, lora, evaluation: { everySteps: 2, measure }, checkpoint: { dir, everySteps: 2, ...checkpoint } };
  for await (const { step, eval_loss } of train(model, rows, sftObjective, options)) {
    adapters.push(values());
    expect(eval_loss).toBe(step % 2 ? undefined : losses[(step >> 1) - 1]);
  }
  return adapters;
}

test("held-out rows: the mean over all their tokens, however they are cut up; nothing stays behind", async () => {
  const before = tf.memory().numTensors;
  const nll = rows.flatMap((row, b) => row.completion.map((_, k) => -adapter_logps[b]![4 + k]!)); // transformers'
  for (const size of [1, 2, 3]) {
    const { eval_loss } = await evaluateRows(model, rows, sftObjective, { lora, size });
    expect(eval_loss).toBeCloseTo(nll.reduce((a, b) => a + b, 0) / nll.length, 4);
  }
  expect(tf.memory().numTensors).toBe(before);
});

test.each([
  ["lowest", 4],
  ["highest", 2],
] as const)("the adapter becomes that of the checkpoint with the %s value, which is kept", async (wanted, step) => {
  const lines: string[] = [];
  const best = { metric: "eval_loss", wanted };
  const adapters = await steps([3, 1, 2, 1], { best, limit: 1, log: (line) => lines.push(line) });
  expect(checkpoints()).toEqual([`checkpoint-${step}`, "checkpoint-8"]);
  expect(values()).toEqual(adapters[step - 1]);
  expect(lines).toEqual([`took step ${step}, whose eval_loss of ${wanted === "lowest" ? 1 : 3} is the ${wanted}`]);
  lora.dispose();
  lora = await loadAdapter(fixture("llama-tiny-adapter"), model.config);
  expect(await steps([], { best, limit: 1 })).toEqual([]); // it is done, and comes to the same adapter
  expect(values()).toEqual(adapters[step - 1]);
});

test("a run that was stopped and goes on knows the best checkpoint of before", async () => {
  const best = { metric: "eval_loss", wanted: "lowest" } as const;
  const abort = new AbortController();
  let evaluations = 0;
  const evaluation = { everySteps: 2, measure: async () => ({ eval_loss: [1, 2, 3, 2][evaluations++]! }) };
  const plan = { batches: Array(8).fill([0, 1, 2]), learningRate: 0.01, schedule: constant(), maxGradNorm: 1, weightDecay: 0 };
  const options = { ...plan, lora, evaluation, checkpoint: { dir, everySteps: 2, best, limit: 1, log: () => {} } };
  let second: number[][] = [];
  for await (const { step } of train(model, rows, sftObjective, { ...options, signal: abort.signal })) {
    if (step === 2) second = values();
    if (step === 5) abort.abort();
  }
  expect(checkpoints()).toEqual(["checkpoint-2", "checkpoint-5"]);
  const other = { ...options, checkpoint: { ...options.checkpoint, best: { ...best, wanted: "highest" as const } } };
  await expect(train(model, rows, sftObjective, other).next()).rejects.toThrow('made with best.wanted "lowest" (now "highest")');
  for await (const _ of train(model, rows, sftObjective, options));
  expect(checkpoints()).toEqual(["checkpoint-2", "checkpoint-8"]);
  expect(values()).toEqual(second);
});

test("as many checkpoints are kept as are asked for, the newest", async () => {
  await steps([1, 1, 1, 1], { limit: 3 });
  expect(checkpoints()).toEqual(["checkpoint-4", "checkpoint-6", "checkpoint-8"]);
});

test("a value that is no number is not the lowest", async () => {
  const best = { metric: "eval_loss", wanted: "lowest" } as const;
  const adapters = await steps([Number.NaN, 3, Number.NaN, Number.NaN], { best, limit: 1, log: () => {} });
  expect(checkpoints()).toEqual(["checkpoint-4", "checkpoint-8"]);
  expect(values()).toEqual(adapters[3]);
});

test("held-out rows that count for nothing have no loss", async () => {
  const weightless = rows.map((row) => ({ ...row, weights: row.completion.map(() => 0) }));
  await expect(evaluateRows(model, weightless, sftObjective, { lora, size: 2 })).rejects.toThrow(
    /^held-out rows: no completion token counts/,
  );
  await expect(evaluateRows(model, [], sftObjective, { lora, size: 2 })).rejects.toThrow("held-out rows");
  const [data, held] = ["rows.jsonl", "held.jsonl"].map((name) => join(dir, name)) as [string, string];
  writeFileSync(data, JSON.stringify({ prompt_ids: [5], completion_ids: [6] }));
  writeFileSync(held, JSON.stringify({ prompt_ids: [5], completion_ids: [6], weights: [0] }));
  const run = { method: "sft", model: "llama-tiny", data, eval_data: held, output_dir: join(dir, "run"), max_steps: 1 };
  const begun = runTraining(parseRunConfig(run, "run.json"), model, { log: () => {} }).next();
  await expect(begun).rejects.toThrow(`${held}: no completion token counts`);
});

test("a metric that there is not is named before anything is stored", async () => {
  const best = { metric: "eval_accuracy", wanted: "highest" } as const;
  await expect(steps([1, 1, 1, 1], { best })).rejects.toThrow(/^step 2 has no metric eval_accuracy to choose .*eval_loss/);
  expect(checkpoints()).toEqual([]);
});

test("a metric that the first evaluation does not give is named then, before a checkpoint is due", async () => {
  const best = { metric: "eval_accuracy", wanted: "highest" } as const;
  await expect(steps([1, 1, 1, 1], { best, everySteps: 4 })).rejects.toThrow("step 2 has no metric eval_accuracy");
});
