import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { durations, inWords, totalSeconds } from "../../src/methods/erpo/duration.js";
import { mainNotebooks, plan } from "../../src/methods/erpo/plan.js";
import { profile } from "../../src/runs/profile.js";

const quick = profile("quick");

test("every notebook of the main job is there and planned; others, such as those of related methods, are not part of it", () => {
  const files = readdirSync(join(import.meta.dirname, "../../notebooks")).filter((file) => file.endsWith(".ipynb"));
  expect(mainNotebooks.map((name) => `${name}.ipynb`)).toEqual(files.sort());
  expect(plan(quick).map(({ notebook }) => notebook)).toEqual([...mainNotebooks]);
});

test("tokens are those of a run of the quick profile, to a twentieth", () => {
  const work = plan(quick).flatMap((notebook) => notebook.work);
  const tokens = (name: string) => work.find((part) => part.name === name)!.tokens;
  const measured = {
    "baseline-naive-sft": 9331,
    "1-sft/decision": 47_988,
    "1-sft": 95_881,
    "baseline-answers-only": 45_612,
    "2-dpo": 34_528,
    "3-length-controlled/round-1": 20_800,
    "3-length-controlled/round-2": 20_730,
    "samples for pairs": 12_831,
  };
  for (const [name, count] of Object.entries(measured)) expect(tokens(name) / count, name).toBeCloseTo(1, 1);
});

test("durations are those measured on two machines: each notebook's to a fifth, the sum to a tenth", () => {
  const within = (share: number, estimate: number, measured: number, what: string) =>
    expect(Math.abs(estimate / measured - 1), what).toBeLessThan(share);
  const measured = [27, 4, 236, 88, 128, 145]; // s, at 243 GFLOP/s
  for (const [i, { notebook, seconds }] of durations(quick, 243).entries()) within(0.2, seconds, measured[i]!, notebook);
  within(0.1, totalSeconds(durations(quick, 243)), 628, "243 GFLOP/s");
  within(0.1, totalSeconds(durations(quick, 150)), 19 * 60 + 21, "150 GFLOP/s");
});

test("a part of its own, and a part that goes with speed and size", () => {
  const own = 1; // 01-ex-ante-data computes nothing on the device
  const at = (gflops: number, parameters?: number) => durations(quick, gflops, parameters).map(({ seconds }) => seconds);
  expect([at(97), at(485), at(10_000)].map((seconds) => seconds[own])).toEqual([10, 4, 4]); // 970 / 97
  const work = (seconds: number[], factor: number) => seconds.map((s) => ((s - seconds[own]!) * factor).toFixed(6));
  expect(work(at(97), 1)).toEqual(work(at(485), 5));
  expect(work(at(97), 2)).toEqual(work(at(97, 269e6), 1)); // twice SmolLM2's 134.5e6
});

test("seconds in words", () => {
  expect([0.2, 1, 119.4, 150, 7199, 7200, 9000].map(inWords)).toEqual(["1 s", "1 s", "119 s", "3 min", "120 min", "2.0 h", "2.5 h"]);
});
