import * as tf from "@tensorflow/tfjs";
import { beforeAll, expect, test } from "vitest";
import { createRng } from "../../src/backend/random.js";
import { framePrompts, readFrames, readGeneral, readHeldOut } from "../../src/data/authored.js";
import { separate } from "../../src/data/splits.js";
import type { PromptRow } from "../../src/data/types.js";
import { perplexity, perplexityOf, readReferences } from "../../src/evaluation/usefulness.js";
import { promptIds } from "../../src/exante/rows.js";
import { policy } from "../../src/generation/policy.js";
import { type LanguageModel, loadModel } from "../../src/model/load.js";
import { fixture } from "../model/open.js";
import { scriptedModel } from "./scripted.js";

let tiny: LanguageModel;
beforeAll(async () => {
  tiny = await loadModel(fixture("llama-tiny"));
});

const thought = "<assess>none; sense; target: x</assess><verify>R1: does not violate</verify><calibrate>comply</calibrate><answer>";
const references = [
  { id: "a", prompt: "alpha", answer: "A short answer." },
  { id: "b", prompt: "beta", answer: "Another one, somewhat longer." },
];
const options = { thoughtTokens: 120, batchSize: 2, rng: createRng(1) };

/** Negative log-probability of each answer by full passes with a plain softmax. */
const byHand = (thoughts: Record<string, string>) =>
  references.map(({ prompt, answer }) => {
    const { tokenizer, decoder } = tiny;
    const before = [...promptIds(prompt, tokenizer), ...tokenizer.encode(thoughts[prompt] ?? "")];
    const target = tokenizer.encode(answer);
    const ids = [...before, ...target];
    return tf.tidy(() => {
      const states = decoder.hidden(tf.tensor2d([ids], [1, ids.length], "int32")).squeeze([0]) as tf.Tensor2D;
      const logps = tf.logSoftmax(decoder.logits(states)).arraySync() as number[][];
      return -target.reduce((sum, id, t) => sum + logps[before.length + t - 1]![id]!, 0);
    });
  });

test("two answers by hand", () => {
  // 6 nats over 3 tokens: mean 2; residuals 2 - 2 * 1 = 0 and 4 - 2 * 2 = 0
  expect(perplexityOf([2, 4], [1, 2])).toEqual({ perplexity: Math.exp(2), low: Math.exp(2), high: Math.exp(2), answers: 2, tokens: 3 });
  expect(perplexityOf([2], [1])).toMatchObject({ perplexity: Math.exp(2), low: 0, high: Infinity }); // one answer says nothing of others
  // 4 nats over 4 tokens: mean 1, residuals 1 and -1, se = sqrt(2 / 1 * 2) / 4 = 0.5
  const { perplexity, low, high } = perplexityOf([3, 1], [2, 2]);
  expect([perplexity, low, high].map(Math.log)).toEqual([1, 1 - 0.979982, 1 + 0.979982].map((x) => expect.closeTo(x, 5)));
});

test.each([
  ["right behind the prompt", { alpha: "No trace at all.", beta: "None." }, {}],
  ["behind the model's own thought", { alpha: `${thought}an answer`, beta: `${thought}x` }, { alpha: thought, beta: thought }],
  ["each in its way", { alpha: thought.replace("violate", "vio"), beta: `${thought}x` }, { beta: thought }],
])("answers are scored %s", async (_, script, thoughts) => {
  const { model } = scriptedModel(tiny, script);
  const before = tf.memory().numTensors;
  const got = await perplexity(policy({ model }), references, options);
  expect(tf.memory().numTensors).toBe(before);
  const sums = byHand(thoughts);
  expect(got.perplexity).toBeCloseTo(Math.exp((sums[0]! + sums[1]!) / got.tokens), 2);
  expect(got.thoughts).toBe(Object.keys(thoughts).length);
  const whole = perplexityOf(
    sums,
    references.map(({ answer }) => tiny.tokenizer.encode(answer).length),
  );
  for (const end of ["low", "high"] as const) expect(Math.log(got[end])).toBeCloseTo(Math.log(whole[end]), 3); // each answer's nats go with its own tokens
});

test("the references are 48, of 12 to 30 words, and near no prompt of any authored set", () => {
  const all = readReferences();
  expect(all).toHaveLength(48);
  expect(new Set(all.map(({ id }) => id)).size).toBe(48);
  expect(all.filter(({ answer }) => answer.split(" ").length < 12 || answer.split(" ").length > 30)).toEqual([]);
  const others = [...framePrompts(readFrames()), ...readGeneral(), ...readHeldOut("dev"), ...readHeldOut("test")];
  expect(separate(all as unknown as PromptRow[], others).dropped).toEqual([]);
});
