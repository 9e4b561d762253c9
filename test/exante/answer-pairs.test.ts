import { beforeAll, expect, test } from "vitest";
import {
  answerPair,
  answersAgainst,
  brokenOffPair,
  type CheckedSample,
  checkSample,
  comparedPart,
  formPair,
  reopensAt,
  stepLevelPair,
} from "../../src/exante/pairs.js";
import { type LabelledPrompt, type TraceWriter, traceRow } from "../../src/exante/rows.js";
import type { Tokenizer } from "../../src/model/tokenizer.js";
import { openWriter, safe, unsafe } from "./prompts.js";

/** Pairs of answers: of what they do behind one thought, and of their form. */

let tokenizer: Tokenizer;
let writer: TraceWriter;
beforeAll(async () => {
  writer = await openWriter();
  ({ tokenizer } = writer);
});

/** A prompt's terse thought by rule, and an answer behind it; the thought can be the wrong one. */
function answered(prompt: LabelledPrompt, answer: string, label = prompt.label): CheckedSample {
  const [thought] = tokenizer.decode(traceRow(prompt, writer, { label }).completion).split("<answer>");
  return checkSample(tokenizer.encode(`${thought}<answer>${answer}`), prompt.label, tokenizer);
}

test("an answer pair is of two answers behind one thought: one that goes its path against one that does the other thing", () => {
  const [refuses, helps, nothing] = ["I'm sorry, but I can't help with that.", "Use the task list to end it.", ""];
  for (const [prompt, right, wrong] of [
    [safe, helps, refuses],
    [unsafe, refuses, helps],
  ] as const) {
    const samples = [answered(prompt, wrong), answered(prompt, right)];
    expect(samples.map((sample) => answersAgainst(sample, prompt.label))).toEqual([true, false]);
    const pair = answerPair(prompt, samples)!;
    expect([pair.goal, pair.chosen, pair.rejected]).toEqual([prompt === safe ? "usefulness" : "safety", samples[1]!.ids, samples[0]!.ids]);
    const step = stepLevelPair(pair, tokenizer)!;
    expect(tokenizer.decode(step.prompt)).toMatch(/<\/calibrate>$/);
    const parting = step.rejected.length - 1; // the loser ends where the answers part
    expect(tokenizer.decode(step.chosen)).toBe(`<answer>${right}`);
    expect(`<answer>${wrong}`.startsWith(tokenizer.decode(step.rejected))).toBe(true);
    expect(step.rejected.slice(0, parting)).toEqual(step.chosen.slice(0, parting));
    expect(step.rejected[parting]).not.toBe(step.chosen[parting]);
    expect(step.weights).toEqual({ chosen: step.chosen.map((_, t) => (t <= parting ? 1 : 0)), rejected: step.rejected.map(() => 1) });
    for (const sample of samples) expect(answerPair(prompt, [sample])).toBeNull();
  }
  for (const other of [answered(safe, nothing), answered(safe, refuses, "unsafe")]) expect(answersAgainst(other, "safe")).toBe(false); // none, and as its thought says
});

/** What stands before the token at which an answer opens a tag; undefined where it opens none. */
function before(sample: CheckedSample): string | undefined {
  const at = reopensAt(sample, "safe", tokenizer);
  return at === undefined ? undefined : tokenizer.decode(sample.ids.slice(sample.thoughtTokens, at));
}

test.each([
  ["Dear team,\n<verify>comply, direct</verify>", "Dear team,\n"],
  ["<calibrate>comply, direct</calibrate><answer>Use it.", ""],
  ["Write a <b>list</b>:<assess>none", "Write a <b>list</b>:"],
  ["Dear team,\n<answer>Dear team,", "Dear team,\n"],
  ["Use the task list.</answer>", undefined],
  ["Compare with a < b, or <answers>.", undefined],
])("the answer %j opens a tag behind %j", (answer, words) => {
  expect(before(answered(safe, answer))).toBe(words);
});

test("of answers that open a tag only those behind a whole and right thought are looked at", () => {
  expect(before(answered(safe, "Dear team,\n<verify>comply", "unsafe"))).toBeUndefined();
  expect(before(checkSample(tokenizer.encode("<answer>Dear team,\n<verify>"), "safe", tokenizer))).toBeUndefined();
});

test("an answer that opens a tag loses to the first that goes on from its own words without one, by the token in which they part", () => {
  const loser = answered(safe, "Dear team,\n<verify>comply, direct</verify>");
  const at = reopensAt(loser, "safe", tokenizer)!;
  const others = [
    "Dear team,\n<assess>none", // the same again
    "Dear team,\nI'm sorry, but I can't help with that.", // refuses
    "Dear all,\nuse the task list.", // other words before
    "Dear team,\nuse the task list. <verify>", // opens one later
    "Dear team,\nuse the task list to end it.",
    "Dear team,\nend it in the task list.",
  ].map((answer) => answered(safe, answer));
  const pair = formPair(safe, loser, at, others, tokenizer)!;
  expect(pair).toMatchObject({ goal: "usefulness", differs: "form", chosen: others[4]!.ids, rejected: loser.ids, written: false });
  const { chosen, rejected, weights } = stepLevelPair(pair, tokenizer)!;
  expect(tokenizer.decode(chosen)).toBe("<answer>Dear team,\nuse the task list to end it.");
  expect(tokenizer.decode(rejected.slice(0, -1))).toBe("<answer>Dear team,\n");
  expect(tokenizer.decode(rejected.slice(-1))).toBe("<");
  expect(weights!.chosen.lastIndexOf(1)).toBe(rejected.length - 1);
  expect(formPair(safe, loser, at, others.slice(0, 4), tokenizer)).toBeNull();
});

test("a sound answer wins over its own first words with a thought opened behind them, wherever that is: one token is compared", () => {
  const sample = answered(safe, "Use the task list to end it.</answer>");
  expect(sample.correct).toBe(true);
  const words = tokenizer.encode("Use the task list to end it.").length;
  for (let k = 0; k < words; k++) {
    const pair = brokenOffPair(safe, sample, sample.thoughtTokens + k, tokenizer);
    expect([pair.differs, pair.goal, pair.chosen]).toEqual(["form", "usefulness", sample.ids]);
    expect(tokenizer.decode(pair.rejected)).toBe(`${tokenizer.decode(sample.ids.slice(0, sample.thoughtTokens + k))}<assess>`);
    const step = stepLevelPair(pair, tokenizer)!;
    const compared = comparedPart(step);
    expect(compared.rejected.slice(0, -1)).toEqual(compared.chosen.slice(0, -1));
    expect(tokenizer.decode(compared.rejected.slice(-1))).toBe("<");
    expect(tokenizer.decode([...step.prompt, ...step.chosen])).toContain(tokenizer.decode(sample.ids)); // all of the winner counts for its likelihood
  }
});
