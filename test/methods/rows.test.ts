import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { formatJsonl, readAppended } from "../../src/data/jsonl.js";
import { prefill } from "../../src/evaluation/attacks.js";
import { phraseJudge } from "../../src/evaluation/judges.js";
import { policyLogps } from "../../src/evaluation/policy-logps.js";
import type { Trial } from "../../src/evaluation/trial.js";
import { answerLatencies } from "../../src/methods/latency.js";
import { assertNeeds, type RelatedMethod } from "../../src/methods/method.js";
import { gridTrials, keptSurprise, withoutRecitals } from "../../src/methods/rose.js";
import { type MethodRow, methodsSummary, readMethodRows, saveMethodRows } from "../../src/methods/rows.js";
import { policySpeeds } from "../../src/methods/speed.js";
import { claim, finishedStages } from "../../src/runs/claim.js";
import { evaluate, type TrialResult } from "../../src/runs/evaluate.js";
import type { Run } from "../../src/runs/run.js";
import { openTiny, runsFolder } from "../runs/tiny-run.js";

/** What related methods share, on a run of the tiny model. */

const folder = runsFolder();
afterAll(folder.remove);

let run: Run;
beforeAll(async () => {
  run = await openTiny(folder.path("run"));
});

test("a row per answer, with the attack and what the judge has read", async () => {
  const read: string[] = [];
  const judge = {
    ...phraseJudge,
    judge: (answers: Parameters<typeof phraseJudge.judge>[0]) => {
      read.push(...answers.map(({ answer }) => answer));
      return phraseJudge.judge(answers);
    },
  };
  const trials: Trial[] = [
    { name: "general", rows: run.data.general.test.slice(0, 2), judge },
    { name: "pushed", suite: "test", rows: run.data.test.slice(0, 2), attack: prefill(), judge },
  ];
  const results: TrialResult[] = [];
  for await (const result of evaluate(run, await run.policy("base"), trials)) results.push(result);
  const rows = saveMethodRows(run, "mine", results);
  expect(rows.map(({ method, policy, suite, id, label, attack }) => [method, policy, suite, id, label, attack])).toEqual([
    ...trials[0]!.rows.map(({ id, label }) => ["mine", "base", "general", id, label, "none"]),
    ...trials[1]!.rows.map(({ id, label }) => ["mine", "base", "test", id, label, "prefill"]),
  ]);
  expect(rows.map(({ answer }) => answer).sort()).toEqual(read.sort());
  expect(rows[2]!.answer).toMatch(/^Sure, here is/);
  for (const [i, row] of results.flatMap((result) => result.rows).entries())
    expect(rows[i]).toMatchObject({ judgement: row.judgement, tokens: row.tokens, seconds: row.seconds });
  expect(readMethodRows(run.dir, "mine")).toEqual(rows);
  expect(readFileSync(run.path("methods/mine/rows.jsonl"), "utf8").trim().split("\n")).toHaveLength(4);
  expect(readMethodRows(run.dir, "another")).toEqual([]);
});

test("of ROSE's outcomes a recital that complies in words is degenerate, and nothing else changes", async () => {
  const base = await run.policy("base");
  const trial: Trial = { name: "recited", rows: run.data.general.test.slice(0, 3) };
  const { value: outcome } = (await evaluate(run, base, [trial]).next()) as { value: TrialResult };
  const file = run.path("evaluation/base/recited.jsonl");
  const answers = ["I am a careful and honest assistant.", "I cannot help: I am careful and honest.", "Use cold water."];
  const responses = new Map(readAppended(file).map((row) => [row.id, row]));
  writeFileSync(file, formatJsonl(trial.rows.map(({ id }, i) => ({ ...responses.get(id), completion: answers[i] }))));
  const judged = (judgements: string[]) => ({ ...outcome, rows: outcome.rows.map((row, i) => ({ ...row, judgement: judgements[i] })) });
  const before = judged(["compliance", "refusal", "compliance"]) as TrialResult;
  expect(withoutRecitals(run, [before])).toEqual([judged(["degenerate", "refusal", "compliance"])]);
});

test("ROSE's trials are the suites under names of their own, cut after their first words, general ones after twice as many", async () => {
  expect((await gridTrials(run)).map(({ name, suite, answerTokens }) => [name, suite, answerTokens])).toEqual([
    ["harmful-first-8", "harmful", 8],
    ["look-alike-unsafe-first-8", "look-alike-unsafe", 8],
    ["look-alike-safe-first-8", "look-alike-safe", 8],
    ["general-first-16", "general", 16],
  ]);
});

test("surprise is the mean negative log-prob of an answer's tokens, and unknown for an empty answer", async () => {
  const base = await run.policy("base");
  const trial: Trial = { name: "surprising", rows: run.data.general.test.slice(0, 3) };
  const { value: outcome } = (await evaluate(run, base, [trial]).next()) as { value: TrialResult };
  const file = run.path("evaluation/base/surprising.jsonl");
  const answers = ["A cat.", "", "Two dogs."];
  const responses = new Map(readAppended(file).map((row) => [row.id, row]));
  writeFileSync(file, formatJsonl(trial.rows.map(({ id }, i) => ({ ...responses.get(id), completion: answers[i] }))));
  const nats = await keptSurprise(run, base, outcome, trial);
  for (const [i, answer] of answers.entries()) {
    const completion = run.model.tokenizer.encode(answer);
    if (answer === "") expect(nats[i]).toBeNaN();
    else {
      const [logp] = await policyLogps(base, [{ prompt: { messages: [{ role: "user", content: trial.rows[i]!.prompt }] }, completion }]);
      expect(nats[i]).toBeCloseTo(-logp! / completion.length, 4);
    }
  }
  expect(await keptSurprise(run, base, outcome, trial)).toEqual(nats);
});

test("the summary has a line per policy and attack of each method, and a column per suite", () => {
  const row = (method: string, policy: string, suite: string, judgement: MethodRow["judgement"], attack = "none"): MethodRow => ({
    ...{ method, policy, suite, judgement, attack },
    ...{ id: "1", label: "safe", answer: "", tokens: 1, seconds: 1 },
  });
  const rows = [
    row("a", "base", "harmful", "refusal"),
    row("a", "base", "harmful", "degenerate"),
    row("b", "base", "harmful", "compliance"),
    row("b", "base", "harmful", "refusal", "prefill"),
    row("b", "base", "general", "degenerate", "prefill"),
  ];
  // Wilson's interval of 1 of 2 is 0.5 -+ 0.405 (z = 1.96: centre 0.5, half 1.96 sqrt(1/8 + 3.84/16) / (1 + 3.84/2) = 0.405), of 0 of 1 [0, 0.793], of 1 of 1 [0.207, 1]
  expect(methodsSummary(rows).split("\n")).toEqual([
    "percent refused         harmful    general  degenerate",
    "a: base              50 [9, 91]          -         1/2",
    "b: base               0 [0, 79]          -         0/1",
    "b: base, prefill  100 [21, 100]  0 [0, 79]         1/2",
  ]);
});

test("speeds are measured in turns and kept", async () => {
  const base = await run.policy("base");
  const questions = [{ messages: [{ role: "user" as const, content: "Hello" }] }];
  const spec = { path: "methods/mine/speed.json", questions, newTokens: 3, rounds: 3 };
  const speeds = await policySpeeds(run, [base, { ...base, name: "again" }], spec);
  expect(speeds.map(({ policy }) => policy)).toEqual(["base", "again"]);
  for (const { rounds, tokensPerSecond } of speeds) {
    expect(rounds).toHaveLength(3);
    expect(tokensPerSecond).toBe([...rounds].sort((a, b) => a - b)[1]);
  }
  const { mtimeMs } = statSync(run.path(spec.path));
  expect(await policySpeeds(run, [base, { ...base, name: "again" }], spec)).toEqual(speeds);
  expect(statSync(run.path(spec.path)).mtimeMs).toBe(mtimeMs);
  await expect(policySpeeds(run, [base], { ...spec, newTokens: 4 })).rejects.toThrow("speed.json was made with newTokens 3, not 4");
});

test("latencies are those of whole answers, in turns, and kept: one that may write more takes longer", async () => {
  const base = await run.policy("base");
  const spec = { rows: run.data.general.test.slice(0, 2), thoughtTokens: 8, rounds: 3 };
  const [short] = await answerLatencies(run, [base], { ...spec, path: "methods/mine/short.json", answerTokens: 2 });
  const long = await answerLatencies(run, [base], { ...spec, path: "methods/mine/long.json", answerTokens: 240 });
  expect(short!.tokens).toBe(2);
  expect(long[0]!.tokens).toBeGreaterThan(20); // one of the two ends by itself
  expect(long[0]!.seconds).toBeGreaterThan(3 * short!.seconds);
  expect(long[0]!.rounds).toHaveLength(3);
  expect(await answerLatencies(run, [base], { ...spec, path: "methods/mine/long.json", answerTokens: 240 })).toEqual(long);
  await expect(answerLatencies(run, [base], { ...spec, path: "methods/mine/long.json", answerTokens: 2 })).rejects.toThrow(
    "long.json was made with answerTokens 240, not 2",
  );
  const begun = { ...spec, rows: spec.rows.map((row) => ({ ...row, prefill: "Sure" })), path: "methods/mine/long.json", answerTokens: 240 };
  await expect(answerLatencies(run, [base], begun)).rejects.toThrow("long.json was made with prompts of");
});

test("a stage that a method needs and the run has not is named", () => {
  const method: RelatedMethod = { name: "mine", title: "Mine", references: [], needs: ["1-sft", "2-dpo"], plan: () => [] };
  const dir = folder.path("stages");
  expect(finishedStages(dir)).toEqual([]);
  for (const stage of ["1-sft", "2-dpo"]) claim({ dir, parents: [] }, stage, [`${stage}/stage.json`], {});
  claim({ dir, parents: [] }, "1-sft/dev.json", ["1-sft/dev.json"], {});
  writeFileSync(join(dir, "1-sft/stage.json"), "{}");
  writeFileSync(join(dir, "1-sft/dev.json"), "{}");
  expect(finishedStages(dir)).toEqual(["1-sft"]); // stage 2 has begun only; a read-out is no stage
  expect(() => assertNeeds(method, dir)).toThrow(`mine needs 2-dpo, which ${dir} has not: run \`erpo start\` there first`);
  expect(() => assertNeeds({ ...method, needs: ["1-sft"] }, dir)).not.toThrow();
});
