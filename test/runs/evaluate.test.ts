import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readJsonl } from "../../src/data/jsonl.js";
import type { PromptRow } from "../../src/data/types.js";
import type { Attack } from "../../src/evaluation/attacks.js";
import type { Trial } from "../../src/evaluation/trial.js";
import { plain } from "../../src/generation/decoding.js";
import { policy } from "../../src/generation/policy.js";
import { evaluate, keptPerplexity } from "../../src/runs/evaluate.js";
import type { Run } from "../../src/runs/run.js";
import { builtInTrial, type TrialName } from "../../src/runs/trials.js";
import { finish, openTiny, runsFolder } from "./tiny-run.js";

const folder = runsFolder();
afterAll(folder.remove);

let run: Run;
let trial: Trial;
beforeAll(async () => {
  run = await openTiny(folder.path("run"));
  trial = { name: "own", rows: run.data.advbench.test.slice(0, 4) };
});

/** Trials whose prompts need no package. */
const names = [
  ...(["harmful", "harmbench", "look-alike-unsafe", "look-alike-safe", "general"] as const),
  ...(["prefill", "prefill-control", "forced-decision"] as const),
];

const base = () => policy({ model: run.model, name: "base" });

test("two trials of one name, and names that are no place in the policy's folder, are named before anything is asked", async () => {
  const refused = (words: string, trials: Trial[], name = "base") =>
    expect(finish(evaluate(run, { ...base(), name }, trials))).rejects.toThrow(words);
  await refused('two trials have the name "own"', [trial, { ...trial, rows: trial.rows.slice(2) }]);
  for (const name of ["", " ", "..", "../x", "a/../../x"]) {
    await refused(`trial "${name}": its outcome is kept under its name`, [{ ...trial, name }]);
    await refused(`policy "${name}": its outcomes are kept under its name`, [trial], name);
  }
  await refused('trial "none" has no prompts: leave it out', [{ name: "none", rows: [] }, trial]);
  expect(existsSync(run.path("evaluation/base"))).toBe(false);
  await expect(keptPerplexity(run, { ...base(), name: "../x" })).rejects.toThrow('policy "../x"');
});

test("sampled answers to a trial are the same alone, beside others and resumed, and differ from another trial's", async () => {
  const drawn = policy({ model: run.model, name: "drawn", decoding: plain({ temperature: 2 }) });
  const other = { name: "other", rows: run.data.dev.slice(0, 3) };
  const again = { ...trial, name: "again" };
  const answers = (of: Run, name = "own") =>
    readJsonl(of.path(`evaluation/drawn/${name}.jsonl`))
      .map(({ value }) => value as { id: string; completion: string })
      .map(({ id, completion }) => `${id} ${completion}`)
      .sort();
  const [alone, beside, resumed] = await Promise.all(["alone", "beside", "resumed"].map((name) => openTiny(folder.path(name))));
  await finish(evaluate(alone!, drawn, [trial]));
  await finish(evaluate(beside!, drawn, [other, again, trial]));
  expect(answers(beside!)).toEqual(answers(alone!));
  expect(answers(beside!, "again")).not.toEqual(answers(alone!));

  await finish(evaluate(resumed!, drawn, [trial]));
  rmSync(resumed!.path("evaluation/drawn/own.json"));
  const file = resumed!.path("evaluation/drawn/own.jsonl");
  writeFileSync(
    file,
    readFileSync(file, "utf8")
      .split("\n")
      .slice(1, 3)
      .map((line) => `${line}\n`)
      .join(""),
  );
  await finish(evaluate(resumed!, drawn, [trial]));
  expect(answers(resumed!)).toEqual(answers(alone!));
});

test("special strings in a trial's prompts are text, and its identity says so where there are some", async () => {
  const identityOf = (name: string) => JSON.parse(readFileSync(run.path(`evaluation/base/${name}.identity.json`), "utf8")).identity;
  const special = { name: "special", rows: [{ ...trial.rows[0]!, prompt: "Hi<|im_end|>" }] };
  await finish(evaluate(run, base(), [trial, special]));
  expect(identityOf("special").literal).toBe(true);
  expect(identityOf("own")).not.toHaveProperty("literal"); // the same tokens both ways: results of before stay
  const asTokens = policy({ model: run.model, name: "base", literal: false });
  await expect(finish(evaluate(run, asTokens, [special]))).rejects.toThrow(
    "evaluation/base/special.json was made with literal true, not false",
  );
  await finish(evaluate(run, { ...asTokens, name: "tokens" }, [special]));
  const input = (name: string) => readJsonl(run.path(`evaluation/${name}/special.jsonl`))[0]!.value.input;
  expect(input("tokens")).not.toBe(input("base"));
});

test("built-in trials have the profile's numbers of prompts, of one label each, under their attacks", async () => {
  const { prompts, attackPrompts } = run.profile.evaluation;
  expect(prompts).not.toBe(attackPrompts);
  const [unsafe, safe] = ["unsafe", "safe"];
  const built = async (name: TrialName) => {
    const { rows, attack, answerTokens } = await builtInTrial(run, name);
    return [name, rows.length, [...new Set(rows.map(({ label }) => label))].join(), attack?.name, answerTokens];
  };
  expect(await Promise.all(names.map(built))).toEqual([
    ["harmful", prompts, unsafe, undefined, undefined],
    ["harmbench", prompts, unsafe, undefined, undefined],
    ["look-alike-unsafe", prompts, unsafe, undefined, undefined],
    ["look-alike-safe", prompts, safe, undefined, undefined],
    ["general", prompts, safe, undefined, 48],
    ["prefill", attackPrompts, unsafe, "prefill", undefined],
    ["prefill-control", attackPrompts, safe, "prefill", undefined],
    ["forced-decision", attackPrompts, unsafe, "forced-decision", undefined],
  ]);
  const control = (await builtInTrial(run, "prefill-control")).rows.map(({ id }) => id);
  expect(run.data.test.map(({ id }) => id)).toEqual(expect.arrayContaining(control)); // look-alikes, as the unsafe ones have
});

test("a trial that there is not, and an attack that asks no question, are named", async () => {
  const refused = (asked: Trial | TrialName, words: string) => expect(finish(evaluate(run, base(), [asked]))).rejects.toThrow(words);
  await refused(
    "harmfull" as TrialName,
    'no trial has the name "harmfull": there are harmful, harmbench, look-alike-unsafe, look-alike-safe, general,',
  );
  await refused("toString" as TrialName, 'no trial has the name "toString"');
  const attack = (ask: unknown) => ({ ...trial, attack: { name: "shout", ask } as Attack });
  const row = trial.rows[0]!.id;
  const none = `attack "shout", prompt ${row}: ask gave no question { messages, prefill? }`;
  await refused(
    attack(({ prompt }: PromptRow) => prompt),
    `${none} (Invalid input: expected object, received string)`,
  );
  await refused(
    attack(async () => ({ messages: [] })),
    `${none} but a Promise: it must not be async`,
  );
  await refused(
    attack(() => ({ messages: [{ role: "user" }] })),
    `${none} (messages: 0: content: Invalid input`,
  );
});
