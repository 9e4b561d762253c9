import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { sum } from "../../src/evaluation/averages.js";
import {
  durations,
  durationsWithSecond,
  inWords,
  notebookSeconds,
  parametersBySpeed,
  secondsLeft,
  spanInWords,
  totalSeconds,
} from "../../src/methods/erpo/duration.js";
import { demoNotebook, leftToCompute, mainNotebooks, type PlannedWork, plan } from "../../src/methods/erpo/plan.js";
import { profile } from "../../src/runs/profile.js";

const quick = profile("quick");

test("every notebook of the main job is there and planned; others, such as those of related methods, are not part of it", () => {
  const files = readdirSync(join(import.meta.dirname, "../../notebooks")).filter((file) => file.endsWith(".ipynb"));
  expect([...mainNotebooks, demoNotebook].map((name) => `${name}.ipynb`)).toEqual(files.sort());
  expect(plan(quick).map(({ notebook }) => notebook)).toEqual([...mainNotebooks]);
});

test("tokens are those of runs of the quick profile, to a twentieth", () => {
  const work = plan(quick).flatMap((notebook) => notebook.work);
  const tokens = (name: string) => work.find((part) => part.name === name)!.tokens;
  const measured = {
    "baseline-naive-sft": 11_792,
    "1-sft/decision": 249_882,
    "1-sft": 99_913,
    "baseline-answers-only/decision": 249_944,
    "baseline-answers-only": 62_473,
    "2-dpo": 25_391,
    // of a run that found a pair for 41 of 48 prompts; another found fewer, and trained on 5,647 tokens behind 14,018 sampled ones
    "3-length-controlled/round-1": 8_229,
    "samples for pairs 1": 16_323,
  };
  for (const [name, count] of Object.entries(measured)) expect(tokens(name) / count, name).toBeCloseTo(1, 1);
});

test("durations follow from tokens as they were measured on two machines: each notebook's to a fifth, the sum to a tenth", () => {
  const within = (share: number, estimate: number, measured: number, what: string) =>
    expect(Math.abs(estimate / measured - 1), what).toBeLessThan(share);
  // tokens that a run's six notebooks computed, and the seconds that they took at 243 GFLOP/s
  const measured: [tokens: Partial<Record<PlannedWork["kind"], number>>, seconds: number][] = [
    [{ sample: 5059, train: 9600 }, 27],
    [{}, 4],
    [{ sample: 8038, train: 189_429, score: 33_600 }, 236],
    [{ sample: 13_200, train: 34_720, score: 37_240 }, 88],
    [{ sample: 27_060, train: 41_664, score: 41_664 }, 128],
    [{ sample: 69_296, score: 24_000 }, 145],
  ];
  const seconds = (gflops: number) =>
    measured.map(([tokens]) => {
      const work = Object.entries(tokens).map(([kind, count]) => ({ kind, tokens: count }) as PlannedWork);
      return notebookSeconds(work, gflops);
    });
  const sum = (list: number[]) => list.reduce((total, x) => total + x, 0);
  for (const [i, estimate] of seconds(243).entries()) within(0.2, estimate, measured[i]![1], `notebook ${i}`);
  within(0.1, sum(seconds(243)), 628, "243 GFLOP/s");
  within(0.1, sum(seconds(150)), 19 * 60 + 21, "150 GFLOP/s");
});

test("a part of its own, and a part that goes with speed and size", () => {
  const own = 1; // 01-ex-ante-data computes nothing on the device
  const at = (gflops: number, parameters?: number) => durations(plan(quick), gflops, parameters).map(({ seconds }) => seconds);
  expect([at(97), at(485), at(10_000)].map((seconds) => seconds[own])).toEqual([10, 4, 4]); // 970 / 97
  const work = (seconds: number[], factor: number) => seconds.map((s) => ((s - seconds[own]!) * factor).toFixed(6));
  expect(work(at(97), 1)).toEqual(work(at(485), 5));
  expect(work(at(97), 2)).toEqual(work(at(97, 269e6), 1)); // twice SmolLM2's 134.5e6
});

test("steps of an environment take the same on a device that computes faster, and more on one that other work slows down", () => {
  const seconds = (gflops: number) =>
    notebookSeconds([{ name: "acting", kind: "act", rows: 2, steps: 1_000_000 }], gflops) - notebookSeconds([], gflops);
  expect(seconds(10_000)).toBeCloseTo(seconds(243), 9);
  expect(seconds(121.5) / seconds(243)).toBeCloseTo(2, 9);
});

test("seconds in words", () => {
  expect([0.2, 1, 119.4, 150, 7199, 7200, 9000].map(inWords)).toEqual(["1 s", "1 s", "119 s", "3 min", "120 min", "2.0 h", "2.5 h"]);
});

test("the demo is one notebook with all stages, of three minutes at 240 GFLOP/s", () => {
  const [demo, ...others] = plan(profile("demo"));
  expect([demo!.notebook, others]).toEqual([demoNotebook, []]);
  const trained = demo!.work.filter(({ kind }) => kind === "train").map(({ name }) => name);
  expect(trained).toEqual(["1-sft/decision", "1-sft", "2-dpo", "3-length-controlled/round-1"]);
  expect(totalSeconds(durations(plan(profile("demo")), 240))).toBeLessThan(180);
});

test("three training steps say what a token takes, whatever the product of matrices says", () => {
  const train = (tokens: number): PlannedWork => ({ name: "training", kind: "train", rows: 8, prompt: 60, completion: 16, tokens });
  for (const gflops of [100, 400]) {
    const parameters = parametersBySpeed(gflops, 500);
    const own = notebookSeconds([], gflops, parameters);
    expect(notebookSeconds([train(10_000)], gflops, parameters) - own).toBeCloseTo(20, 9); // 10,000 tokens at 500 per second
  }
});

test("what is left is corrected by what notebooks took, and its range is narrower then", () => {
  const before = secondsLeft([100, 300], 0, [], true);
  expect(before).toEqual({ least: 340, most: 500 });
  expect(secondsLeft([100, 300], 0, [], false).most).toBeGreaterThan(before.most); // a processor that was not measured
  const corrected = secondsLeft([300], 0, [{ estimated: 100, took: 200 }], true);
  expect([corrected.least, corrected.most]).toEqual([540, 690].map((x) => expect.closeTo(x, 9)));
  expect(corrected.most / corrected.least).toBeLessThan(before.most / before.least);
  expect(secondsLeft([100, 300], 1000, [], true)).toEqual({ least: 305, most: 625 }); // it takes longer than it should: what is ahead stays
  expect([before, corrected, { least: 60, most: 60.2 }, { least: 3600, most: 9000 }].map(spanInWords)).toEqual([
    "6 to 8 min",
    "9 to 12 min",
    "60 s",
    "60 min to 2.5 h",
  ]);
});

test("the last notebook that outruns its estimate has time left, more the longer it takes", () => {
  for (const [timed, measured] of [
    [[], true],
    [[], false],
    [[{ estimated: 100, took: 90 }], true],
  ] as const) {
    const spans = [60, 90, 100, 110, 130, 200, 400].map((running) => secondsLeft([100], running, timed, measured));
    for (const [i, { least, most }] of spans.entries()) {
      expect(least).toBeGreaterThanOrEqual(3);
      expect(most).toBeGreaterThan(2 * least);
      if (i > 3) expect(least).toBeGreaterThan(spans[i - 1]!.least);
    }
  }
  expect(spanInWords(secondsLeft([100], 400, [], true))).toBe("20 to 100 s");
});

test("of a job that was stopped what is kept is not estimated again", () => {
  const whole = plan(quick);
  expect(leftToCompute(whole, [])).toEqual(whole);
  const left = leftToCompute(whole, ["baseline-naive-sft", "1-sft/decision", "1-sft"]);
  expect(left.map(({ notebook }) => notebook)).toEqual([...mainNotebooks]);
  expect(left[0]!.work).toEqual([]);
  expect(left[2]!.work[0]!.name).toBe("first words"); // the baseline's first phase is next
  expect(left.slice(3)).toEqual(whole.slice(3));
});

test("a branch that shares the stages still has the baseline to train, for which its last notebook waits", () => {
  const left = leftToCompute(plan(quick), ["baseline-naive-sft", "1-sft/decision", "1-sft", "2-dpo"]);
  expect(left[2]!.work.map(({ name }) => name)).toContain("baseline-answers-only/decision");
  const seconds = durationsWithSecond(left, 240).map((notebook) => notebook.seconds);
  const notebooks = durationsWithSecond(
    left.map(({ notebook, work }) => ({ notebook, work: work.filter((part) => !part.beside) })),
    240,
  );
  expect(seconds.slice(0, -1)).toEqual(notebooks.slice(0, -1).map((notebook) => notebook.seconds));
  const baseline = left.flatMap(({ work }) => work).filter(({ beside }) => beside);
  const alone = notebookSeconds(baseline, 240);
  expect(sum(seconds)).toBeGreaterThan(1.1 * alone); // on half of the cores
  expect(sum(seconds)).toBeGreaterThan(1.5 * totalSeconds(notebooks));
});

test("beside a second process the first one has the stages, and in quick under 20 minutes of work at 240 GFLOP/s", () => {
  const whole = plan(quick);
  const others = whole.flatMap(({ work }) => work).filter(({ beside }) => beside);
  const names = others.map(({ name }) => name);
  expect(names).toContain("baseline-answers-only");
  expect(names.filter((name) => name.startsWith("1-") || name.startsWith("2-") || name.startsWith("3-"))).toEqual([]);
  const first = whole.map(({ notebook, work }) => ({ notebook, work: work.filter(({ beside }) => !beside) }));
  const seconds = totalSeconds(durationsWithSecond(whole, 240));
  expect(seconds).toBe(totalSeconds(durationsWithSecond(first, 240))); // the first process decides
  expect(seconds).toBeLessThan(20 * 60);
});
