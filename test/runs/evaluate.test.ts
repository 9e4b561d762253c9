import { afterAll, beforeAll, expect, test } from "vitest";
import type { Trial } from "../../src/evaluation/trial.js";
import { policy } from "../../src/generation/policy.js";
import { evaluate, keptPerplexity } from "../../src/runs/evaluate.js";
import type { Run } from "../../src/runs/run.js";
import { finish, openTiny, runsFolder } from "./tiny-run.js";

const folder = runsFolder();
afterAll(folder.remove);

let run: Run;
let trial: Trial;
beforeAll(async () => {
  run = await openTiny(folder.path("run"));
  trial = { name: "own", rows: run.data.advbench.test.slice(0, 4) };
});

const base = () => policy({ model: run.model, name: "base" });

test("two trials of one name, and names that are no place in the policy's folder, are named before anything is asked", async () => {
  const refused = (words: string, trials: Trial[], name = "base") =>
    expect(finish(evaluate(run, { ...base(), name }, trials))).rejects.toThrow(words);
  await refused('two trials have the name "own"', [trial, { ...trial, rows: trial.rows.slice(2) }]);
  for (const name of ["", " ", "..", "../x", "a/../../x"]) {
    await refused(`trial "${name}": its outcome is kept under its name`, [{ ...trial, name }]);
    await refused(`policy "${name}": its outcomes are kept under its name`, [trial], name);
  }
  await expect(keptPerplexity(run, { ...base(), name: "../x" })).rejects.toThrow('policy "../x"');
});
