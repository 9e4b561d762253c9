import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { inputMask } from "../../src/backend/ops/dropout.js";
import {
  constant,
  createLora,
  createRng,
  evaluateRows,
  type LanguageModel,
  LINEAR_NAMES,
  loadAdapter,
  loadModel,
  sftObjective,
  type TrainOptions,
  train,
} from "../../src/index.js";
import transformers from "../fixtures/llama-tiny.json" with { type: "json" }; // made by test/fixtures/llama_fixture.py
import { fixture } from "../model/open.js";

// ops.test.ts holds the gradients with masks equal to tfjs's own.

let model: LanguageModel;
const root = mkdtempSync(join(tmpdir(), "erpo-dropout-"));
beforeAll(async () => {
  model = await loadModel(fixture("llama-tiny"));
});
afterAll(() => {
  model.dispose();
  rmSync(root, { recursive: true, force: true });
});

const rows = transformers.rows.map((ids, b) => ({ prompt: ids.slice(0, 5), completion: ids.slice(5, transformers.lengths[b]) }));
const dropout = { p: 0.3, rng: createRng(4) };
const plan = { batches: Array(4).fill([0, 1, 2]), microBatch: 2, learningRate: 0.01, schedule: constant(), maxGradNorm: 1, weightDecay: 0 };

/** Losses, gradients' norms and the trained adapter. */
async function run(more: Partial<TrainOptions>, lora?: TrainOptions["lora"], signal?: AbortController): Promise<number[]> {
  const own = lora ?? (await loadAdapter(fixture("llama-tiny-adapter"), model.config));
  const numbers: number[] = [];
  for await (const { step, loss, grad_norm } of train(model, rows, sftObjective, { ...plan, lora: own, ...more, signal: signal?.signal })) {
    numbers.push(loss, grad_norm);
    if (step === 2) signal?.abort();
  }
  numbers.push(...own.variables().flatMap((variable) => [...variable.dataSync()]));
  own.dispose();
  return numbers;
}

test("a mask drops a share p, scales the rest by 1 / (1 - p), and is the same when it is drawn again", () => {
  const mask = inputMask(0.25, 101, createRng(1));
  const [values, again] = [mask(200), mask(200)].map((tensor) => [...tensor.dataSync()]);
  expect(again).toEqual(values);
  expect(new Set(values)).toEqual(new Set([0, Math.fround(4 / 3)]));
  const share = values!.filter((x) => x === 0).length / values!.length;
  expect(Math.abs(share - 0.25)).toBeLessThan(4 * Math.sqrt((0.25 * 0.75) / values!.length)); // four standard errors
  expect([...inputMask(0.25, 101, createRng(2))(200).dataSync()]).not.toEqual(values);
});

test("what is not the adapter's is not dropped: with B = 0 the loss is as without, the gradient is not", async () => {
  const fresh = () => createLora(model.config, { r: 4, alpha: 8, targetModules: LINEAR_NAMES, layers: [0, 1] }, createRng(1));
  const [loss, norm] = await run({}, fresh());
  const [dropped, otherNorm] = await run({ dropout }, fresh());
  expect(dropped).toBe(loss);
  expect(otherNorm).not.toBe(norm);
});

test("every step and micro-batch draws its own; evaluation draws none", async () => {
  const lora = await loadAdapter(fixture("llama-tiny-adapter"), model.config);
  const measure = () => evaluateRows(model, rows, sftObjective, { lora, size: 3 });
  const before = await measure();
  const losses: number[] = [];
  const options = { ...plan, lora, learningRate: 0, dropout, evaluation: { everySteps: 1, measure } };
  for await (const { loss, eval_loss } of train(model, rows, sftObjective, options)) {
    losses.push(loss);
    expect(eval_loss).toBe(before.eval_loss);
  }
  expect(new Set(losses).size).toBe(losses.length);
  lora.dispose();
});

test("gradient checkpointing changes no bit, and neither does a stop on the way", async () => {
  const whole = await run({ dropout });
  expect(await run({ dropout, gradientCheckpointing: true })).toEqual(whole);
  const checkpoint = { dir: join(root, "stopped"), everySteps: 10, log: () => {} };
  const stopped = (await run({ dropout, checkpoint }, undefined, new AbortController())).slice(0, 4);
  expect([...stopped, ...(await run({ dropout, checkpoint }))]).toEqual(whole);
  await expect(run({ dropout: { p: 0.2, rng: createRng(4) }, checkpoint })).rejects.toThrow("made with dropout.p 0.3 (now 0.2)");
});
