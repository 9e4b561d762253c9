import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createRng } from "../../src/backend/random.js";
import { loadAdapter, saveAdapter } from "../../src/model/adapter-io.js";
import { openRanges } from "../../src/model/files.js";
import { saveGguf } from "../../src/model/gguf-write.js";
import { type LanguageModel, loadModel } from "../../src/model/load.js";
import { createLora, type Lora } from "../../src/model/lora.js";
import { readSafetensors } from "../../src/model/safetensors.js";
import { saveModel } from "../../src/model/save.js";
import { completionLogps } from "../../src/training/completion.js";
import { trainSft } from "../../src/training/sft.js";
import expected from "../fixtures/token-rows.json" with { type: "json" }; // made by test/fixtures/token_rows_fixture.py
import { apart, fixture } from "./open.js";

let dir: string;
let model: LanguageModel;
let adapter: Lora;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "erpo-token-rows-"));
  model = await loadModel(fixture("llama-tiny"));
  adapter = await loadAdapter(fixture("token-rows-adapter"), model.config);
});
afterAll(async () => {
  adapter.dispose();
  model.dispose();
  await rm(dir, { recursive: true });
});

/** Log-probs of every token but the first as training computes them, `start` tokens of each row being its prompt. */
const logps = ({ decoder }: LanguageModel, lora: Lora | null, rows: number[][], start = 1): tf.Tensor1D =>
  completionLogps(
    decoder,
    rows.map((ids) => ({ prompt: ids.slice(0, start), completion: ids.slice(start) })),
    lora,
  ).logps;
const read = (logps: tf.Tensor1D) => tf.tidy(() => logps.dataSync());

test("log-probs agree with PEFT's trainable_token_indices, whose rows the tied head has too", () => {
  expect(adapter.tokens!.ids).toEqual([279, 17, 120]);
  expect(apart(read(logps(model, adapter, expected.rows)), expected.logps.flat())).toBeLessThan(1e-4);
  expect(apart(read(logps(model, null, expected.rows)), expected.logps.flat())).toBeGreaterThan(0.5); // the rows matter
});

test("logits are the log-probs' own, and so are those of sampling with the rows merged", () => {
  const before = tf.memory().numTensors;
  const weights = model.decoder.merged(adapter);
  const [row] = expected.rows;
  const { cache, logits } = model.decoder.prefill(weights, [row!.slice(0, 2)]);
  const seen = [tf.tidy(() => tf.logSoftmax(logits).dataSync()[row![2]!]!)];
  logits.dispose();
  for (let t = 2; t < 9; t++) {
    const next = model.decoder.step(weights, cache, [row![t]!]);
    seen.push(tf.tidy(() => tf.logSoftmax(next).dataSync()[row![t + 1]!]!));
    next.dispose();
  }
  expect(apart(seen, expected.logps[0]!.slice(1))).toBeLessThan(1e-4);
  cache.dispose();
  weights.dispose();
  expect(tf.memory().numTensors - before).toBeLessThanOrEqual(1); // the transposed head stays with the decoder
  const all = tf.tidy(() => {
    const { states } = model.decoder.forward(tf.tensor2d([row!], [1, 10], "int32"), { lora: adapter });
    return tf.logSoftmax(model.decoder.logits(tf.reshape(states, [10, -1]), adapter)).arraySync() as number[][];
  });
  const picked = row!.slice(1).map((id, t) => all[t]![id]!);
  expect(apart(picked, expected.logps[0]!)).toBeLessThan(1e-4);
});

test("an untied head keeps its own rows, as with PEFT", async () => {
  await cp(fixture("llama-untied"), join(dir, "untied"), { recursive: true });
  for (const file of ["tokenizer.json", "tokenizer_config.json"]) await cp(fixture(`llama-tiny/${file}`), join(dir, "untied", file)); // any tokenizer
  const untied = await loadModel(join(dir, "untied"));
  const lora = await loadAdapter(fixture("token-rows-untied-adapter"), untied.config);
  const { rows, logps: wanted } = expected.untied;
  expect(apart(read(logps(untied, lora, rows)), wanted.flat())).toBeLessThan(1e-4);
  await saveModel(join(dir, "untied-merged"), untied, lora);
  const merged = await loadModel(join(dir, "untied-merged"));
  expect(apart(read(logps(merged, null, rows)), wanted.flat())).toBeLessThan(1e-4);
  for (const made of [lora, untied, merged]) made.dispose();
});

test.each([false, true])("gradients of all variables agree with PyTorch; recomputed: %s", (recompute) => {
  const file = openRanges(fixture("token-rows-gradients.safetensors"));
  const stored = readSafetensors(file);
  const before = tf.memory().numTensors;
  const loss = () => {
    const rows = expected.rows.map((ids) => ({ prompt: ids.slice(0, 1), completion: ids.slice(1) }));
    return tf.neg(tf.mean(completionLogps(model.decoder, rows, adapter, recompute).logps)) as tf.Scalar;
  };
  const { value, grads } = tf.variableGrads(() => tf.tidy(loss), adapter.variables());
  adapter.names().forEach((name, i) => {
    expect(apart(grads[adapter.variables()[i]!.name]!.dataSync(), stored.read(name).data), name).toBeLessThan(1e-5);
  });
  tf.dispose([value, grads]);
  expect(tf.memory().numTensors).toBe(before);
  file.close();
});

test("where rows share their start, gradients are those of the rows one by one", () => {
  const rows = [
    [5, 17, 9, 120, 30],
    [5, 17, 9, 40, 17],
    [5, 17, 279, 41],
    [5, 17, 9, 40, 17, 50],
  ];
  const gradient = (parts: number[][][]) =>
    tf.tidy(() => {
      const loss = () => tf.addN(parts.map((part) => tf.sum(logps(model, adapter, part, 4)))) as tf.Scalar;
      return tf.variableGrads(loss, [adapter.tokens!.rows]).grads[adapter.tokens!.rows.name]!.dataSync();
    });
  const together = gradient([rows]);
  expect(Math.max(...together.map(Math.abs))).toBeGreaterThan(0.1);
  expect(apart(together, gradient(rows.map((row) => [row])))).toBeLessThan(1e-4);
});

test("an adapter whose rows begin as the embedding's changes nothing, and its rows are variables of its own", () => {
  const ids = [3, 17];
  const config = { r: 2, alpha: 4, targetModules: ["q_proj"], layers: [1], trainableTokens: ids } as const;
  const lora = createLora(model.config, config, createRng(1), model.decoder.embeddings(ids));
  expect(apart(read(logps(model, lora, expected.rows)), read(logps(model, null, expected.rows)))).toBeLessThan(1e-5);
  expect(lora.variables().length).toBe(3);
  const copy = lora.clone();
  copy.tokens!.rows.assign(tf.zerosLike(copy.tokens!.rows));
  expect(Math.max(...lora.tokens!.rows.dataSync().map(Math.abs))).toBeGreaterThan(0);
  for (const made of [lora, copy]) made.dispose();
  const bad = (trainableTokens: number[], rows: tf.Tensor2D | null) => () =>
    createLora(model.config, { ...config, trainableTokens }, createRng(1), rows);
  expect(bad([3, 3], null)).toThrow("LoRA: token 3 is named twice, or is not among the decoder's 0..279");
  expect(bad([280], null)).toThrow("LoRA: token 280");
  expect(bad([3], null)).toThrow("LoRA: 0 rows for 1 tokens");
});

test("saved and loaded again it is the same, with PEFT's field and key; other tokens and missing rows are named", async () => {
  await saveAdapter(join(dir, "saved"), adapter, "llama-tiny");
  const again = await loadAdapter(join(dir, "saved"), model.config);
  expect(again.names()).toEqual(adapter.names());
  expect(again.config).toEqual(adapter.config);
  again.variables().forEach((v, i) => void expect(v.dataSync()).toEqual(adapter.variables()[i]!.dataSync()));
  again.dispose();
  const file = join(dir, "saved", "adapter_config.json");
  const config = JSON.parse(await readFile(file, "utf8"));
  expect(config.trainable_token_indices).toEqual([279, 17, 120]);
  const withIndices = async (trainable_token_indices: unknown) => {
    await writeFile(file, JSON.stringify({ ...config, trainable_token_indices }));
    return loadAdapter(join(dir, "saved"), model.config);
  };
  (await withIndices({ embed_tokens: [279, 17, 120] })).dispose();
  await expect(withIndices([279, 17, 280])).rejects.toThrow(/field "trainable_token_indices": 280 is named twice, or is not among/);
  await expect(withIndices([279, 17])).rejects.toThrow(/trainable_tokens_delta is \[3,32\], the model and r = 2 need \[2,32\]/);
  await expect(withIndices(null)).rejects.toThrow(/unknown key base_model.model.model.embed_tokens.token_adapter/);
  await expect(withIndices({ lm_head: [1] })).rejects.toThrow(/field "trainable_token_indices/);
});

test("training moves the rows with the matrices, and goes on from a checkpoint bit for bit", async () => {
  const rows = expected.rows.map((ids) => ({ prompt: ids.slice(0, 3), completion: ids.slice(3) }));
  const train = async (folder: string, steps: number): Promise<number[]> => {
    const lora = adapter.clone();
    const options = {
      ...{
        lora,
        batches: [
          [0, 1],
          [2, 0],
          [1, 2],
          [0, 2],
        ],
        learningRate: 0.01,
        schedule: () => 1,
        maxGradNorm: 1,
        weightDecay: 0,
      },
      checkpoint: { dir: join(dir, folder), everySteps: 2 },
    };
    for await (const { step } of trainSft(model, rows, options)) if (step === steps) break;
    const values = lora.variables().flatMap((variable) => [...variable.dataSync()]);
    lora.dispose();
    return values;
  };
  const once = await train("once", 4);
  const moved = tf.tidy(() => tf.abs(tf.sub(tf.tensor(once.slice(-96)), tf.reshape(adapter.tokens!.rows, [-1]))).dataSync());
  expect(Math.min(...moved)).toBeGreaterThan(1e-4); // of all three tokens: 120 is only ever a target
  await train("twice", 3); // step 3 is lost
  expect(await train("twice", 4)).toEqual(once);
});

test("models exported with the adapter merged score as PEFT", async () => {
  await saveModel(join(dir, "merged"), model, adapter);
  await saveGguf(join(dir, "merged.gguf"), model, adapter, "f32");
  for (const path of ["merged", "merged.gguf"]) {
    const merged = await loadModel(join(dir, path));
    expect(apart(read(logps(merged, null, expected.rows)), expected.logps.flat())).toBeLessThan(1e-4);
    merged.dispose();
  }
});
