import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DataError } from "../../src/data/errors.js";
import type { LabelledPrompt } from "../../src/exante/rows.js";
import { changedProfile, profile } from "../../src/runs/profile.js";
import { wholeSentences, withAnswers, withOpenings } from "../../src/runs/reference-answers.js";
import type { Run } from "../../src/runs/run.js";
import { scriptedModel } from "../evaluation/scripted.js";
import { fixture } from "../model/open.js";
import { openTiny, runsFolder } from "./tiny-run.js";

const folder = runsFolder();
afterAll(folder.remove);

let real: Run;
beforeAll(async () => {
  real = await openTiny(folder.path("run"));
});

const prompts = Array.from({ length: 8 }, (_, i): LabelledPrompt => {
  const base = { family: "f", category: "none", source: "test", split: "train2", label: "safe" } as const;
  return { ...base, id: `p${i}`, prompt: `p${i}`, sense: "s", target: "t" };
});

/** The run with a model that says these words, of a profile whose stage 1 learns something. */
function saying(says: Record<string, string>, name: string): { run: Run; asked: () => number } {
  const { model, asked } = scriptedModel(real.model, says);
  return {
    run: { ...real, model: { ...model, name }, profile: { ...profile("quick"), name } },
    asked,
  };
}

test("reference answers are the base model's own words, asked again where it apologises, and kept", async () => {
  const says: Record<string, string> = { p1: "Open the lid.", p2: "I'm sorry, but I can't.", p3: "As a language model I say." };
  const { model, asked } = scriptedModel(real.model, says);
  const run = { ...real, model };
  const few = prompts.slice(1, 4);
  const answered = await withAnswers(run, "test", few);
  // The second time its first token is another one: "I" and "A" are masked. What follows still apologises for p2, and does no more for p3.
  expect(answered.map(({ answer }) => answer)).toEqual(["Open the lid.", undefined, "s a language model I say."]);
  expect(asked()).toBe(5);
  await withAnswers(run, "test", few);
  expect(asked()).toBe(5);
  await expect(withAnswers(run, "test", few.slice(1))).rejects.toThrow("data/answers-test.json was made with prompts of SHA-256");
});

test("an answer that is cut at 64 tokens ends with its last whole sentence; an opening may end anywhere", async () => {
  const long = "Open the lid. Then turn the wheel to the left, and turn it to the left once more until it holds.";
  const { model } = scriptedModel(real.model, { p1: long });
  const run = { ...real, model };
  expect(model.tokenizer.encode(long).length).toBeGreaterThan(64);
  expect((await withAnswers(run, "long", prompts.slice(1, 2)))[0]!.answer).toBe("Open the lid.");
  const opening = (await withOpenings(run, "long", prompts.slice(1, 2)))[0]!.answer!;
  expect(model.tokenizer.encode(opening)).toEqual(model.tokenizer.encode(long).slice(0, 16));
});

test("answers end where a sentence does", () => {
  expect(wholeSentences("One lake. Another one, which")).toBe("One lake.");
  expect(wholeSentences("It costs 3.5 euros or")).toBe("");
  expect(wholeSentences('He said "No." Then he')).toBe('He said "No."');
  expect(wholeSentences("Three steps:\n1. Open it.\n2. Close")).toBe("Three steps:\n1. Open it.");
  expect(wholeSentences("Three steps:\n1. Open it")).toBe("");
});

test("a question that is said again, and turns of both sides, are no references; where most answers are such, it is said what to do", async () => {
  const turns = "Yes, it is so.\n\nUser:\nIs it?\n\nAssistant:\nYes, it is.";
  const says = { p1: "What is p1, then? It is p2.", p2: "P2, as all know.", p4: "What is p4?\nWhat is it for?", p5: turns, p6: turns };
  const { run } = saying(says, "chatless");
  const [, whole, topic, , echo, both, more] = prompts.map((p, i) => (i === 2 ? p : { ...p, prompt: `What is ${p.id}?` }));
  const some = await withAnswers(run, "half", [{ ...whole!, prompt: "What is p1 to p2?" }, topic!, echo!, both!]);
  expect(some.map(({ answer }) => answer)).toEqual([says.p1, says.p2, undefined, undefined]);
  const few = withAnswers(run, "few", [topic!, echo!, both!, more!]);
  await expect(few).rejects.toThrow(DataError);
  await expect(few).rejects.toThrow(
    /^chatless answers 1 of 4 harmless prompts, and repeats the question, .*"answersOf": "smollm2-135m-instruct"\}$/,
  );
});

test("another model's answers are learned where the profile names it, and its digest is theirs", async () => {
  const path = folder.path("qwen2");
  cpSync(fixture("families/qwen2"), path, { recursive: true });
  for (const file of ["tokenizer.json", "tokenizer_config.json"]) cpSync(join(fixture("llama-tiny"), file), join(path, file));
  const own = await openTiny(folder.path("own"));
  const run = await openTiny(folder.path("other"), { profile: changedProfile(profile("tiny"), { name: "other", answersOf: path }) });
  await withOpenings(run, "both", prompts);
  await withOpenings(own, "both", prompts);
  const kept = (of: Run, suffix: string) => JSON.parse(readFileSync(of.path(`data/openings-both.${suffix}`), "utf8"));
  expect(kept(run, "identity.json").identity.model).not.toBe(own.model.digest);
  expect(kept(own, "identity.json").identity.model).toBe(own.model.digest);
  expect(kept(run, "json").answers).not.toEqual(kept(own, "json").answers);

  const away = { ...run, profile: { ...run.profile, answersOf: folder.path("nothing") } };
  await expect(withOpenings(away, "away", prompts)).rejects.toThrow(
    /^profile other: answersOf: .*nothing is not on this machine: `erpo setup --model /,
  );
});
