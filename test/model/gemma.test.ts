import { cp, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createRng } from "../../src/backend/random.js";
import { configFromGguf, configToGguf, queryGainInGguf } from "../../src/model/gguf-metadata.js";
import { saveGguf } from "../../src/model/gguf-write.js";
import { type LanguageModel, loadModel } from "../../src/model/load.js";
import { createLora } from "../../src/model/lora.js";
import { queryGain } from "../../src/model/weights.js";
import { completionLogps } from "../../src/training/completion.js";
import { fixture } from "./open.js";

/** What Gemma 3 alone has, on the tiny random decoder that families.test.ts holds to transformers. */

let dir: string;
let model: LanguageModel;
let expected: { rows: number[][]; logps: number[][] };
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "erpo-gemma-"));
  await cp(fixture("families/gemma3"), join(dir, "gemma3"), { recursive: true });
  for (const file of ["tokenizer.json", "tokenizer_config.json"]) await cp(fixture(`llama-tiny/${file}`), join(dir, "gemma3", file));
  expected = JSON.parse(await readFile(fixture("families/gemma3.json"), "utf8"));
  model = await loadModel(join(dir, "gemma3"));
});
afterAll(async () => {
  model?.dispose();
  await rm(dir, { recursive: true });
});

test.each([26, 62])("with %i layers a GGUF file's norms and its reader's division come to the config's scores", (numLayers) => {
  const config = {
    ...model.config,
    numLayers,
    hiddenSize: 24,
    numHeads: 4,
    headDim: 8,
    queryScalar: 10,
    windows: Array(numLayers).fill(null),
  };
  const read = configFromGguf(Object.fromEntries(Object.entries(configToGguf(config)).map(([key, { value }]) => [key, value])), "x", true);
  expect(read.queryScalar).toBe(numLayers === 62 ? 6 : 8);
  expect(queryGainInGguf(config) * queryGain(read)).toBeCloseTo(queryGain(config), 12);
});

const scored = (of: LanguageModel, row: number[], lora: Parameters<typeof completionLogps>[2] = null): tf.Tensor1D =>
  completionLogps(of.decoder, [{ prompt: row.slice(0, 1), completion: row.slice(1) }], lora).logps;

test("as a GGUF file it scores as before: what that has no key for is in the norms of the queries", async () => {
  const path = join(dir, "gemma3.gguf");
  await saveGguf(path, model, null, "f32");
  const again = await loadModel(path);
  expect(again.config).toEqual({ ...model.config, queryScalar: model.config.headDim });
  tf.tidy(() =>
    scored(again, expected.rows[0]!)
      .dataSync()
      .forEach((x, i) => void expect(x).toBeCloseTo(expected.logps[0]![i]!, 4)),
  );
  again.dispose();
});

test("the gradient by one-hot tokens counts that embeddings are multiplied on their way in", () => {
  const row = expected.rows[0]!;
  const ids = (list: number[]) => tf.tensor2d([list], [1, list.length], "int32");
  const loss = (states: tf.Tensor2D): tf.Scalar =>
    tf.neg(
      tf.sum(model.decoder.tokenLogps(tf.slice(states, [0, 0], [row.length - 1, -1]), tf.tensor1d(row.slice(1), "int32"))),
    ) as tf.Scalar;
  const slopes = tf.tidy(() => model.decoder.oneHotGradient(row, loss).arraySync() as number[][]);
  /** The loss with some of a token added to what the first layer sees at a place. */
  const moved = (at: number, token: number, by: number) =>
    tf.tidy(() => {
      const added = model.decoder.forward(ids([token]), { capture: [-1] }).layers[-1]; // [1, 1, C]
      const place = tf.pad(tf.mul(added, by), [
        [0, 0],
        [at, row.length - 1 - at],
        [0, 0],
      ]);
      const { states } = model.decoder.forward(ids(row), { edit: { [-1]: (x) => tf.add(x, place) as tf.Tensor3D } });
      return loss(tf.reshape(states, [row.length, -1])).dataSync()[0]!;
    });
  for (const [at, token] of [
    [2, 100],
    [7, 33],
    [9, 250],
  ] as const) {
    const numeric = (moved(at, token, 0.01) - moved(at, token, -0.01)) / 0.02;
    expect(Math.abs(numeric)).toBeGreaterThan(0.01);
    expect(Math.abs(numeric / slopes[at]![token]! - 1), `token ${token} at ${at}: ${numeric}`).toBeLessThan(0.05);
  }
});

test("trained tokens that begin as the model's own change nothing, in passes and in sampling", () => {
  const row = expected.rows[0]!;
  const tokens = [row[1]!, row[5]!, 42];
  const before = model.decoder.embeddings(tokens);
  const config = { r: 2, alpha: 4, targetModules: ["q_proj"], layers: [1], trainableTokens: tokens } as const;
  const lora = createLora(model.config, config, createRng(1), before);
  tf.tidy(() =>
    scored(model, row, lora)
      .dataSync()
      .forEach((x, i) => void expect(x).toBeCloseTo(expected.logps[0]![i]!, 4)),
  );
  const weights = model.decoder.merged(lora);
  const { cache, logits } = model.decoder.prefill(weights, [row.slice(0, 6)]);
  expect(tf.tidy(() => tf.logSoftmax(logits).dataSync()[row[6]!])).toBeCloseTo(expected.logps[0]![5]!, 4);
  logits.dispose();
  cache.dispose();
  weights.dispose();
  lora.dispose();
});
