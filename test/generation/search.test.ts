import * as tf from "@tensorflow/tfjs";
import { beforeAll, expect, test } from "vitest";
import { createRng } from "../../src/backend/random.js";
import { beam } from "../../src/generation/beam.js";
import { plain, searching } from "../../src/generation/decoding.js";
import { policy } from "../../src/generation/policy.js";
import { type Completion, endTokens, type SampleOptions, sample } from "../../src/generation/sample.js";
import { bestOf, type Candidate, type Search } from "../../src/generation/search.js";
import { type LanguageModel, loadModel } from "../../src/model/load.js";
import { fixture } from "../model/open.js";
import { scriptedSampler, tableScore } from "./scripted-sampler.js";

let model: LanguageModel;
beforeAll(async () => {
  model = await loadModel(fixture("llama-tiny"));
});

const ask = (content: string) => ({ messages: [{ role: "user" as const, content }] });
/** Streams of prompts that are a piece of a longer list. */
const from = (first: number) => (index: number) => String(first + index);
const usual = (more: Partial<SampleOptions> = {}): SampleOptions => ({ maxNewTokens: 40, batchSize: 4, rng: createRng(1), ...more });

/** What a search finds, in the order of the prompts. */
async function found(completions: AsyncGenerator<Completion>) {
  const rows: Completion[] = [];
  for await (const completion of completions) rows[completion.index] = completion;
  return rows.map(({ ids, finished }) => ({ text: model.tokenizer.decode(ids), finished }));
}
const find = (search: Search, script: Record<string, readonly string[]>, prompts: string[], options = usual()) => {
  const { sampler, calls } = scriptedSampler(model.tokenizer, script);
  return { rows: found(search.find(sampler, prompts.map(ask), options, model.tokenizer)), calls };
};

test("best of N takes each prompt's highest score, of equal ones the first, whatever the order in which they end", async () => {
  const script = { P: ["one$", "two$", "three$"], Q: ["four$", "five", "six$"] };
  const { score, asked } = tableScore({ one: 1, two: 3, three: 3, four: -2, five: -1, six: -3 });
  const { rows, calls } = find(bestOf({ n: 3, score }), script, ["P", "Q"], usual({ stream: from(5) }));
  expect(await rows).toEqual([
    { text: "two", finished: true },
    { text: "five", finished: false },
  ]);
  expect(asked).toEqual([
    ["four", "five", "six"],
    ["one", "two", "three"],
  ]);
  expect(calls).toMatchObject([{ texts: ["P", "P", "P", "Q", "Q", "Q"], options: { maxNewTokens: 40 } }]);
  expect(calls[0]!.texts.map((_, k) => calls[0]!.options.stream!(k))).toEqual(["5", "5 1", "5 2", "6", "6 1", "6 2"]);
});

test("best of N: stop is asked by the prompt's index", async () => {
  const { tokenizer } = model;
  const script = { P: ["aaaa$", "aaaaaa$"], Q: ["bbbb$", "bbbbbb$"] };
  const score = (candidates: readonly Candidate[]) => candidates.map(({ text }) => text.length);
  const stop = (ids: readonly number[], index: number) => tokenizer.decode(ids).length >= (index === 0 ? 2 : 5);
  const { rows } = find(bestOf({ n: 2, score }), script, ["P", "Q"], usual({ stop }));
  const [p, q] = await rows;
  expect([p!.text.length, q!.text.length]).toEqual([2, 5]);
});

test("scores that are too few, or no numbers, are named", async () => {
  const script = { P: ["one$", "two$"] };
  await expect(find(bestOf({ n: 2, score: () => [1] }), script, ["P"]).rows).rejects.toThrow(
    "bestOf: score gave 1 numbers for 2 candidates",
  );
  await expect(find(bestOf({ n: 2, score: () => [1, Number.NaN] }), script, ["P"]).rows).rejects.toThrow("bestOf: score gave NaN");
  expect(() => bestOf({ n: 0, score: () => [] })).toThrow("bestOf: n must be a whole number >= 1, got 0");
});

const byLines = { stepEnd: (step: string) => step.endsWith("."), maxSteps: 5 };

test("a beam by hand", async () => {
  // width 2, 2 branches. Step 1 draws 4: a. (1)  b. (4)  c. (3)  d$ (2); b. and c. go on, and the whole d is left behind.
  // Step 2: b.x$ (5)  b.y. (2)  c.z. (6)  c.w. (0); c.z. goes on, b.x has ended and stays.
  // Step 3: c.z.q$ (1)  c.z.r$ (3), and b.x (5) again: b.x is the best; c.z.r is second, and all have ended.
  const script = {
    P: ["a.", "b.", "c.", "d$"],
    "Pb.": ["x$", "y."],
    "Pc.": ["z.", "w."],
    "Pc.z.": ["q$", "r$"],
  };
  const { score, asked } = tableScore({
    "a.": 1,
    "b.": 4,
    "c.": 3,
    d: 2,
    "b.x": 5,
    "b.y.": 2,
    "c.z.": 6,
    "c.w.": 0,
    "c.z.q": 1,
    "c.z.r": 3,
  });
  const search = beam({ width: 2, branches: 2, score, ...byLines });
  const { rows, calls } = find(search, script, ["P"]);
  expect(await rows).toEqual([{ text: "b.x", finished: true }]);
  expect(calls.map(({ texts }) => texts)).toEqual([
    ["P", "P", "P", "P"],
    ["Pb.", "Pb.", "Pc.", "Pc."],
    ["Pc.z.", "Pc.z."],
  ]);
  expect(asked).toEqual([
    ["a.", "b.", "c.", "d"],
    ["b.x", "b.y.", "c.z.", "c.w."],
    ["b.x", "c.z.q", "c.z.r"],
  ]);
});

test("a beam ends with its steps, with maxNewTokens over all of them, or where the caller stops it", async () => {
  const script = { P: ["a.", "b."], "Pa.": ["a.", "b."], "Pa.a.": ["a.", "b."] };
  const score = (candidates: readonly Candidate[]) => candidates.map((_, i) => -i);
  const run = (options: Partial<SampleOptions>, maxSteps = 3) =>
    find(beam({ width: 1, branches: 2, score, ...byLines, maxSteps }), script, ["P"], usual(options)).rows;
  expect(await run({})).toEqual([{ text: "a.a.a.", finished: false }]);
  expect(await run({}, 2)).toEqual([{ text: "a.a.", finished: false }]);
  const three = model.tokenizer.encode("a.").length + 1;
  expect(await run({ maxNewTokens: three })).toEqual([{ text: "a.a", finished: false }]);
  const stop = (ids: readonly number[]) => model.tokenizer.decode(ids) === "a.a.a";
  expect(await run({ stop })).toEqual([{ text: "a.a.a", finished: true }]);
});

test("each branch of a beam has maxNewTokens, whatever room the others have left", async () => {
  const script = { P: ["a.", "bbb."], "Pa.": ["cccc$"], "Pbbb.": ["dddd$"] };
  const { score, asked } = tableScore({ "a.": 1, "bbb.": 2, "a.ccc": 4, "bbb.d": 3 });
  const { rows } = find(beam({ width: 2, branches: 1, score, ...byLines }), script, ["P"], usual({ maxNewTokens: 5 }));
  expect(await rows).toEqual([{ text: "a.ccc", finished: false }]);
  expect(asked.at(-1)).toEqual(["bbb.d", "a.ccc"]);
});

test("a search has taken as long as its longest candidate, and a beam as the steps of its best one together", async () => {
  const seconds = async (search: Search, script: Record<string, readonly string[]>, times: readonly number[]) => {
    const { sampler } = scriptedSampler(model.tokenizer, script);
    const timed: typeof sampler = async function* (prompts, options) {
      for await (const completion of sampler(prompts, options)) yield { ...completion, seconds: times[completion.index]! };
    };
    for await (const completion of search.find(timed, [ask("P")], usual(), model.tokenizer)) return completion.seconds;
  };
  const first = (candidates: readonly Candidate[]) => candidates.map((_, i) => -i);
  expect(await seconds(bestOf({ n: 2, score: first }), { P: ["one$", "two$"] }, [1, 3])).toBe(3);
  const once = beam({ width: 1, branches: 1, score: first, ...byLines });
  expect(await seconds(once, { P: ["a."], "Pa.": ["b$"] }, [2])).toBe(4);
});

test("a beam's numbers are checked, and each is part of its identity", () => {
  const score = () => [1];
  const of = (more: object) => beam({ width: 2, branches: 2, score, ...byLines, ...more });
  expect(() => of({ width: 0 })).toThrow("beam: width must be a whole number >= 1, got 0");
  expect(() => of({ maxSteps: 1.5 })).toThrow("beam: maxSteps must be a whole number >= 1, got 1.5");
  const others = [
    {},
    { width: 3 },
    { branches: 3 },
    { maxSteps: 6 },
    { temperature: 2 },
    { settings: { a: 1 } },
    { score: () => [2] },
    { stepEnd: () => true },
  ];
  expect(new Set(others.map((more) => JSON.stringify(of(more).identity))).size).toBe(others.length);
});

const longest = (candidates: readonly Candidate[]) => candidates.map(({ text }) => text.length);
const few = { maxNewTokens: 9, stream: from(3) };
const searches = {
  "best of 3": () => bestOf({ n: 3, score: longest }),
  "a beam": () => beam({ width: 2, branches: 2, score: longest, maxSteps: 3, stepEnd: (step: string) => step.length >= 4 }),
};

test.each(Object.entries(searches))(
  "%s: what is found for a prompt depends neither on the batch nor on the other prompts, and nothing is left behind",
  async (_, make) => {
    const prompts = ["Hello", "How are you today?", "a", "Go on"].map(ask);
    const asked = policy({ model, decoding: searching(make()) });
    const run = (batchSize: number, some = prompts, first = 3) =>
      found(sample(asked, some, usual({ ...few, batchSize, stream: from(first) })));
    const together = await run(16);
    const before = tf.memory().numTensors;
    expect(await run(1)).toEqual(together);
    expect(await run(3)).toEqual(together);
    expect(await run(4, prompts.slice(2), 5)).toEqual(together.slice(2));
    expect(await run(16, prompts, 4)).not.toEqual(together);
    for await (const _ of sample(asked, prompts, usual(few))) break;
    expect(tf.memory().numTensors).toBe(before);
  },
);

test("the first candidate of the first prompt is what the policy gives without a search", async () => {
  const run = (decoding: ReturnType<typeof plain>) =>
    found(sample(policy({ model, decoding }), [ask("Hello")], usual({ maxNewTokens: 8 })));
  const first = bestOf({ n: 4, score: (candidates) => candidates.map((_, i) => -i) });
  expect(await run(searching(first))).toEqual(await run(plain({ temperature: 1 })));
});

test("a beam ends where the model's positions do", async () => {
  const prompt = model.tokenizer.encode("Hello there");
  const short = Object.create(model, { config: { value: { ...model.config, maxPositions: prompt.length + 4 } } }) as LanguageModel;
  const search = beam({ width: 2, branches: 1, score: (c) => c.map(({ ids }) => ids.length), maxSteps: 9, stepEnd: () => true }); // a token per step
  const asked = policy({ model: short, decoding: searching(search) });
  const rows: Completion[] = [];
  for await (const row of sample(asked, [prompt], usual())) rows.push(row);
  expect(rows[0]!.ids.length).toBeLessThanOrEqual(5); // four positions, and a last token that needs none
  expect(rows[0]!.finished).toBe(endTokens(short).has(rows[0]!.ids.at(-1)!));
  expect(rows[0]!.finished || rows[0]!.ids.length === 5).toBe(true);
});
