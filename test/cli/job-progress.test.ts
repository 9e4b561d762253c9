import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { jobProgress, progressText } from "../../src/cli/job-progress.js";
import { activities } from "../../src/runs/activity.js";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "erpo-progress-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const now = Date.now();
const write = (path: string, text: string, at = now) => {
  mkdirSync(dirname(join(dir, path)), { recursive: true });
  writeFileSync(join(dir, path), text);
  utimesSync(join(dir, path), at / 1000, at / 1000);
};
const record = (path: string, files: string[], identity: object, at = now) =>
  write(path, JSON.stringify({ format: 1, digest: "d", files, identity }), at);
const step = (n: number, loss: number) => JSON.stringify({ step: n, loss, tokens_per_second: 800, step_seconds: 0.5 });

/** A stage under way: step 3 of 11. */
function training(stage: string, at = now): void {
  record(`${stage}/identity.json`, [`${stage}/stage.json`, `${stage}/metrics.jsonl`], { recipe: "r", steps: 11 }, at);
  write(`${stage}/metrics.jsonl`, `${[step(1, 3), step(2, 2), step(3, 0.41234)].join("\n")}\n`, at);
}

test("a run's folder says which step a training has come to, and how long it takes yet", () => {
  training("1-sft/decision");
  record("data/answers.identity.json", ["data/answers.json"], { recipe: "a" }, now - 1000); // taken up before
  expect(activities(dir, now - 5000)).toEqual([
    { kind: "training", stage: "1-sft/decision", step: 3, steps: 11, loss: 0.41234, tokensPerSecond: 800, secondsLeft: 4 },
  ]);
  training("baseline");
  expect(activities(dir, now - 5000)).toHaveLength(2); // side by side
  write("1-sft/decision/stage.json", "{}");
  write("baseline/stage.json", "{}");
  expect(activities(dir, now - 5000)).toEqual([{ kind: "result", path: "data/answers.json", answers: 0 }]);
  expect(activities(dir, now)).toEqual([]);
});

test("what an earlier job has left half-way is not under way", () => {
  training("2-dpo", now - 60_000);
  expect(activities(dir, now - 5000)).toEqual([]);
});

test("the answers of a policy's trials are counted together, as they are asked", () => {
  for (const trial of ["harmful", "general"])
    record(`evaluation/base/${trial}.identity.json`, [`evaluation/base/${trial}.json`, `evaluation/base/${trial}.jsonl`], { recipe: "e" });
  write("evaluation/base/harmful.jsonl", "{}\n{}\n");
  write("evaluation/base/general.jsonl", "{}\n");
  expect(activities(dir, now - 5000)).toEqual([{ kind: "result", path: "evaluation/base", answers: 3 }]);
});

const at = (seconds: number, line = "") => ({ notebook: "02.ipynb", cell: 7, cells: 23, seconds, line });

test("a line says stage, step, loss, tokens per second and the time left, of the training and of the job", () => {
  training("1-sft/decision");
  expect(progressText(at(102), activities(dir, now - 5000), { least: 1080, most: 1500 })).toBe(
    "  1:42  18 to 25 min left in all; 1-sft/decision, step 3 of 11, loss 0.412, 800 tokens/s, 4 s left",
  );
  expect(progressText(at(5, "\u001b[31mloading\u001b[0m\nthe model"), [], null)).toBe("  0:05  cell 7 of 23, loading the model");
});

test("off a terminal a line comes at least every half minute; on one a line is redrawn and cut to its width", () => {
  const written: string[] = [];
  let clock = now;
  const stream = (isTTY: boolean) =>
    ({ isTTY, columns: 20, write: (text: string) => written.push(text) > 0 }) as unknown as NodeJS.WriteStream;
  const follow = (isTTY: boolean) => {
    written.length = 0;
    const progress = jobProgress(
      stream(isTTY),
      dir,
      () => null,
      () => clock,
    );
    const gaps: number[] = [];
    let last = clock;
    for (let second = 1; second <= 120; second++) {
      clock += 1000; // `executeNotebook` tells every second
      const before = written.length;
      progress.show(at(second));
      if (written.length === before) continue;
      gaps.push(clock - last);
      last = clock;
    }
    progress.clear();
    return gaps;
  };
  const gaps = follow(false);
  expect(Math.max(...gaps)).toBeLessThanOrEqual(30_000);
  expect(gaps.length).toBeLessThan(8); // and not a log of every second
  for (const line of written) expect(line).toMatch(/^ {2}\d:\d\d {2}cell 7 of 23\n$/);
  expect(follow(true)).toHaveLength(120);
  expect(written[0]).toBe("\r\x1b[2K  0:01  cell 7 of …");
  expect(written.at(-1)).toBe("\r\x1b[2K");
});
