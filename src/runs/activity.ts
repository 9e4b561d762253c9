import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { mean } from "../evaluation/averages.js";
import { readMetrics } from "../training/metrics.js";
import { keptResults } from "./claim.js";

/** What a run is computing, as its folder shows it: whichever process does it, it notes what it takes up and writes each step and each answer. */
export type Activity =
  | {
      kind: "training";
      /** Its folder in the run. */
      stage: string;
      step: number;
      steps: number;
      loss: number;
      tokensPerSecond: number;
      /** Of this training, by its last steps. */
      secondsLeft: number;
    }
  | {
      kind: "result";
      /** Its file in the run, or the folder of a policy whose answers are written. */
      path: string;
      /** Answers so far; 0 where none are written one by one. */
      answers: number;
    };

/** Steps that a training's speed is taken from. */
const recent = 10;

/**
 * What is computed now: all trainings that are under way, else the result that was taken up last. None where nothing was taken up.
 * @param since ms since 1970: what stands open from an earlier job is not under way
 */
export function activities(dir: string, since: number): Activity[] {
  const open = keptResults(dir).filter(({ record: { files } }) => !existsSync(join(dir, files[0]!)));
  const trainings = open.flatMap(({ path, record }): Activity[] => {
    const { steps } = record.identity;
    if (typeof steps !== "number" || changed(join(dir, path, "metrics.jsonl")) < since) return [];
    const done = readMetrics(join(dir, path));
    const last = done.at(-1);
    if (!last) return [];
    const timed = done.slice(-recent);
    const stepSeconds = mean(timed.map(({ step_seconds }) => step_seconds));
    const { step, loss, tokens_per_second: tokensPerSecond } = last;
    return [{ kind: "training", stage: path, step, steps, loss, tokensPerSecond, secondsLeft: (steps - step) * stepSeconds }];
  });
  if (trainings.length > 0) return trainings;
  const results = open
    .filter(({ record }) => record.identity.steps === undefined)
    .map(({ path, record: { files } }) => ({ path, rows: files.find((file) => file.endsWith(".jsonl")), at: noted(dir, path, files) }))
    .filter(({ at }) => at >= since)
    .sort((a, b) => b.at - a.at);
  const [newest] = results;
  if (!newest) return [];
  const together = newest.path.startsWith("evaluation/") && newest.rows !== undefined; // trials of a policy are asked at once
  if (!together) return [{ kind: "result", path: newest.path, answers: lines(dir, newest.rows) }];
  const folder = newest.path.slice(0, newest.path.lastIndexOf("/"));
  const answers = results.filter(({ path }) => path.startsWith(`${folder}/`)).reduce((sum, { rows }) => sum + lines(dir, rows), 0);
  return [{ kind: "result", path: folder, answers }];
}

/** When a result was taken up, or was last written to; ms since 1970. */
const noted = (dir: string, path: string, files: readonly string[]): number =>
  Math.max(changed(join(dir, path.replace(/\.jsonl?$/, ".identity.json"))), ...files.map((file) => changed(join(dir, file))));

const changed = (file: string): number => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;

const lines = (dir: string, file: string | undefined): number =>
  file !== undefined && existsSync(join(dir, file)) ? readFileSync(join(dir, file), "utf8").split("\n").length - 1 : 0;
