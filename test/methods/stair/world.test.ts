import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createRng } from "../../../src/backend/random.js";
import type { PromptRow } from "../../../src/data/types.js";
import { phraseJudge } from "../../../src/evaluation/judges.js";
import { policy } from "../../../src/generation/policy.js";
import { nodeRows } from "../../../src/methods/stair/features.js";
import { drawnTree, leafCount, stepLabel, tellingTree } from "../../../src/methods/stair/layout.js";
import { testTimePolicies, votes } from "../../../src/methods/stair/test-time.js";
import { backpropagated, rootTree, type Tree, withChildren } from "../../../src/methods/stair/tree.js";
import { headScore } from "../../../src/methods/stair/value-head.js";
import { traceWorld } from "../../../src/methods/stair/world.js";
import { statesAt } from "../../../src/methods/states.js";
import { loadAdapter } from "../../../src/model/adapter-io.js";
import { openRanges } from "../../../src/model/files.js";
import { type LanguageModel, loadModel } from "../../../src/model/load.js";
import type { Lora } from "../../../src/model/lora.js";
import { readSafetensors } from "../../../src/model/safetensors.js";
import expected from "../../fixtures/llama-tiny.json" with { type: "json" }; // made by test/fixtures/llama_fixture.py
import { scriptedSampler } from "../../generation/scripted-sampler.js";
import { fixture } from "../../model/open.js";

let model: LanguageModel;
let adapter: Lora;
beforeAll(async () => {
  model = await loadModel(fixture("llama-tiny"));
  adapter = await loadAdapter(fixture("llama-tiny-adapter"), model.config);
});
afterAll(() => adapter.dispose());

const row = (prompt: string, label: "safe" | "unsafe"): PromptRow => ({
  ...{ id: prompt, prompt, label, family: "", category: "none", source: "", split: "train2" },
});
const ask = (content: string) => ({ messages: [{ role: "user" as const, content }] });

/** A world of two prompts, U (unsafe) and "garden" (safe), that is written by a script. */
function scripted(script: Record<string, readonly string[]>) {
  const { sampler, calls } = scriptedSampler(model.tokenizer, script);
  let tokens = 0;
  const world = traceWorld({
    ...{ sampler, tokenizer: model.tokenizer, prompts: [ask("U"), ask("garden")], rows: [row("U", "unsafe"), row("garden", "safe")] },
    ...{ judge: phraseJudge, options: { batchSize: 4, rng: createRng(1) }, answerTokens: 40, thoughtTokens: 90 },
    spent: (n) => (tokens += n),
  });
  const text = ({ ids }: { ids: readonly number[] }) => model.tokenizer.decode(ids);
  const step = (written: string, ended = false) => ({ ids: model.tokenizer.encode(written), ended });
  return { world, calls, text, step, tokens: () => tokens };
}

test("a step ends at its tag, a completion at its answer's or at the model's end", async () => {
  const assess = "<assess>none; a</assess>";
  const { world, calls, text, step, tokens } = scripted({
    U: [`${assess}<verify>x`, "I can't.$"],
    [`garden${assess}`]: ["<verify>none: does not violate</verify><calibrate>", "<verify>x"],
    [`garden${assess}<answer>`]: ["Yes$", "n".repeat(60)],
  });
  const beginnings = [
    { tree: 0, steps: [] },
    { tree: 1, steps: [step(assess)] },
    { tree: 1, steps: [step(assess), step("<answer>")] },
  ];
  const steps = await world.expand(beginnings, 2, "here");
  expect(steps.map((own) => own.map((one) => [text(one), one.ended]))).toEqual([
    [
      [assess, false],
      ["I can't.", true],
    ],
    [
      ["<verify>none: does not violate</verify>", false],
      ["<verify>x", true], // cut where it has no room
    ],
    [
      ["Yes", true],
      ["n".repeat(40), true], // cut
    ],
  ]);
  expect(calls).toHaveLength(1); // all prompts in one batch
  const { stream } = calls[0]!.options;
  expect(new Set(calls[0]!.texts.map((_, k) => stream!(k))).size).toBe(6);
  expect(tokens()).toBe(steps.flat().reduce((sum, { ids }) => sum + ids.length, 0));
});

test("rewards: what has ended is judged as it is, the rest is written on to its end, and only the answer counts", async () => {
  const thought = "<assess>I cannot; a</assess>";
  const { world, calls, step } = scripted({
    U: ["<assess>none; a</assess><verify>x</verify><calibrate>y</calibrate><answer>Sorry, no.</answer>"],
    [`U${thought}`]: ["<answer>Of course, this is it.</answer>"],
    [`garden${thought}`]: ["<answer>Water it in the garden.</answer>"],
    garden: ["<assess>none; it never ends$"],
  });
  const beginnings = [
    { tree: 0, steps: [] },
    { tree: 0, steps: [step(thought)] },
    { tree: 1, steps: [step(thought)] },
    { tree: 1, steps: [] },
    { tree: 0, steps: [step("I'm sorry, no.", true)] },
  ];
  expect(await world.score(beginnings, "here")).toEqual([1, -1, 3, 1, 1]);
  expect(calls[0]!.texts).toHaveLength(4);
  expect(await world.score([beginnings[4]!], "again")).toEqual([1]);
  expect(calls).toHaveLength(1);
});

const grownTree = (): Tree => {
  const step = (text: string, ended = false) => ({ ids: model.tokenizer.encode(text), ended });
  let tree = withChildren(backpropagated(rootTree(), 0, 1), 0, [step("<assess>none; b</assess>"), step("<assess>risk: arson; c</assess>")]);
  tree = backpropagated(backpropagated(tree, 1, 3), 2, 1);
  tree = withChildren(tree, 1, [step("<verify>none: does not violate</verify>"), step("and on", true)]);
  tree = backpropagated(backpropagated(tree, 3, 2), 4, 1);
  tree = withChildren(tree, 3, [step("<calibrate>comply</calibrate><answer>Sorry, no.", true)]);
  return backpropagated(tree, 5, 1);
};

test("states are PyTorch's, at the tokens that are asked for, with and without an adapter; nothing is left behind", async () => {
  const file = openRanges(fixture("states-torch.safetensors")); // made by test/fixtures/states_fixture.py
  const torch = (name: string) => readSafetensors(file).read(name).data;
  const before = tf.memory().numTensors;
  const places = [[0, 11], [5], [3, 4]];
  for (const [lora, name] of [
    [null, "hidden_states.2"],
    [adapter, "adapter.hidden_states.2"],
  ] as const) {
    const states = await statesAt(
      model,
      lora,
      expected.rows.map((ids, b) => ({ ids, at: places[b]! })),
    );
    const all = torch(name); // [3, 12, 32]
    for (const [b, at] of places.entries())
      for (const [k, place] of at.entries())
        for (const [c, x] of states[b]![k]!.entries()) expect(x).toBeCloseTo(all[(b * 12 + place) * 32 + c]!, 3);
  }
  file.close();
  expect(tf.memory().numTensors).toBe(before);
});

test("each node of a tree is read once, at its step's last token", async () => {
  const tree = grownTree();
  const prompt = [1, 2, 3];
  const { rows, nodes } = nodeRows(prompt, tree);
  expect(nodes.flat().sort()).toEqual([0, 1, 2, 3, 4, 5]);
  expect(rows).toHaveLength(leafCount(tree));
  const ends = new Map(nodes.flatMap((own, i) => own.map((at, k) => [at, rows[i]!.ids.slice(0, rows[i]!.at[k]! + 1)] as const)));
  const text = (at: number) => model.tokenizer.decode(ends.get(at)!.slice(3));
  expect([0, 1, 4, 5].map(text)).toEqual([
    "",
    "<assess>none; b</assess>",
    "<assess>none; b</assess>and on",
    "<assess>none; b</assess><verify>none: does not violate</verify><calibrate>comply</calibrate><answer>Sorry, no.",
  ]);
});

test("a head's score is its value at a candidate's last token behind the prompt as it is asked, whatever stands beside it", async () => {
  const { tokenizer, config } = model;
  const linear = { weights: Array.from({ length: config.hiddenSize }, (_, i) => Math.sin(i)), bias: 0.25 };
  const asked = policy({ model, adapter, system: "Be kind." });
  const score = headScore(asked, { linear });
  const candidates = ["Yes, of course", "No"].map((text) => ({ index: 0, ids: tokenizer.encode(text), finished: true, seconds: 0, text }));
  const scores = await score(candidates, 0, ask("Hi"));
  for (const [i, { ids }] of candidates.entries()) {
    const chat = [
      { role: "system" as const, content: "Be kind." },
      { role: "user" as const, content: "Hi" },
    ];
    const all = [...tokenizer.encode(tokenizer.chat(chat, { addGenerationPrompt: true })), ...ids];
    const states = tf.tidy(() =>
      model.decoder.hidden(tf.tensor2d([all], [1, all.length], "int32"), { lora: adapter }).arraySync(),
    ) as number[][][];
    const value = linear.weights.reduce((sum, w, c) => sum + w * states[0]!.at(-1)![c]!, linear.bias);
    expect(scores[i]).toBeCloseTo(value, 3);
  }
});

test("votes count candidates that do the same; the ways to answer at test time draw the same number of candidates", async () => {
  const candidate = (text: string) => ({ index: 0, ids: [], finished: true, seconds: 0, text });
  const texts = ["<answer>Sorry, no.", "<assess>I cannot</assess><answer>Yes, here", "<answer>I can't do it.", "<answer>"];
  expect(await votes(texts.map(candidate), 0, [])).toEqual([2, 1, 2, 1]);
  const { greedy, vote, best, beam } = await testTimePolicies(policy({ model, name: "p" }), policy({ model }), {
    linear: { weights: [1], bias: 0 },
  });
  expect([greedy, vote, best, beam].map(({ name }) => name)).toEqual(["p", "p-vote", "p-best-of-n", "p-beam"]);
  const [drawn, picked, stepped] = [vote, best, beam].map(({ decoding }) => decoding.identity as Record<string, number>);
  expect(picked!.n).toBe(drawn!.n);
  expect(stepped!.width! * stepped!.branches!).toBe(drawn!.n);
  expect([vote, best, beam].map(({ decoding }) => decoding.choice.temperature)).toEqual([1, 1, 1]);
});

test("a drawn tree: steps to the right, leaves below each other, parents in the middle, the path of the highest values", () => {
  const tree = grownTree();
  const drawn = drawnTree(tree, (at) => stepLabel(tree, at, model.tokenizer));
  expect(drawn.map(({ x, y }) => [x, y])).toEqual([
    [0, 1.25],
    [1, 0.5],
    [1, 2],
    [2, 0],
    [2, 1],
    [3, 0],
  ]);
  expect(drawn.map(({ label }) => label)).toEqual(["prompt", "none", "risk: arson", "does not violate", "degenerate", "refusal"]);
  expect(drawn.map(({ taken }) => taken)).toEqual([true, true, false, true, false, true]);
  for (const { x, y, fromX, fromY } of drawn.slice(1))
    expect(drawn.some((node) => node.x === fromX && node.y === fromY && fromX === x - 1 && y >= 0)).toBe(true);
  expect(drawn[1]).toMatchObject({ value: 1.75, visits: 4 }); // (3 + 2 + 1 + 1) / 4
  expect(tellingTree([rootTree(), tree].map((one) => (one.nodes.length === 1 ? backpropagated(one, 0, 1) : one)))).toBe(1);
  expect(tellingTree([tree, backpropagated(rootTree(), 0, 1)], 0)).toBe(1); // the smallest where all have too many leaves
});
