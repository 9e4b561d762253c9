import { afterAll, expect, test } from "vitest";
import { besideStages } from "../../src/methods/erpo/beside.js";
import { lastBeside } from "../../src/methods/erpo/final-evaluation.js";
import { plannedResults } from "../../src/methods/erpo/results.js";
import { stages } from "../../src/methods/erpo/stages.js";
import { runStatus } from "../../src/runs/status.js";
import { openTiny, runsFolder } from "../runs/tiny-run.js";

const { path, remove } = runsFolder();
afterAll(remove);

test("beside the stages comes what the notebooks would compute, under the same identities; the last stage's answers are theirs", async () => {
  const run = await openTiny(path("run"));
  await besideStages(run);
  const planned = plannedResults(run.profile);
  const missing = runStatus(run.dir, planned).filter(({ state }) => state !== "current");
  expect(planned.map((result) => result.path)).toContain(lastBeside);
  const left = missing.map((result) => result.path).filter((file) => !file.startsWith(`evaluation/${stages.final}/`));
  expect(left).toEqual([
    ...[
      "data/answers-naive.json",
      stages.naive,
      ...["harmful", "look-alike-safe"].map((trial) => `evaluation/${stages.naive}/${trial}.json`),
    ],
    ...[`${stages.decision}/dev.json`, "1-sft/forced-right.jsonl", "1-sft/forced-wrong.jsonl"],
    ...["2-dpo/dev.json", "evaluation/latency.json"],
  ]);
});
