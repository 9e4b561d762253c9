import { afterAll, beforeAll, expect, test } from "vitest";
import type { TokenRow } from "../../src/data/tokens.js";
import {
  answersOnly,
  decisionTraining,
  openingsTraining,
  stage1,
  stage1Prompts,
  traceRows,
  traceTraining,
} from "../../src/methods/erpo/stage1.js";
import type { ProfileChange } from "../../src/runs/profile.js";
import type { Run } from "../../src/runs/run.js";
import { freshAdapter } from "../../src/runs/training.js";
import { changedBranch, openTiny, runsFolder } from "../runs/tiny-run.js";

/** The rows of stage 1 and of its baseline, as they are written. */

const folder = runsFolder();
afterAll(folder.remove);

let run: Run;
beforeAll(async () => {
  run = await openTiny(folder.path("run"));
});

const branched = (change: ProfileChange): Promise<Run> => changedBranch(run, folder, change);

const texts = (of: Run, rows: readonly TokenRow[]) => rows.map(({ completion }) => of.model.tokenizer.decode(completion));

async function traces(of: Run): Promise<readonly TokenRow[]> {
  return traceTraining(of, await traceRows(of, stage1Prompts(of))).rows;
}

test("an adapter has the profile's rank, an alpha of twice that, and the layers from its share of the depth on", () => {
  for (const [firstLayer, layers] of [
    [0, [0, 1]],
    [0.4, [0, 1]],
    [0.5, [1]],
    [0.9, [1]],
  ] as const) {
    // biome-ignore format: a table
    const lora = freshAdapter({ ...run, profile: { ...run.profile, rank: 3, firstLayer } }, "adapter");
    expect(lora.config).toMatchObject({ r: 3, alpha: 6, layers });
    lora.dispose();
  }
});

test("each phase has its own rate, and the second one goes on from the first", async () => {
  const branch = await branched({ stage1: { decisionRate: 0.2, traceRate: 0.1 } });
  const decisions = decisionTraining(branch, stage1Prompts(branch));
  const whole = traceTraining(branch, await traceRows(branch, stage1Prompts(branch)));
  expect([decisions, whole].map(({ optimizer, start }) => [optimizer.learningRate, start])).toEqual([
    [0.2, { stream: "adapter" }],
    [0.1, { stage: "1-sft/decision" }],
  ]);
  expect(Math.max(...whole.batches.map(({ length }) => length))).toBe(4);
  expect(Math.max(...decisions.batches.map(({ length }) => length))).toBe(8);
});

test.each([
  ["stage 1", stage1],
  ["the baseline", answersOnly],
])("%s ends quietly where it is interrupted in its first phase", async (_, stage) => {
  const branch = await branched({});
  await traceRows(branch, stage1Prompts(branch)); // its answers are there already, so that nothing else ends it
  await openingsTraining(branch, stage1Prompts(branch));
  const abort = new AbortController();
  const phases: string[] = [];
  for await (const { phase } of stage(branch, abort.signal)) {
    phases.push(phase);
    if (phases.length === 2) abort.abort();
  }
  expect(phases).toEqual(["decision", "decision"]);
});

test("thoughts are in sentences where the profile wants all, and never where it wants none", async () => {
  for (const verbose of [0, 1]) {
    const branch = await branched({ stage1: { verbose } });
    const written = texts(branch, await traces(branch));
    expect(written.length).toBeGreaterThan(5);
    expect(written.filter((text) => text.includes("This is a request to"))).toHaveLength(verbose * written.length);
  }
});

test("an eighth of the rows begins behind the beginning of an answer, which is read and not learned", async () => {
  const branch = await branched({ stage1: { decisionTokens: 12_000, traceTokens: 20_000 } });
  for (const rows of [decisionTraining(branch, stage1Prompts(branch)).rows, await traces(branch)]) {
    const { tokenizer } = branch.model;
    const late = rows.filter(({ completion }) => !tokenizer.decode(completion).startsWith("<assess>"));
    expect(late.length / rows.length).toBeGreaterThan(0.08);
    expect(late.length / rows.length).toBeLessThan(0.17);
    for (const { completion, weights } of late) {
      const learned = completion.filter((_, t) => weights![t]! > 0);
      expect(tokenizer.decode(learned).startsWith("<assess>")).toBe(true);
      expect(weights!.findIndex((weight) => weight > 0)).toBe(completion.length - learned.length); // all of it stands in front
    }
  }
});

test("the baseline's first phase learns the first eight tokens of answers, the first of them with a decision's weight", async () => {
  const { rows } = await openingsTraining(run, stage1Prompts(run));
  expect(rows.length).toBeGreaterThan(10);
  expect(Math.max(...rows.map(({ completion }) => completion.length))).toBe(8);
  for (const { weights } of rows) {
    expect(weights![0]).toBe(20);
    expect(Math.max(...weights!.slice(1))).toBeLessThan(1);
  }
});
