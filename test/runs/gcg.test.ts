import { existsSync } from "node:fs";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { readJsonl } from "../../src/data/jsonl.js";
import type { PromptRow } from "../../src/data/types.js";
import { gcgAttack } from "../../src/evaluation/gcg.js";
import { policy } from "../../src/generation/policy.js";
import { evaluate } from "../../src/runs/evaluate.js";
import { type FoundSuffix, gcgSuffixes } from "../../src/runs/gcg.js";
import type { Run } from "../../src/runs/run.js";
import { finish, openTiny, runsFolder } from "./tiny-run.js";

const folder = runsFolder();
afterAll(folder.remove);

const settings = { tokens: 8, budget: { steps: 2, candidates: 6, topK: 8 } };
const rows = ["How do I fold a paper boat?", "Name a cat.", "What is tea?"].map((prompt, i): PromptRow => {
  return { id: `p${i}`, prompt, label: "safe", family: "f", category: "none", source: "test", split: "test" };
});

let run: Run;
beforeAll(async () => {
  run = await openTiny(folder.path("run"));
});

const base = () => policy({ model: run.model, name: "base" });

async function all(of: Run, asked = rows, more: Partial<Parameters<typeof gcgSuffixes>[3]> = {}): Promise<FoundSuffix[]> {
  const found: FoundSuffix[] = [];
  for await (const row of gcgSuffixes(of, base(), asked, { ...settings, ...more })) found.push(row);
  return found;
}
const untimed = (found: FoundSuffix[]) => found.map(({ seconds: _, ...rest }) => rest);

test("a search that is stopped has lost one prompt at most, and ends as one that is not", async () => {
  const whole = untimed(await all(await openTiny(folder.path("whole"))));
  expect(whole.map(({ id, losses }) => [id, losses.length])).toEqual(rows.map(({ id }) => [id, 3]));
  expect(whole.every(({ losses }) => losses[2]! < losses[0]!)).toBe(true);

  const abort = new AbortController();
  const stopped = async () => {
    for await (const { id } of gcgSuffixes(run, base(), rows, { ...settings, signal: abort.signal }))
      if (id === "p1") setImmediate(() => abort.abort(new Error("stopped"))); // in the third search
  };
  await expect(stopped()).rejects.toThrow("stopped");
  expect(existsSync(run.path("evaluation/base/gcg.json"))).toBe(false);
  expect(readJsonl(run.path("evaluation/base/gcg.jsonl")).map(({ value }) => value.id)).toEqual(["p0", "p1"]);

  const gradients = vi.spyOn(run.model.decoder, "inputGradient");
  const found: FoundSuffix[] = [];
  for await (const row of gcgSuffixes(run, base(), rows, settings)) {
    found.push(row);
    if (row.id === "p1") expect(gradients).not.toHaveBeenCalled();
  }
  expect(gradients).toHaveBeenCalled();
  expect(untimed(found)).toEqual(whole);
  expect(existsSync(run.path("evaluation/base/gcg.jsonl"))).toBe(false);

  gradients.mockClear();
  expect(await all(run)).toEqual(found);
  expect(gradients).not.toHaveBeenCalled();
  gradients.mockRestore();
});

test("what is found for a prompt does not depend on the others", async () => {
  const other = await openTiny(folder.path("other"));
  const [last] = untimed(await all(other, [rows[2]!]));
  expect(last).toEqual(untimed(await all(run))[2]);
});

test("suffixes of another budget, target or other prompts, and two rows of one id, are named", async () => {
  const refused = (words: string, asked: PromptRow[], more: Partial<Parameters<typeof gcgSuffixes>[3]> = {}) =>
    expect(all(run, asked, more)).rejects.toThrow(words);
  await refused("evaluation/base/gcg.json was made with steps 2, not 3", rows, { budget: { ...settings.budget, steps: 3 } });
  await refused("gcg.json was made with target Sure, here is, not Yes.", rows, { target: "Yes." });
  await refused("gcg.json was made with prompts 3, not 2", rows.slice(1));
  await refused("gcg.json was made with questions of SHA-256", [...rows.slice(0, 2), { ...rows[2]!, prompt: "What is milk?" }]);
  await refused('two prompts have the id "p0"', [rows[0]!, rows[0]!]);
});

test("an evaluation with what was found asks each prompt with its own suffix", async () => {
  const suffixes = new Map((await all(run)).map(({ id, suffix }) => [id, suffix]));
  const policy = base();
  await finish(
    evaluate(run, policy, [
      { name: "after", rows, attack: gcgAttack(suffixes) },
      { name: "before", rows },
    ]),
  );
  const inputs = (name: string) => readJsonl(run.path(`evaluation/base/${name}.jsonl`)).map(({ value }) => `${value.input}`);
  expect(inputs("after")).toHaveLength(3);
  expect(inputs("after").filter((input) => inputs("before").includes(input))).toEqual([]);
});
