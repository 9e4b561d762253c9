import * as tf from "@tensorflow/tfjs";
import { beforeAll, expect, test } from "vitest";
import { createRng } from "../../src/backend/random.js";
import { waysOf } from "../../src/generation/contexts.js";
import { contrast, type DecodedRow, type Decoding, type LogitsRule, plain, searching, withLogits } from "../../src/generation/decoding.js";
import { policy } from "../../src/generation/policy.js";
import { type Prompt, sample } from "../../src/generation/sample.js";
import { bestOf } from "../../src/generation/search.js";
import { type LanguageModel, loadModel } from "../../src/model/load.js";
import { fixture } from "../model/open.js";

let model: LanguageModel;
let prompts: number[][];
beforeAll(async () => {
  model = await loadModel(fixture("llama-tiny"));
  prompts = ["Hello there", "a", "How are you today?"].map((text) => model.tokenizer.encode(text));
});

async function completions(decoding: Decoding, asked: readonly Prompt[] = prompts, batchSize = 3): Promise<number[][]> {
  const rows: number[][] = [];
  const options = { maxNewTokens: 12, batchSize, rng: createRng(1) };
  for await (const { index, ids } of sample(policy({ model, decoding }), asked, options)) rows[index] = ids;
  return rows;
}

/** Forbids a token, in the way that comes to mind first. */
const without =
  (token: number): LogitsRule =>
  (logits) =>
    tf.where(
      tf.oneHot(tf.fill([logits.shape[0]], token, "int32"), logits.shape[1], 1, 0, "bool"),
      Number.NEGATIVE_INFINITY,
      logits,
    ) as tf.Tensor2D;

test.each([0, 1])("a mask of -Infinity keeps a token out at temperature %d", async (temperature) => {
  const free = await completions(plain({ temperature }));
  const token = free[0]![0]!;
  const masked = await completions(withLogits(without(token), { token }, { temperature }));
  expect(masked.flat()).not.toContain(token);
  expect(masked.flat().every((id) => id >= 0 && id < model.config.vocabSize)).toBe(true);
});

test("a rule that gives another shape, or no tensor, is told in one line, and nothing is left behind", async () => {
  const before = tf.memory().numTensors;
  const { vocabSize } = model.config;
  for (const [rule, gave] of [
    [(logits: tf.Tensor2D) => tf.slice(logits, [0, 1]), `[3,${vocabSize - 1}]`],
    [async (logits: tf.Tensor2D) => logits, "a Promise"],
    [() => undefined, "undefined"],
  ] as [LogitsRule, string][])
    await expect(completions(withLogits(rule, {}))).rejects.toThrow(
      `logits rule: the logits are [3,${vocabSize}], it gave ${gave}; return a tensor of the same shape`,
    );
  expect(tf.memory().numTensors).toBe(before);
});

test("a rule that gives NaN for some tokens, or forbids all, is told with the prompt and the token, and nothing is left behind", async () => {
  const before = tf.memory().numTensors;
  const later: LogitsRule = (logits, _, rows) =>
    tf.where(tf.less(tf.range(0, logits.shape[1]), rows[0]!.ids.length === 2 ? logits.shape[1] - 1 : logits.shape[1]), logits, Number.NaN);
  const all: LogitsRule = (logits) => tf.fill(logits.shape, Number.NEGATIVE_INFINITY);
  const forced: LogitsRule = (logits) => tf.where(tf.equal(tf.range(0, logits.shape[1]), 3), Number.POSITIVE_INFINITY, logits);
  const run = (decoding: Decoding) => completions(decoding, prompts, 1);
  await expect(run(withLogits(later, {}))).rejects.toThrow(
    'policy "llama-tiny": prompt 2, token 3: the logits hold NaN or Infinity, or no finite number',
  );
  await expect(run(withLogits(all, {}))).rejects.toThrow(/prompt 2, token 1: .*, or look at what the decoding's rules and edits give/);
  await expect(run(withLogits(forced, {}))).rejects.toThrow("token 1: the logits hold NaN or Infinity");
  const tries = searching(bestOf({ n: 2, score: (own) => own.map(() => 0) }));
  await expect(completions({ ...tries, logits: all })).rejects.toThrow("try 3, token 1");
  expect(tf.memory().numTensors).toBe(before);
});

test("a rule sees each completion's tokens so far: a repetition penalty never repeats, where the model alone does", async () => {
  const seen = new Map<number, number[]>();
  const once: LogitsRule = (logits, _, rows) => {
    for (const { index, ids } of rows) seen.set(index, [...ids]);
    const penalty = tf.buffer(logits.shape, "float32");
    for (const [b, { ids }] of rows.entries()) for (const id of ids) penalty.set(1e9, b, id);
    return tf.sub(logits, penalty.toTensor());
  };
  const hot = { temperature: 0.3 };
  expect((await completions(plain(hot))).some((ids) => new Set(ids).size < ids.length)).toBe(true);
  const rows = await completions(withLogits(once, {}, hot), prompts, 2); // rows leave and join
  for (const [index, ids] of rows.entries()) {
    expect(new Set(ids).size).toBe(ids.length);
    expect(seen.get(index)).toEqual(ids.slice(0, -1));
  }
});

test("a rule that gives the logits back changes nothing, bit for bit, and nothing is left behind", async () => {
  const free = await completions(plain({ temperature: 1 }));
  const before = tf.memory().numTensors;
  expect(await completions(withLogits((own) => own, {}, { temperature: 1 }))).toEqual(free);
  expect(await completions(withLogits((own) => tf.mul(own, 1), {}, { temperature: 1 }))).toEqual(free);
  expect(tf.memory().numTensors).toBe(before);
});

test("other contexts get the chosen tokens too: their logits are those of a full pass under their own prompt", async () => {
  const question = { messages: [{ role: "user" as const, content: "Hello" }], prefill: "Well" };
  const contexts = [{ system: "You are a pirate." }, { template: "{{ messages[0].content }}: " }];
  const steps: { ids: number[]; logits: number[][] }[] = [];
  const watch: LogitsRule = (own, others, rows: readonly DecodedRow[]) => {
    steps.push({ ids: [...rows[0]!.ids], logits: others.map((other) => Array.from(other.dataSync())) });
    return own;
  };
  const { tokenizer, decoder } = model;
  const starts = [
    tokenizer.chat([{ role: "system", content: "You are a pirate." }, ...question.messages], { addGenerationPrompt: true }),
    "Hello: ",
  ].map((text) => tokenizer.encode(`${text}Well`));
  await completions(withLogits(watch, {}, { contexts }), [question], 1);
  for (const { ids, logits } of steps.slice(0, 4)) {
    for (const [c, start] of starts.entries()) {
      const all = [...start, ...ids];
      const full = tf.tidy(() => {
        const states = decoder.hidden(tf.tensor2d([all], [1, all.length], "int32")).squeeze([0]) as tf.Tensor2D;
        return Array.from(decoder.logits(states.slice([all.length - 1, 0])).dataSync());
      });
      for (const [v, x] of full.entries()) expect(logits[c]![v]).toBeCloseTo(x, 3);
    }
  }
});

test("a contrast asks with the policy's own chat template, and a context with one of its own keeps that", () => {
  const template = "{{ messages[-1].content }}: ";
  const { asking, decoding } = policy({ model, template, decoding: contrast({ against: "x", alpha: 1 }) });
  expect(waysOf({ asking, decoding })[1]).toEqual({ system: "x", template });
  const other = { template: "{{ messages[0].content }}" };
  expect(waysOf({ asking, decoding: withLogits((own) => own, {}, { contexts: [other] }) })[1]).toEqual(other);
  expect(decoding.identity).toEqual({ kind: "contrast", against: "x", alpha: 1, plausible: 0, temperature: 0 });
  expect(waysOf(policy({ model, literal: true, decoding })).map(({ literal }) => literal)).toEqual([true, true]);
});

test("a contrast that leaves the likeliest token alone is the policy without one", async () => {
  const asked = ["Hello", "a"].map((content) => ({ messages: [{ role: "user" as const, content }] }));
  const free = await completions(plain(), asked);
  expect(await completions(contrast({ against: "You are a pirate.", alpha: 5, plausible: 1 }), asked)).toEqual(free);
  expect(await completions(contrast({ against: "You are a pirate.", alpha: 5 }), asked)).not.toEqual(free);
});

test("token ids have no second way of asking", async () => {
  const two = withLogits((own) => own, {}, { contexts: [{ system: "x" }] });
  await expect(completions(two)).rejects.toThrow("sample: a decoding with several contexts needs questions (messages), not token ids");
});
