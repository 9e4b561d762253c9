import { expect, test } from "vitest";
import { clockOver, telling } from "../../src/cli/job-clock.js";
import { leftToCompute, plan } from "../../src/methods/erpo/plan.js";
import { profile } from "../../src/runs/profile.js";

const ahead = (tells: boolean) => [100, 300, 600].map((estimated, i) => ({ estimated, tells: i > 0 || tells }));

test("a notebook that took twice its estimate doubles what those behind it are thought to take", () => {
  const clock = clockOver(ahead(true), true);
  expect(clock.left(0)).toEqual({ least: 850, most: 1250 });
  clock.ended(200);
  expect(clock.left(0)).toEqual({ least: 1800 * 0.9, most: 1800 * 1.15 });
});

test("a notebook that an earlier job had begun says nothing of those behind it, however fast it is through", () => {
  const clock = clockOver(ahead(false), true);
  clock.ended(7);
  expect(clock.inWords()).toBe("13 to 19 min"); // 900 s, off by a factor from 0.85 to 1.25
  clock.ended(300);
  expect(clock.left(100)).toEqual({ least: 600 * 0.9 - 100, most: 600 * 1.15 - 100 });
});

test("a notebook of which a part is kept tells nothing, such as that of stage 2 in a branch that has stage 2's training", () => {
  const whole = plan(profile("quick"));
  const tell = (finished: string[], begun: string[] = []) => telling(whole, leftToCompute(whole, finished), new Set(begun));
  expect(tell([])).toEqual([true, false, true, true, true, true]); // 01 computes nothing
  expect(tell([], ["00-start-here"])).toEqual([false, false, true, true, true, true]);
  const ofStage2 = ["baseline-naive-sft", "1-sft/decision", "1-sft", "baseline-answers-only/decision", "baseline-answers-only", "2-dpo"];
  expect(tell(ofStage2)).toEqual([false, false, false, false, true, true]);
});
