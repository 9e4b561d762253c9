import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { TokenRow } from "../../src/data/tokens.js";
import { loadAdapter } from "../../src/model/adapter-io.js";
import { adaptedModel } from "../../src/model/added-tokens.js";
import { openRanges } from "../../src/model/files.js";
import { type LanguageModel, loadModel } from "../../src/model/load.js";
import { type Lora, TOKEN_ROWS_KEY } from "../../src/model/lora.js";
import { readSafetensors } from "../../src/model/safetensors.js";
import { pivotObjective } from "../../src/training/pivot-objective.js";
import { evaluateRows, stepGradient } from "../../src/training/step.js";
import { sftObjective } from "../../src/training/token-objective.js";
import torch from "../fixtures/r2d-torch.json" with { type: "json" }; // made by test/fixtures/r2d_fixture.py
import { apart, fixture } from "../model/open.js";

let base: LanguageModel;
let model: LanguageModel;
let lora: Lora;
beforeAll(async () => {
  base = await loadModel(fixture("llama-tiny"));
  model = adaptedModel(fixture("r2d-adapter"), base);
  lora = await loadAdapter(fixture("r2d-adapter"), model.config);
});
afterAll(() => {
  lora.dispose();
  model.dispose();
  base.dispose();
});

const { safe, unsafe, rethink } = torch.pivots;
const rows: TokenRow[] = torch.rows.map((ids) => ({ prompt: ids.slice(0, torch.start), completion: ids.slice(torch.start) }));
const objective = (weight: number) => pivotObjective({ safe, unsafe, weight });

/** The gradient of a step by PEFT's keys. */
async function gradients(
  weight: number,
  some = rows,
  size = some.length,
): Promise<{ loss: number; columns: Record<string, number[]>; of: Record<string, number[]> }> {
  const { loss, columns, gradient } = (await stepGradient(model, some, objective(weight), { lora, size }, undefined))!;
  const flat = [...gradient.dataSync()];
  gradient.dispose();
  const sizes = lora.variables().map(({ size }) => size);
  const names = lora.names();
  const of = Object.fromEntries(
    names.map((name, i) => [name, flat.slice(...[i, i + 1].map((n) => sizes.slice(0, n).reduce((a, b) => a + b, 0)))]),
  );
  return { loss, columns, of };
}

test("loss and gradients of all variables are PyTorch's, whose micro-batches are rows", async () => {
  const file = openRanges(fixture("r2d-gradients.safetensors"));
  const stored = readSafetensors(file);
  const before = tf.memory().numTensors;
  const [whole, ce] = [await gradients(1), await gradients(0)];
  expect(whole.loss).toBeCloseTo(torch.loss, 4);
  expect(whole.loss - ce.loss).toBeCloseTo(torch.cpo, 4);
  for (const name of lora.names()) {
    expect(apart(whole.of[name]!, stored.read(name).data), name).toBeLessThan(2e-4);
    const added = whole.of[name]!.map((g, i) => g - ce.of[name]![i]!);
    expect(apart(added, stored.read(`cpo.${name}`).data), `what the pivot terms add to ${name}`).toBeLessThan(2e-4);
    expect(Math.max(...added.map(Math.abs)), name).toBeGreaterThan(1e-3);
  }
  expect(tf.memory().numTensors).toBe(before);
  file.close();
});

test("[RETHINK], which stands as a target alone, is moved by cross-entropy and by nothing else", async () => {
  const C = model.config.hiddenSize;
  const rowOf = (of: Record<string, number[]>, i: number) => of[TOKEN_ROWS_KEY]!.slice(i * C, (i + 1) * C);
  expect(rows[0]!.completion.at(-1)).toBe(rethink);
  const [whole, ce] = [await gradients(1), await gradients(0)];
  expect(apart(rowOf(whole.of, 2), rowOf(ce.of, 2))).toBeLessThan(1e-6);
  expect(Math.max(...rowOf(ce.of, 2).map(Math.abs))).toBeGreaterThan(1e-3);
  for (const i of [0, 1]) expect(apart(rowOf(whole.of, i), rowOf(ce.of, i))).toBeGreaterThan(1e-2);
});

test("a step's parts add up to the step, and a row alone counts as much as one with many pivots", async () => {
  const [whole, parts] = [await gradients(1), await gradients(1, rows, 1)];
  expect(parts.loss).toBeCloseTo(whole.loss, 4);
  for (const name of lora.names()) expect(apart(whole.of[name]!, parts.of[name]!)).toBeLessThan(1e-4);
  const alone = await Promise.all(rows.map((row) => evaluateRows(model, [row], objective(1), { lora, size: 1 })));
  expect(alone.reduce((sum, { eval_loss }) => sum + eval_loss!, 0) / rows.length).toBeCloseTo(torch.loss, 4);
});

test("without pivots, and of weight 0 for a row alone, it is SFT", async () => {
  for (const row of [rows[2]!, rows[1]!]) {
    const { eval_loss: sft } = await evaluateRows(model, [row], sftObjective, { lora, size: 1 });
    const { eval_loss } = await evaluateRows(model, [row], objective(0), { lora, size: 1 });
    expect(eval_loss).toBeCloseTo(sft!, 5);
  }
  const { columns } = await gradients(1, [rows[2]!]);
  expect(Object.keys(columns)).toEqual(["loss/tokens"]);
});

test("metrics: cross-entropy per row, pivot losses and right pivots per place", async () => {
  const { columns } = await gradients(1);
  expect(columns["loss/tokens"]!).toHaveLength(3);
  const own = rows.flatMap(({ completion }) => completion.filter((id) => id === safe || id === unsafe));
  expect(columns["loss/pivots"]!).toHaveLength(own.length);
  columns["pivots/accuracy"]!.forEach((right, k) => void expect(right).toBe(columns["loss/pivots"]![k]! < Math.LN2 ? 1 : 0));
  const byHand = torch.logps.map((row) => -row.slice(torch.start - 1).reduce((a, b) => a + b, 0) / (row.length - torch.start + 1));
  expect(apart(columns["loss/tokens"]!, byHand)).toBeLessThan(1e-4);
});

test("rows that cannot be trained on say what they lack", () => {
  expect(objective(1).lacks!({ prompt: [], completion: [1] })).toBe("has no prompt");
  expect(objective(1).lacks!({ prompt: [1], completion: [] })).toBe("has no completion");
});
