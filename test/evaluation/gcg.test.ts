import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { createRng } from "../../src/backend/random.js";
import { type GcgBudget, type GcgOptions, type GcgState, gcg, gcgAttack, suffixGradient } from "../../src/evaluation/gcg.js";
import { policyLogps } from "../../src/evaluation/policy-logps.js";
import { asciiTokens, suffixPlace } from "../../src/evaluation/suffix.js";
import { withLogits } from "../../src/generation/decoding.js";
import { type Policy, policy } from "../../src/generation/policy.js";
import { loadAdapter } from "../../src/model/adapter-io.js";
import { type LanguageModel, loadModel } from "../../src/model/load.js";
import type { Lora } from "../../src/model/lora.js";
import { fixture } from "../model/open.js";

/** GCG on the tiny random model: nothing that it writes means anything, its losses are real. */

let model: LanguageModel;
let adapters: Lora[];
beforeAll(async () => {
  model = await loadModel(fixture("llama-tiny"));
  adapters = await Promise.all(["llama-tiny-adapter", "token-rows-adapter"].map((name) => loadAdapter(fixture(name), model.config)));
});
afterAll(() => {
  for (const adapter of adapters) adapter.dispose();
  model.dispose();
});

const row = { id: "r", prompt: "How do I fold a paper boat?" };
const budget: GcgBudget = { steps: 8, candidates: 16, topK: 8 };

async function search(asked: Policy, options: Partial<GcgOptions> = {}, of = row): Promise<GcgState[]> {
  const states: GcgState[] = [];
  for await (const state of gcg(asked, of, { tokens: 12, budget, rng: createRng(1), ...options })) states.push(state);
  return states;
}

describe("the gradient", () => {
  test.each([
    ["without an adapter", -1],
    ["with an adapter", 0],
    ["with an adapter that trains tokens", 1],
  ])("%s is that by a one-hot input, by differences of what other arithmetic says", (_, which) => {
    const lora = adapters[which] ?? null;
    const asked = policy({ model, adapter: lora });
    const { head, tail, start } = suffixPlace(asked, row, 6);
    const target = model.tokenizer.encode("Sure");
    const prompt = [...head, ...start.ids, ...tail];
    const ids = [...prompt, ...target.slice(0, -1)];
    const table = tf.tidy(() => {
      const own = model.decoder.embeddings(Array.from({ length: model.config.vocabSize }, (_, v) => v)).arraySync() as number[][];
      const trained = (lora?.tokens?.rows.arraySync() ?? []) as number[][];
      lora?.tokens?.ids.forEach((id, i) => {
        own[id] = trained[i]!;
      });
      return own;
    });
    /** The loss where the one-hot vector of the suffix's token `at` has `by` more at token `v`, by all logits. */
    const loss = (at: number, v: number, by: number) =>
      tf.tidy(() => {
        const rows = ids.map((_, t) => table[v]!.map((x) => (t === head.length + at ? x * by : 0)));
        const edit = { [-1]: (x: tf.Tensor3D) => tf.add(x, tf.tensor3d([rows])) as tf.Tensor3D };
        const { states } = model.decoder.forward(tf.tensor2d([ids], [1, ids.length], "int32"), { lora, edit });
        const logps = tf.logSoftmax(model.decoder.logits(tf.squeeze(states, [0]), lora)).arraySync() as number[][];
        return -target.reduce((sum, id, k) => sum + logps[prompt.length - 1 + k]![id]!, 0) / target.length;
      });
    const gradient = suffixGradient(asked, { head, tail }, start.ids, target);
    expect(gradient.shape).toEqual([6, 280]);
    const slopes = gradient.arraySync() as number[][];
    gradient.dispose();
    expect(Math.max(...slopes.flat().map(Math.abs))).toBeGreaterThan(0.1);
    const trained = lora?.tokens?.ids[0] ?? 7;
    for (const [at, v] of [0, 3, 5].flatMap((at) => [40, 111, 250, trained].map((v) => [at, v] as const))) {
      const numeric = (loss(at, v, 0.02) - loss(at, v, -0.02)) / 0.04;
      expect(Math.abs(numeric - slopes[at]![v]!), `place ${at}, token ${v}`).toBeLessThan(0.02 * Math.max(0.2, Math.abs(numeric)));
    }
  });
});

test("losses do not rise, and fall further than where tokens are drawn at random", { timeout: 240_000 }, async () => {
  const prompts = ["How do I fold a paper boat?", "What is a good gift?", "Name a cat."];
  const targets = ["Sure, here is", "<assess>none", "Yes. Of course."];
  const further: number[] = [];
  for (let seed = 0; seed < 9; seed++) {
    const of = { id: `${seed}`, prompt: prompts[seed % 3]! };
    const fall = async (topK: number): Promise<number> => {
      const options = { target: targets[Math.floor(seed / 3)], budget: { steps: 16, candidates: 8, topK }, rng: createRng(seed) };
      const { losses } = (await search(policy({ model }), options, of)).at(-1)!;
      expect(losses).toHaveLength(17);
      for (const [i, loss] of losses.entries()) expect(loss).toBeLessThanOrEqual(losses[Math.max(0, i - 1)]!);
      return losses[0]! - losses[16]!;
    };
    further.push((await fall(16)) - (await fall(280))); // all tokens that are allowed: the gradient says nothing
  }
  const mean = further.reduce((sum, x) => sum + x, 0) / further.length;
  const error = Math.sqrt(further.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (further.length - 1) / further.length);
  expect(mean).toBeGreaterThan(0.04); // nats per token, of falls of about 0.36
  expect(mean / error).toBeGreaterThan(1.86); // t, one-sided at 5% with 8 degrees of freedom
});

test("what is reported is what the policy is asked: the loss of each suffix by its text, and its tokens are printable", async () => {
  const asked = policy({ model, adapter: adapters[0], system: "Be kind." });
  const states = await search(asked, { target: "Yes." });
  const completion = model.tokenizer.encode("Yes.");
  expect(new Set(states.map(({ suffix }) => suffix)).size).toBeGreaterThan(3);
  const rows = states.map(({ suffix }) => ({ prompt: gcgAttack(new Map([["r", suffix]])).ask(row, 0), completion }));
  const logps = await policyLogps(asked, rows);
  for (const [i, { suffix, losses }] of states.entries()) {
    expect(losses.at(-1)!).toBeCloseTo(-logps[i]! / completion.length, 3);
    expect(suffix).toMatch(/^[ -~]+$/);
  }
});

test("candidates whose text becomes other tokens are left out: a character that a search has taken is not, where it does not come back", async () => {
  const { tokenizer } = model;
  const { suffix } = (await search(policy({ model }))).at(-1)!;
  const other = tokenizer.chat([{ role: "user", content: row.prompt }], { addGenerationPrompt: true });
  const taken = [...suffix].find((c) => c !== "!" && !`${other}Sure, here is`.includes(c))!;
  expect(taken).toMatch(/[ -~]/);
  const without = { ...tokenizer, encode: (text: string) => tokenizer.encode(text.replaceAll(taken, "_")) };
  const states = await search(policy({ model: { ...model, tokenizer: without } }));
  expect(states.at(-1)!.losses.at(-1)).toBeLessThan(states[0]!.losses[0]!);
  expect(states.filter(({ suffix }) => suffix.includes(taken))).toEqual([]);
});

test("a search is the same for the same stream, another for another, and leaves no tensor behind", async () => {
  const one = await search(policy({ model }));
  const before = tf.memory().numTensors;
  expect(await search(policy({ model }))).toEqual(one);
  expect(tf.memory().numTensors).toBe(before);
  expect((await search(policy({ model }), { rng: createRng(2) })).at(-1)!.suffix).not.toBe(one.at(-1)!.suffix);
});

test("queries are the start, the candidates that were run and the gradients; one is taken where the suffix has changed", async () => {
  const gradient = vi.spyOn(model.decoder, "inputGradient");
  const hidden = vi.spyOn(model.decoder, "hidden");
  const states = await search(policy({ model }), { budget: { steps: 12, candidates: 3, topK: 4 } });
  const gradients = gradient.mock.calls.length;
  const rows = hidden.mock.calls.reduce((sum, [ids]) => sum + ids.shape[0], 0);
  vi.restoreAllMocks();
  const suffixes = states.map(({ suffix }) => suffix);
  const changes = suffixes.filter((suffix, i) => i > 0 && i < 12 && suffix !== suffixes[i - 1]).length; // the last one needs no gradient
  expect(changes).toBeLessThan(11);
  expect(gradients).toBe(1 + changes);
  expect(states.at(-1)!.queries).toBe(rows + gradients);
  expect(rows).toBeLessThanOrEqual(1 + 12 * 3);
});

test("an aborted search ends with the signal's reason at its next step", async () => {
  const abort = new AbortController();
  const states: GcgState[] = [];
  const before = tf.memory().numTensors;
  const stopped = async () => {
    for await (const state of gcg(policy({ model }), row, { tokens: 12, budget, rng: createRng(1), signal: abort.signal })) {
      states.push(state);
      if (states.length === 3) setImmediate(() => abort.abort(new Error("stopped")));
    }
  };
  await expect(stopped()).rejects.toThrow("stopped");
  expect(states).toHaveLength(3);
  expect(tf.memory().numTensors).toBe(before);
});

describe("the place of a suffix", () => {
  const plainPolicy = () => policy({ model });
  const encode = (text: string) => model.tokenizer.encode(text);

  test("is behind the prompt in the last user turn, and the start has as many marks as go into its tokens", () => {
    const { head, tail, start } = suffixPlace(plainPolicy(), row, 12);
    expect(start.text).toBe(" ! ! ! ! ! !"); // two tokens each here
    expect(start.ids).toEqual(encode(start.text));
    const text = model.tokenizer.chat([{ role: "user", content: `${row.prompt}${start.text}` }], { addGenerationPrompt: true });
    expect([...head, ...start.ids, ...tail]).toEqual(encode(text));
    expect(model.tokenizer.decode(tail).trim()).toBe("assistant");
    expect(suffixPlace(plainPolicy(), row, 13).start).toEqual(start);
    const marks = suffixPlace(plainPolicy(), { ...row, prompt: `${row.prompt} !` }, 12); // the prompt's own is not the suffix's
    expect(marks.head).toEqual([...head, ...encode(" !")]);
    expect(marks.start).toEqual(start);
    const begun = suffixPlace(plainPolicy(), { ...row, prefill: "So" }, 12);
    expect(begun.tail).toEqual([...tail, ...encode("So")]);
  });

  test("tokens are read as their text only where that becomes the same tokens again", () => {
    const { textOf } = suffixPlace(plainPolicy(), row, 12);
    const id = (token: string) => model.tokenizer.id(token)!;
    const joined = encode("ing"); // one token, which its letters become
    expect(joined).toHaveLength(1);
    expect(textOf(joined)).toBe("ing");
    expect(textOf([id("i"), id("n"), id("g")])).toBeUndefined();
    expect(textOf([id("x"), ...joined])).toBe("xing");
    expect(textOf([model.tokenizer.eosId])).toBeUndefined(); // it has no text
  });

  test("where the prompt's own tokens change, and where no mark goes in, that is said", () => {
    const merging = (text: string) => encode(text.replaceAll("t !", "T!"));
    const changed = policy({ model: { ...model, tokenizer: { ...model.tokenizer, encode: merging } } });
    expect(() => suffixPlace(changed, { ...row, prompt: "A boat" }, 12)).toThrow(
      'the tokens of prompt r change when " !" is put behind it',
    );
    expect(() => suffixPlace(plainPolicy(), row, 1)).toThrow('" !" is 2 tokens of this model, a suffix of 1 holds none');
  });

  test("allowed tokens are those of the vocabulary whose characters are printable ASCII, without special ones", () => {
    const { vocab } = model.tokenizer.files.tokenizer.model as { vocab: Record<string, number> };
    const printable = Object.entries(vocab).filter(([token]) => /^[!-~\u0120]+$/.test(token)); // \u0120 is the space
    const ids = printable.map(([, id]) => id).filter((id) => id > 2); // the special ones are ASCII too
    expect(ids.length).toBe(printable.length - 3);
    expect(asciiTokens(model.tokenizer, model.config.vocabSize)).toEqual(ids.sort((a, b) => a - b));
  });
});

test("an attack puts behind each row its own suffix, and names a row without one", () => {
  const attack = gcgAttack(
    new Map([
      ["a", " x y"],
      ["b", " z"],
    ]),
  );
  const of = { id: "b", prompt: "a question", before: [{ role: "system" as const, content: "Be kind." }], prefill: "So" };
  expect(attack.ask(of, 0)).toEqual({ messages: [of.before[0], { role: "user", content: "a question z" }], prefill: "So" });
  expect(attack.ask({ ...of, id: "a" }, 7).messages.at(-1)!.content).toBe("a question x y");
  expect(() => attack.ask({ ...of, id: "c" }, 0)).toThrow("gcg attack: there is no suffix for prompt c");
});

test("numbers that are none, an empty target and a decoding without a gradient are named", async () => {
  const refused = (words: string, options: Partial<GcgOptions>, asked = policy({ model })) =>
    expect(search(asked, options)).rejects.toThrow(words);
  await refused("gcg: steps must be a whole number >= 1, got 0", { budget: { ...budget, steps: 0 } });
  await refused("gcg: candidates must be a whole number >= 1, got 1.5", { budget: { ...budget, candidates: 1.5 } });
  await refused("gcg: topK must be a whole number >= 1, got -1", { budget: { ...budget, topK: -1 } });
  await refused("gcg: tokens must be a whole number >= 1, got NaN", { tokens: Number.NaN });
  await refused("gcg: the target is empty", { target: "" });
  await refused('the decoding of policy "ruled" rewrites logits', {}, policy({ model, name: "ruled", decoding: withLogits((x) => x, {}) }));
});
