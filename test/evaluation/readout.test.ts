import * as tf from "@tensorflow/tfjs";
import { beforeAll, expect, test } from "vitest";
import { createRng } from "../../src/backend/random.js";
import { decisionLogOdds, decisionPrompt, logOdds, nextTokenLogOdds, noneToken, refusalTokens } from "../../src/evaluation/readout.js";
import { type Prompt, promptTokens } from "../../src/generation/asking.js";
import { withLogits } from "../../src/generation/decoding.js";
import { policy } from "../../src/generation/policy.js";
import { type LanguageModel, loadModel } from "../../src/model/load.js";
import { createLora, type Lora } from "../../src/model/lora.js";
import { fixture } from "../model/open.js";

let model: LanguageModel;
let lora: Lora;
let prompts: Prompt[];
beforeAll(async () => {
  model = await loadModel(fixture("llama-tiny"));
  lora = createLora(model.config, { r: 2, alpha: 4, targetModules: ["q_proj", "down_proj"], layers: [0, 1] }, createRng(5));
  for (const [i, v] of lora.variables().entries()) v.assign(tf.randomNormal(v.shape, 0, 0.3, "float32", i));
  prompts = ["Hello there", "a", "How are you today?", "Hello again"].map((text) => decisionPrompt(text, model.tokenizer));
});

/** Softmax of a row's last logits, without batch, prefix or padding. */
const probabilities = (ids: readonly number[], lora: Lora | null): Float32Array =>
  tf.tidy(() => {
    const states = model.decoder.hidden(tf.tensor2d([[...ids]], [1, ids.length], "int32"), { lora }).squeeze([0]) as tf.Tensor2D; // [T, C]
    return tf.softmax(model.decoder.logits(states.slice([ids.length - 1, 0]) as tf.Tensor2D)).dataSync() as Float32Array;
  });

test("the read-out of a batch is that of single full passes", async () => {
  for (const adapter of [null, lora]) {
    const token = noneToken(model.tokenizer);
    const odds = await decisionLogOdds(policy({ model, adapter }), prompts, token, 3);
    prompts.forEach((prompt, i) => {
      const ids = promptTokens(model.tokenizer, {}, prompt);
      const p = probabilities(ids, adapter)[token]!;
      expect(odds[i]).toBeCloseTo(Math.log((1 - p) / p), 3);
    });
  }
});

test("the odds of a set are those of its summed probability", async () => {
  const odds = await nextTokenLogOdds(policy({ model }), prompts, [3, 7, 11], 2);
  prompts.forEach((prompt, i) => {
    const ids = promptTokens(model.tokenizer, {}, prompt);
    const all = probabilities(ids, null);
    const p = all[3]! + all[7]! + all[11]!;
    expect(odds[i]).toBeCloseTo(Math.log(p / (1 - p)), 3);
  });
});

test("tokens that a rule has forbidden by -Infinity leave the odds of the others as they are", () => {
  const odds = (logits: number[], tokens: number[]) => tf.tidy(() => logOdds(tf.tensor2d([logits]), tokens).dataSync()[0]!);
  const forbidden = Number.NEGATIVE_INFINITY;
  expect(odds([1, 2, 3, forbidden], [0, 3])).toBeCloseTo(1 - Math.log(Math.exp(2) + Math.exp(3)), 5);
  expect(odds([1, 2, 3, forbidden], [0])).toBe(odds([1, 2, 3, -1e9], [0]));
});

test("timers and signals get their turn behind each batch of a read-out", async () => {
  let turns = 0;
  const turn = () => {
    turns++;
    next = setImmediate(turn);
  };
  let next = setImmediate(turn);
  await nextTokenLogOdds(policy({ model }), prompts, [3], 1);
  clearImmediate(next);
  expect(turns).toBeGreaterThanOrEqual(prompts.length);
});

test("a policy whose logits are NaN is named, not read", async () => {
  const decoding = withLogits((logits) => tf.mul(logits, Number.NaN), {});
  const read = nextTokenLogOdds(policy({ model, name: "mine", decoding }), prompts, [3], 2);
  await expect(read).rejects.toThrow('policy "mine": read-out of prompt 2: the logits hold NaN');
});

test("a read-out leaves no tensor behind", async () => {
  const before = tf.memory().numTensors;
  await decisionLogOdds(policy({ model, adapter: lora }), prompts, 5, 2);
  expect(tf.memory().numTensors).toBe(before);
});

test("the tokens read are the first of what training writes", () => {
  const { tokenizer } = model;
  expect(tokenizer.decode([noneToken(tokenizer)])).toBe(tokenizer.decode(tokenizer.encode("none").slice(0, 1)));
  expect(refusalTokens(tokenizer).map((id) => tokenizer.decode([id]))).toEqual(
    ["I", "S"].map((c) => tokenizer.decode([tokenizer.encode(c)[0]!])),
  );
});
