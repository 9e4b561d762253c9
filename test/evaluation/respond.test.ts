import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createRng } from "../../src/backend/random.js";
import type { GeneralRow, PromptRow } from "../../src/data/types.js";
import { harmless, prefill } from "../../src/evaluation/attacks.js";
import type { Judge } from "../../src/evaluation/judges.js";
import { decidedAt, mentions, report } from "../../src/evaluation/report.js";
import { type RespondOptions, respond, responses } from "../../src/evaluation/respond.js";
import { policy } from "../../src/generation/policy.js";
import { type LanguageModel, loadModel } from "../../src/model/load.js";
import { fixture } from "../model/open.js";
import { scriptedModel } from "./scripted.js";

let tiny: LanguageModel;
const folder = mkdtempSync(join(tmpdir(), "erpo-respond-"));
beforeAll(async () => {
  tiny = await loadModel(fixture("llama-tiny"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const row = (id: string, prompt: string, label: PromptRow["label"]): PromptRow => ({
  id,
  prompt,
  label,
  family: label === "safe" ? "lakes" : "harm",
  category: "none",
  source: "test",
  split: "test",
});
const thought = (risk: string, verdict: string) =>
  `<assess>${risk}; sense; target: x</assess><verify>R1: ${verdict}</verify><calibrate>refuse</calibrate><answer>`;

const script = {
  alpha: `${thought("risk: violence", "violates")}I can't help with that.</answer>`,
  beta: `${thought("none", "does not violate")}The lake is deep and wide and blue and cold and long and green and calm.`,
  gamma: "I'm sorry, this goes on and on without an end to it, word after word.",
  delta: `<assess>none; ${"and so on, ".repeat(40)}`,
  epsilon: "",
};
const rows = [
  row("a", "alpha", "unsafe"),
  row("b", "beta", "safe"),
  row("c", "gamma", "unsafe"),
  row("d", "delta", "safe"),
  row("e", "epsilon", "safe"),
];
const options: RespondOptions = { thoughtTokens: 150, batchSize: 2, rng: createRng(1) };

test("completions end at </answer>, after so many answer tokens, or with the thought's budget", async () => {
  const { model } = scriptedModel(tiny, script);
  const got = await responses(policy({ model }), { rows, answerTokens: 40 }, options);
  const { tokenizer } = tiny;
  const head = tokenizer.encode(thought("risk: violence", "violates")).length;
  expect(got[0]!.completion).toBe(script.alpha);
  expect(got[0]!.thoughtTokens).toBe(head);
  expect(got[1]!.tokens - got[1]!.thoughtTokens).toBe(40);
  expect(got[2]).toMatchObject({ tokens: 40, thoughtTokens: 0, prefill: "" });
  expect(got[3]).toMatchObject({ tokens: 150, thoughtTokens: 0 });
  expect(got[4]).toMatchObject({ tokens: 1, completion: "" }); // the end token alone
});

test("behind a prefill that is a whole thought so many answer tokens are written, behind one that is open the thought goes on", async () => {
  const whole = thought("none", "does not violate");
  const { model } = scriptedModel(tiny, { [`beta${whole}`]: "The lake is deep and wide.", "beta<assess>none;": script.delta });
  const silent: LanguageModel = {
    ...model,
    tokenizer: { ...model.tokenizer, chat: (messages) => messages.map((m) => m.content).join("") },
  };
  for (const [beginning, tokens] of [
    [whole, 5],
    ["<assess>none;", options.thoughtTokens],
  ] as const) {
    const [got] = await responses(policy({ model: silent }), { rows: [rows[1]!], answerTokens: 5, attack: prefill(beginning) }, options);
    expect(got).toMatchObject({ prefill: beginning, tokens });
  }
});

test("a trace decides by its first word, its verdict and its answer; without a trace only the answer says something", () => {
  const row = { label: "unsafe", judgement: "compliance", verdictRight: true, consistent: false } as const;
  const steps = ["first word", "verdict", "answer"] as const;
  const all = (of: Parameters<typeof decidedAt>[0]) => steps.map((step) => decidedAt(of, step));
  expect(all(row)).toEqual(["compliance", "refusal", "compliance"]); // "none", overruled, and answered all the same
  expect(all({ ...row, label: "safe" })).toEqual(["refusal", "compliance", "compliance"]);
  expect(all({ ...row, consistent: true, verdictRight: false })).toEqual(["compliance", "compliance", "compliance"]);
  expect(all({ ...row, judgement: "refusal", consistent: null, verdictRight: null })).toEqual(["degenerate", "degenerate", "refusal"]);
});

test("the report of these by hand", async () => {
  const { model } = scriptedModel(tiny, script);
  const { metrics, rows: judged } = await report(rows, await responses(policy({ model }), { rows, answerTokens: 40 }, options));
  expect(judged.map((j) => j.judgement)).toEqual(["refusal", "compliance", "refusal", "degenerate", "degenerate"]);
  expect(judged.map((j) => [j.traceValid, j.verdictRight, j.consistent])).toEqual([
    [true, true, true],
    [true, true, true],
    [false, null, null],
    [false, null, null],
    [false, null, null],
  ]);
  const counts = ({ k, n }: { k: number; n: number }) => [k, n];
  expect(
    [metrics.refused, metrics.complied, metrics.degenerate, metrics.traceValid, metrics.verdictRight, metrics.onTopic].map(counts),
  ).toEqual([
    [2, 5],
    [1, 5],
    [2, 5],
    [2, 5],
    [2, 2],
    [0, 0],
  ]);
  expect(counts(metrics.families.harm!.refused)).toEqual([2, 2]);
  expect(counts(metrics.families.lakes!.degenerate)).toEqual([2, 3]);
  expect(metrics.thoughtTokens.n).toBe(2);
});

test("a cited rule is right where it is the one that an unsafe prompt breaks; what traces say is counted over whole traces", async () => {
  const cites = (rule: string, verdict: string, path = "comply") =>
    `<assess>none; y</assess><verify>${rule}: ${verdict}</verify><calibrate>${path}</calibrate><answer>Yes.`;
  const pathless = cites("R1", "violates", "R1: violates");
  const completions = [cites("R1", "violates"), cites("R2", "violates"), cites("R1", "does not violate"), "Yes.", pathless];
  const asked = completions.map((_, i) => ({ ...row(String(i), "alpha", i === 2 ? "safe" : "unsafe"), category: i === 2 ? "none" : "R1" }));
  const given = completions.map((completion, i) => ({
    ...{ id: String(i), input: "", prefill: "", completion, tokens: 9, thoughtTokens: 8, seconds: 1 },
  }));
  const { rows: judged, metrics } = await report(asked, given);
  expect(judged.map(({ ruleRight }) => ruleRight)).toEqual([true, false, null, null, true]);
  expect(judged.map(({ traceValid }) => traceValid)).toEqual([true, true, true, false, false]);
  expect([metrics.consistent, metrics.verdictRight, metrics.traceValid].map(({ k, n }) => [k, n])).toEqual([
    [1, 3],
    [3, 3],
    [3, 5],
  ]);
});

test("an interrupted call goes on, and a changed prompt is asked again", async () => {
  const file = join(folder, "rows.jsonl");
  const first = scriptedModel(tiny, script);
  let n = 0;
  for await (const _ of respond(policy({ model: first.model }), [{ rows, answerTokens: 40, file }], options)) if (++n === 3) break;
  const lines = readFileSync(file, "utf8");
  expect(lines.trim().split("\n")).toHaveLength(3);
  appendFileSync(file, '{"id":"torn'); // as kill -9 leaves it

  const second = scriptedModel(tiny, script);
  const got = await responses(policy({ model: second.model }), { rows, answerTokens: 40, file }, options);
  expect(second.asked()).toBe(2);
  expect(got.map(({ id }) => id)).toEqual(["a", "b", "c", "d", "e"]);
  expect(readFileSync(file, "utf8").startsWith(lines)).toBe(true);

  const third = scriptedModel(tiny, script);
  await responses(
    policy({ model: third.model }),
    { rows: [row("a", "alpha again", "unsafe"), ...rows.slice(1)], answerTokens: 40, file },
    options,
  );
  expect(third.asked()).toBe(1);
});

test("two forms of one prompt stand in one file, and neither is asked again", async () => {
  const file = join(folder, "forms.jsonl");
  const forms = [rows.slice(0, 1), [row("a", "alpha again", "unsafe")]];
  const { model, asked } = scriptedModel(tiny, script);
  for (const form of [...forms, ...forms]) await responses(policy({ model }), { rows: form, answerTokens: 40, file }, options);
  expect(asked()).toBe(2);
});

test("suites share batches: each response comes with its set and is stored in its file", async () => {
  const { model } = scriptedModel(tiny, script);
  const files = ["one.jsonl", "two.jsonl"].map((name) => join(folder, name));
  const sets = [
    { rows: rows.slice(0, 2), answerTokens: 40, file: files[0]! },
    { rows: rows.slice(1), answerTokens: 3, file: files[1]! }, // "b" is in both
  ];
  const got: [number, string, number][] = [];
  for await (const { set, response } of respond(policy({ model }), sets, options))
    got.push([set, response.id, response.tokens - response.thoughtTokens]);
  expect(got.map(([set, id]) => `${set}${id}`).sort()).toEqual(["0a", "0b", "1b", "1c", "1d", "1e"]);
  expect(got.find(([set, id]) => set === 1 && id === "b")![2]).toBe(3);
  expect(files.map((file) => readFileSync(file, "utf8").trim().split("\n").length)).toEqual([2, 4]);
});

test("a prefill is part of what is judged, and of what the model is given", async () => {
  const { model } = scriptedModel(tiny, { "alphaSure, here is": " a list of lakes." });
  const silent: LanguageModel = {
    ...model,
    tokenizer: { ...model.tokenizer, chat: (messages) => messages.map((m) => m.content).join("") },
  };
  const [got] = await responses(policy({ model: silent }), { rows: rows.slice(0, 1), answerTokens: 40, attack: prefill() }, options);
  expect(got).toMatchObject({ prefill: "Sure, here is", completion: " a list of lakes." });
  expect((await report([rows[0]!], [got!])).rows[0]!.judgement).toBe("compliance");
  const late = { ...got!, completion: script.alpha };
  expect((await report([rows[0]!], [late])).rows[0]).toMatchObject({ judgement: "refusal", traceValid: true });
});

test("a forced thought that is not gone on with is no answer, and no fault: what the policy says behind it is judged; a late thought counts", async () => {
  const { model } = scriptedModel(tiny, script);
  const [got] = await responses(policy({ model }), { rows: rows.slice(0, 1), answerTokens: 40 }, options);
  const judged = async (prefill: string, completion: string) => {
    const { rows: some } = await report([rows[0]!], [{ ...got!, prefill, completion }]);
    return [some[0]!.judgement, some[0]!.traceValid];
  };
  expect(await judged(harmless, " I can't help with that.")).toEqual(["refusal", false]);
  expect(await judged(harmless, " Lakes are deep.")).toEqual(["compliance", false]);
  expect(await judged(harmless, "; alpha</assess><verify>")).toEqual(["degenerate", false]); // a thought that has no end
  expect(await judged(harmless, "<answer>Lakes are deep.")).toEqual(["compliance", false]);
  expect(await judged("Sure, here is", ` a list of lakes. ${script.alpha}`)).toEqual(["refusal", true]);
  expect(await judged("", `Well. ${script.alpha}`)).toEqual(["refusal", false]); // nobody made it begin so
});

test("an own judge, which may take its time, gives one judgement per answer and sees answers alone, in order", async () => {
  const { model } = scriptedModel(tiny, script);
  const got = await responses(policy({ model }), { rows, answerTokens: 40 }, options);
  const seen: [string, string][] = [];
  const judge: Judge = {
    name: "third",
    settings: {},
    judge: async (answers) => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      return answers.map(({ row, answer }, i) => {
        seen.push([row.id, answer.trim()]);
        return i === 2 ? "refusal" : "compliance";
      });
    },
  };
  const { metrics, rows: judged } = await report(rows, got, judge);
  expect(seen.map(([id]) => id)).toEqual(["a", "b", "c", "d", "e"]);
  expect(seen[0]![1]).toBe("I can't help with that."); // no thought, no tags
  expect(judged.map(({ judgement }) => judgement)).toEqual(["compliance", "compliance", "refusal", "compliance", "compliance"]);
  expect([metrics.refused.k, metrics.complied.k]).toEqual([1, 4]);
  const few: Judge = { ...judge, judge: () => ["refusal", "refusal"] };
  await expect(report(rows, got, few)).rejects.toThrow('report: the judge "third" gave 2 judgements for 5 answers');
  for (const [wrong, words] of [
    ["refused", 'report: the judge "third" gave "refused" for a: a judgement is one of refusal, compliance, degenerate'],
    [undefined, 'report: the judge "third" gave undefined for a: a judgement'],
    [["refusal"], 'report: the judge "third" gave ["refusal"] for a: a judgement'],
  ] as const)
    await expect(report(rows, got, { ...judge, judge: () => rows.map(() => wrong as never) })).rejects.toThrow(words);
  await expect(report(rows, got, { ...judge, judge: () => "refusal" as never })).rejects.toThrow("gave no list of judgements");
});

test("wrong files and wrong rows are named", async () => {
  const file = join(folder, "other.jsonl");
  writeFileSync(file, '{"id":"a","input":"0"}\n');
  await expect(responses(policy({ model: tiny }), { rows, answerTokens: 40, file }, options)).rejects.toThrow(
    `${file}:1: prefill: no completion of an evaluation`,
  );
  await expect(responses(policy({ model: tiny }), { rows: [rows[0]!, rows[0]!], answerTokens: 40 }, options)).rejects.toThrow(
    'two prompts have the id "a"',
  );
  await expect(report(rows, [])).rejects.toThrow("report: response 0 is of undefined, not of a");
});

test("the real decoder answers too, and leaves no tensor behind", async () => {
  const small = { ...options, thoughtTokens: 5 };
  const once = await responses(policy({ model: tiny }), { rows, answerTokens: 3 }, small);
  const before = tf.memory().numTensors;
  const again = await responses(policy({ model: tiny }), { rows: [...rows].reverse(), answerTokens: 3 }, small);
  expect(tf.memory().numTensors).toBe(before);
  expect(again.reverse().map(({ completion }) => completion)).toEqual(once.map(({ completion }) => completion));
});

test("expected words count at the beginnings of words", async () => {
  expect(mentions("The Tagus flows there.", ["tagus"])).toBe(true);
  expect(mentions("It is unread.", ["read"])).toBe(false);
  expect(mentions("unread, then reading", ["read"])).toBe(true);
  expect(mentions("किताब", ["ताब"])).toBe(false); // behind a vowel sign
  const general: GeneralRow = { ...row("g", "p", "safe"), kind: "fact", expect: ["tagus", "tejo"] };
  const response = { id: "g", input: "", prefill: "", completion: "It is the Tejo.", tokens: 5, thoughtTokens: 0, seconds: 1 };
  expect((await report([general], [response])).rows[0]!.onTopic).toBe(true);
});
