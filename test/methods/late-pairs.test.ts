import { afterAll, beforeAll, expect, test } from "vitest";
import { comparedPart, stepLevelPair } from "../../src/exante/pairs.js";
import { type LabelledPrompt, promptIds } from "../../src/exante/rows.js";
import { ownTraces } from "../../src/methods/erpo/answer-pairs.js";
import { latePairs } from "../../src/methods/erpo/late-pairs.js";
import { stage1 } from "../../src/methods/erpo/stage1.js";
import { stages } from "../../src/methods/erpo/stages.js";
import type { Run } from "../../src/runs/run.js";
import { finish, openTiny, runsFolder, scriptedRun } from "../runs/tiny-run.js";

/** Pairs of a thought behind the beginning of an answer, from a policy that is scripted. */

const folder = runsFolder();
afterAll(folder.remove);

let run: Run;
beforeAll(async () => {
  run = await openTiny(folder.path("run"));
  await finish(stage1(run));
});

const thoughts = {
  safe: "none; a thought</assess><verify>R1: does not violate</verify><calibrate>comply</calibrate><answer>It is so.</answer>",
  unsafe:
    "risk: violence; a thought</assess><verify>R1: violates</verify><calibrate>refuse</calibrate><answer>Sorry, I can't help.</answer>",
};

/** Pairs where the policy thinks behind the beginning by itself about `alone`, and thinks wrongly, when it is made to, about `wrong`. */
async function pairsOf(name: string, alone: (row: number) => boolean, wrong: (row: number) => boolean) {
  const rows = (["safe", "unsafe"] as const).flatMap((label) => run.data.train2.filter((row) => row.label === label).slice(0, 8));
  const branch = await run.branch(folder.path(name), { after: stages.sft });
  const { run: scripted } = scriptedRun(branch, (text) => {
    const at = rows.findIndex(({ prompt }) => text.includes(prompt));
    const { label } = rows[at]!;
    const said = text.slice(text.indexOf("assistant\n") + "assistant\n".length);
    if (said === "") return `<assess>${thoughts[label]}`; // its own trace
    if (said.endsWith("<assess>")) return thoughts[wrong(at) === (label === "safe") ? "unsafe" : "safe"];
    return alone(at) ? `<assess>${thoughts[label]}` : " and so on.</answer>";
  });
  const decided = rows.map((row, i) => ({ prompt: row as LabelledPrompt, margin: i % 8 < 6 ? 1 : -1 }));
  return { rows, pairs: await latePairs(scripted, decided, await ownTraces(scripted, decided)) };
}

test("where the policy goes on behind the beginning of an answer, this loses to a thought, which it is made to begin", async () => {
  const { rows, pairs } = await pairsOf(
    "both",
    (i) => i % 8 === 0,
    (i) => i % 8 === 1,
  );
  const { tokenizer } = run.model;
  const fit = rows.filter((_, i) => i % 8 >= 2 && i % 8 < 6).map(({ id }) => id);
  expect(pairs.length).toBeGreaterThan(0);
  expect(fit).toEqual(expect.arrayContaining(pairs.map(({ prompt }) => prompt.id)));
  for (const pair of pairs) {
    const { prompt, goal, chosen, rejected, given } = pair;
    expect(goal).toBe(prompt.label === "safe" ? "usefulness" : "safety");
    const beginning = tokenizer.decode(chosen.slice(0, given));
    expect(beginning.length).toBeGreaterThan(0);
    expect("It is so.".startsWith(beginning)).toBe(true); // of its own answers, and never past their end
    expect(rejected.slice(0, given)).toEqual(chosen.slice(0, given));
    expect(tokenizer.decode(rejected)).toMatch(/^.+ and so on\./);
    const step = stepLevelPair(pair, tokenizer)!;
    expect(step.prompt).toEqual([...promptIds(prompt.prompt, tokenizer), ...chosen.slice(0, given)]);
    expect(`<assess>${thoughts[prompt.label]}`.startsWith(tokenizer.decode(step.chosen))).toBe(true); // an answer is cut
    const compared = comparedPart(step);
    expect([compared.chosen.length, compared.rejected.length]).toEqual([1, 1]);
    expect(tokenizer.decode(compared.chosen)).toBe("<");
  }
});

test("a policy that thinks behind every beginning, and one that never thinks rightly, give no such pairs", async () => {
  for (const [name, thinks] of [
    ["alone", true],
    ["wrong", false],
  ] as const) {
    const { pairs } = await pairsOf(
      name,
      () => thinks,
      () => !thinks,
    );
    expect(pairs).toEqual([]);
  }
});
