import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createRng } from "../../src/backend/random.js";
import { byMass } from "../../src/evaluation/by-mass.js";
import { refusalTokens } from "../../src/evaluation/readout.js";
import { contrast, plain, withEdits } from "../../src/generation/decoding.js";
import { type Policy, policy, policyIdentity } from "../../src/generation/policy.js";
import { sample } from "../../src/generation/sample.js";
import { type LanguageModel, loadModel } from "../../src/model/load.js";
import { fixture } from "../model/open.js";

let model: LanguageModel;
let R: number[];
beforeAll(async () => {
  model = await loadModel(fixture("llama-tiny"));
  R = refusalTokens(model.tokenizer);
});
afterAll(() => model.dispose());

/** Logits of a row in which refusals' words have so much probability, the first of them most; the others share the rest evenly. */
function logits(mass: number): tf.Tensor2D {
  const V = model.config.vocabSize;
  const row = Array.from({ length: V }, (_, v) =>
    R.includes(v) ? (v === R[0] ? 0.9 : 0.1 / (R.length - 1)) * mass : (1 - mass) / (V - R.length),
  );
  return tf.tensor2d([row.map(Math.log)]);
}

const chosen = (mass: number, begun: string): number =>
  tf.tidy(() => {
    const rule = byMass(policy({ model })).decoding.logits!;
    const given = logits(mass);
    return rule(given, [], [{ index: 0, ids: model.tokenizer.encode(begun) }])
      .argMax(1)
      .dataSync()[0]!;
  });

test("where an answer begins, a refusal's word is taken if and only if all of them together have half of the probability", () => {
  expect(R.length).toBeGreaterThan(1);
  for (const begun of ["", "<assess>none; a</assess><verify>b (R1): violates</verify><calibrate>refuse</calibrate><answer>"]) {
    expect(R).toContain(chosen(0.51, begun));
    expect(R).not.toContain(chosen(0.49, begun)); // although the likeliest token is one
  }
});

test("any other token is the one that greedy decoding takes", () => {
  for (const begun of ["a", "<assess>", "<answer>A"]) expect(chosen(0.2, begun)).toBe(R[0]);
});

test("rows of a batch are decided each for itself", () => {
  const rule = byMass(policy({ model })).decoding.logits!;
  const [low, high] = [logits(0.2), logits(0.9)];
  const begun = (text: string) => ({ index: 0, ids: model.tokenizer.encode(text) });
  const [first, second, third] = rule(tf.concat([low, high, low]) as tf.Tensor2D, [], [begun("<answer>"), begun("<answer>"), begun("no")])
    .argMax(1)
    .dataSync();
  expect([R.includes(first!), second, third]).toEqual([false, R[0], R[0]]);
});

test("completions begin as their prompts' masses say, and go on as the policy does", async () => {
  const questions = ["Hello", "What is this?", "And that?"].map((content) => ({ messages: [{ role: "user" as const, content }] }));
  const completions = async (asked: Policy) => {
    const all: number[][] = [];
    for await (const { index, ids } of sample(asked, questions, { maxNewTokens: 6, batchSize: 2, rng: createRng(1) })) all[index] = ids;
    return all;
  };
  const plain = policy({ model });
  const [before, after] = [await completions(plain), await completions(byMass(plain))];
  const differ = before.map((ids, i) => JSON.stringify(ids) !== JSON.stringify(after[i]));
  before.forEach((ids, i) => void expect(differ[i]).toBe(R.includes(ids[0]!))); // no word has half of a random model's mass
});

test("it is an identity of its own, and no second rule is put on a first", async () => {
  const plain = policy({ model, name: "p" });
  expect(byMass(plain).name).toBe("p-by-mass");
  expect(await policyIdentity(byMass(plain))).not.toEqual(await policyIdentity(plain));
  expect(() => byMass({ ...plain, decoding: contrast({ against: "x", alpha: 0.5 }) })).toThrow("p has a rule or a search of its own");
});

test("what the policy's own decoding depends on stays in its identity; plain decoding adds nothing to the rule's", () => {
  const identity = (decoding: Policy["decoding"]) => byMass(policy({ model, decoding })).decoding.identity;
  const steered = (strength: number) => identity(withEdits({ 0: (states) => states }, { strength }));
  expect(steered(1)).not.toEqual(steered(2));
  expect(steered(1)).toMatchObject({ kind: "logits rule", decoding: { kind: "edited", settings: { strength: 1 } } });
  const { code, ...greedy } = identity(plain());
  expect(greedy).toEqual({ kind: "logits rule", settings: { answers: "by mass", tokens: R }, temperature: 0 });
  expect(identity(plain({ temperature: 0.7, topK: 5 }))).toEqual({ ...greedy, code, temperature: 0.7, topK: 5 });
});
