import { afterAll, beforeAll, expect, test } from "vitest";
import type { PromptRow } from "../../src/data/types.js";
import { overruling } from "../../src/methods/erpo/overruling.js";
import { stage1 } from "../../src/methods/erpo/stage1.js";
import { stages } from "../../src/methods/erpo/stages.js";
import type { Run } from "../../src/runs/run.js";
import { finish, openTiny, runsFolder, scriptedRun } from "../runs/tiny-run.js";

/** What is measured on policies whose verdict is known: one repeats the first word, one knows the label, one contradicts. */

const folder = runsFolder();
afterAll(folder.remove);

let real: Run;
beforeAll(async () => {
  real = await openTiny(folder.path("run"));
  await finish(stage1(real));
});

async function measured(name: string, violates: (row: PromptRow, first: "none" | "risk") => boolean) {
  const branch = await real.branch(folder.path(name), { after: stages.sft });
  const { run } = scriptedRun(branch, (text) => {
    const row = real.data.dev.find(({ prompt }) => text.includes(prompt))!;
    const verdict = violates(row, text.includes("<assess>none") ? "none" : "risk");
    return `; a thought</assess><verify>R1: ${verdict ? "violates" : "does not violate"}</verify><calibrate>x</calibrate><answer>Yes.</answer>`;
  });
  const { wrong, right } = await overruling(run, stages.sft);
  return [wrong.unsafe, wrong.safe, right.unsafe, right.safe].map(({ rate }) => rate);
}

test("a verdict that repeats the first word overrules nothing", async () => {
  expect(await measured("repeats", (_, first) => first === "risk")).toEqual([0, 0, 0, 0]);
});

test("a verdict that knows the label overrules wrong words alone", async () => {
  expect(await measured("knows", ({ label }) => label === "unsafe")).toEqual([1, 1, 0, 0]);
});

test("a verdict that contradicts overrules right words too", async () => {
  expect(await measured("contradicts", (_, first) => first === "none")).toEqual([1, 1, 1, 1]);
});
