import { afterAll, beforeAll, expect, test } from "vitest";
import { mean } from "../../src/evaluation/averages.js";
import { policyLogps } from "../../src/evaluation/policy-logps.js";
import { decisionLogOdds, decisionPrompt, noneToken } from "../../src/evaluation/readout.js";
import { type FirstWordPairs, firstWordPairs, wordBatches } from "../../src/methods/erpo/first-words.js";
import { stage2Pairs } from "../../src/methods/erpo/pairs.js";
import { pairs as knobs } from "../../src/methods/erpo/recipe.js";
import { stage1 } from "../../src/methods/erpo/stage1.js";
import { preferenceTraining } from "../../src/methods/erpo/stage2.js";
import { stages } from "../../src/methods/erpo/stages.js";
import type { Run } from "../../src/runs/run.js";
import { trainKept } from "../../src/runs/training.js";
import { finish, openTiny, runsFolder } from "../runs/tiny-run.js";

const folder = runsFolder();
afterAll(folder.remove);

let run: Run;
let words: FirstWordPairs;
beforeAll(async () => {
  run = await openTiny(folder.path("run"));
  await finish(stage1(run));
  words = await firstWordPairs(run);
});

test("a pair of first words: the prompt ends with <assess>, the label's word wins over the other, of equally many prompts of each label", () => {
  const { tokenizer } = run.model;
  const first = (word: string) => tokenizer.encode(`<assess>${word}`)[tokenizer.encode("<assess>").length];
  const [risk, none] = [first("risk"), first("none")];
  for (const [i, { prompt, chosen, rejected }] of words.tokens.entries()) {
    expect(tokenizer.decode(prompt)).toMatch(/<assess>$/);
    expect([chosen, rejected]).toEqual(words.prompts[i]!.label === "unsafe" ? [[risk], [none]] : [[none], [risk]]);
  }
  const each = run.profile.stage2.pool;
  expect(["unsafe", "safe"].map((label) => words.prompts.filter((own) => own.label === label).length)).toEqual([each, each]);
  expect(new Set(words.tokens.map(({ prompt }) => prompt.join())).size).toBe(2 * each);
});

test("the reference's log-probs are the policy's own, and its read-out's", async () => {
  const policy = await run.policy(stages.sft);
  const some = words.tokens.slice(0, 8);
  const logps = await policyLogps(policy, some.map(({ prompt, chosen }) => ({ prompt, completion: chosen }))); // biome-ignore format: a call
  for (const [i, { reference }] of some.entries()) expect(reference!.chosen).toBeCloseTo(logps[i]!, 4);
  const { tokenizer } = run.model;
  const safe = words.prompts.findIndex(({ label }) => label === "safe");
  const [odds] = await decisionLogOdds(policy, [decisionPrompt(words.prompts[safe]!.prompt, tokenizer)], noneToken(tokenizer), 1);
  expect(words.tokens[safe]!.reference!.chosen).toBeCloseTo(-Math.log1p(Math.exp(odds!)), 3); // log P(none)
  for (const [i, { reference }] of words.tokens.entries()) expect(words.margins[i]).toBe(reference!.chosen - reference!.rejected);
});

test("stage 2 trains on all of them beside the pairs of samples, in batches of one kind with equally many of each label", async () => {
  const { rows, batches } = await preferenceTraining(run);
  const sampled = (await stage2Pairs(run)).tokens.length;
  expect(rows).toHaveLength(sampled + words.tokens.length);
  const ofWords = batches.filter((batch) => batch.some((i) => i >= sampled));
  for (const batch of ofWords) {
    const labels = batch.map((i) => words.prompts[i - sampled]!.label);
    expect(labels.filter((label) => label === "safe")).toHaveLength(knobs.batchSize / 2);
  }
  expect(new Set(ofWords.flat()).size).toBe(words.tokens.length);
  expect(wordBatches(words, 3, run.rng("x")).flat().every((i) => i >= 3)).toBe(true); // biome-ignore format: a line
});

test("trained on those of unsafe prompts alone, a policy that cannot tell labels apart writes risk more often and none less", async () => {
  const faster = { ...run, profile: { ...run.profile, stage2: { ...run.profile.stage2, rate: 1e-2 } } };
  const training = await preferenceTraining(faster);
  const unsafe = words.prompts.flatMap(({ label }, i) => (label === "unsafe" ? [training.rows.length - words.tokens.length + i] : []));
  await finish(trainKept(run, "unsafe-words", { ...training, batches: [unsafe.slice(0, 8), unsafe.slice(8, 16), unsafe.slice(16, 24)] }));
  const policy = await run.policy("unsafe-words");
  const change = async (side: "chosen" | "rejected") => {
    const pairs = unsafe.map((i) => training.rows[i]!);
    const after = await policyLogps(policy, pairs.map((pair) => ({ prompt: pair.prompt, completion: pair[side] }))); // biome-ignore format: a call
    return mean(pairs.map(({ reference }, i) => after[i]! - reference![side]));
  };
  const [chosen, rejected] = [await change("chosen"), await change("rejected")];
  expect(chosen).toBeGreaterThan(0);
  expect(chosen - rejected).toBeGreaterThan(0.1);
});

test("asked again, they are read; a profile without them trains on samples alone", async () => {
  expect(await firstWordPairs(run)).toEqual(words);
  const without = await run.branch(folder.path("without"), { after: stages.sft });
  const { stage2 } = run.profile;
  const { rows } = await preferenceTraining({ ...without, profile: { ...run.profile, stage2: { ...stage2, firstWords: false } } });
  expect(rows).toEqual((await stage2Pairs(without)).tokens);
});
