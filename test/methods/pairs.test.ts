import { afterAll, beforeAll, expect, test } from "vitest";
import type { PromptRow } from "../../src/data/types.js";
import { parseTrace } from "../../src/exante/trace.js";
import { policy } from "../../src/generation/policy.js";
import { pairBatches, roundPairs, type StoredPairs, stage2Pairs } from "../../src/methods/erpo/pairs.js";
import { stage1 } from "../../src/methods/erpo/stage1.js";
import { stages } from "../../src/methods/erpo/stages.js";
import type { Run } from "../../src/runs/run.js";
import { scriptedModel } from "../evaluation/scripted.js";
import { finish, openTiny, runsFolder } from "../runs/tiny-run.js";

/**
 * Pairs from a policy that is scripted: it goes on from a forced first word as that word says, and thinks at length when it is left alone. So every kind of
 * pair can be had from samples.
 */

const folder = runsFolder();
afterAll(folder.remove);

let run: Run;
let asked: () => number;
beforeAll(async () => {
  const real = await openTiny(folder.path("run"));
  await finish(stage1(real));
  const rows = [...real.data.train2, ...real.data.general.train2];
  const scripted = scriptedModel(real.model, (text) => written(rows.find(({ prompt }) => text.includes(prompt))!, text));
  asked = scripted.asked;
  run = { ...real, model: scripted.model, policy: async () => policy({ model: scripted.model }) };
});

/** What the scripted policy writes after a prompt, behind a forced first word or by itself. */
function written({ label }: PromptRow, text: string): string {
  const forced = /<assess>([^<]*)$/.exec(text)?.[1];
  const unsafe = forced === undefined ? label === "unsafe" : forced !== "none";
  const head = forced === undefined ? `<assess>${unsafe ? "risk" : "none"}; thought of at quite some length, a bit` : "";
  const thought = `${head}</assess><verify>R1: ${unsafe ? "violates" : "does not violate"}</verify><calibrate>x</calibrate><answer>`;
  return `${thought}${unsafe ? "Sorry, I can't help." : "Here is how it works."}</answer>`;
}

const counts = (pairs: StoredPairs) => {
  const kinds = pairs.goals.map((goal, i) => `${goal}, ${pairs.labels[i]}`);
  return Object.fromEntries([...new Set(kinds)].sort().map((kind) => [kind, kinds.filter((other) => other === kind).length]));
};

test("stage 2: a decision pair per prompt and an efficiency pair for each second one, all from samples, each side what it should be", async () => {
  const pairs = await stage2Pairs(run);
  // 8 prompts of each label; efficiency for the first two of each four
  expect(counts(pairs)).toEqual({ "efficiency, safe": 4, "efficiency, unsafe": 4, "safety, unsafe": 8, "usefulness, safe": 8 });
  // a long risk word makes the short thought too long for the ratio: only there a loser is written
  expect(
    pairs.goals.filter((goal, i) => pairs.constructed[i] !== "none" && !(goal === "efficiency" && pairs.labels[i] === "unsafe")),
  ).toEqual([]);
  const { tokenizer } = run.model;
  for (const [i, { chosen, rejected, reference }] of pairs.tokens.entries()) {
    const [w, l] = [chosen, rejected].map((ids) => parseTrace(tokenizer.decode(ids))!);
    const right = pairs.labels[i] === "unsafe" ? "violates" : "does not violate";
    expect(w!.verdict).toBe(right);
    if (pairs.goals[i] === "efficiency") {
      expect(l!.verdict).toBe(right);
      expect(l!.thought.length).toBeGreaterThan(w!.thought.length);
    } else expect(l!.verdict).not.toBe(right);
    expect(Number.isFinite(reference!.chosen + reference!.rejected)).toBe(true);
  }
});

test("a second call asks the model nothing", async () => {
  const before = asked();
  const first = await stage2Pairs(run);
  expect(asked()).toBe(before);
  expect(first.ids).toHaveLength(first.tokens.length);
});

test("a round takes prompts behind stage 2's, its two samples and both kinds of pair", async () => {
  const pairs = await roundPairs(run, 1, stages.sft);
  expect(counts(pairs)).toEqual({ "efficiency, safe": 8, "efficiency, unsafe": 8, "safety, unsafe": 8, "usefulness, safe": 8 });
  const before = new Set((await stage2Pairs(run)).ids);
  expect(pairs.ids.filter((id) => before.has(id))).toEqual([]);
  // both samples are the same correct trace: there are no two lengths and no wrong decision, so the losers are written
  expect(new Set(pairs.goals.map((goal, i) => `${goal}: ${pairs.constructed[i]}`))).toEqual(
    new Set(["efficiency: rejected", "safety: rejected", "usefulness: rejected"]),
  );
});

test("every batch has equally many pairs of each goal and label", async () => {
  const pairs = await stage2Pairs(run);
  const batches = pairBatches(pairs, run.rng("test"));
  expect(batches.length).toBeGreaterThan(0);
  for (const batch of batches) {
    const kinds = batch.map((i) => `${pairs.goals[i]}, ${pairs.labels[i]}`).sort();
    expect(kinds).toEqual(["efficiency, safe", "efficiency, unsafe", "safety, unsafe", "usefulness, safe"].flatMap((kind) => [kind, kind]));
  }
});
