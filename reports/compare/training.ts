import { runCurves } from "../../src/figures/index.js";
import type { Row, VegaLiteSpec } from "../../src/figures/spec.js";
import { mean } from "../../src/index.js";
import { pieces } from "../../src/setup/lists.js";
import type { RunFolder } from "./run-folder.js";
import type { Stage, Step } from "./stages.js";

/** One stage's training in the runs that have it. */
export interface StageTraining {
  name: string;
  runs: { run: string; stage: Stage }[];
  /** All runs have it, and their steps have the same numbers, times and memory left aside. */
  same: boolean;
}

/** The stages of all runs, in the order of their names. */
export function stageTrainings(runs: readonly RunFolder[]): StageTraining[] {
  const stages = runs.flatMap(({ name: run, stages }) => stages.map((stage) => ({ run, stage })));
  const names = [...new Set(stages.map(({ stage }) => stage.name))].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  return names.map((name) => {
    const own = stages.filter(({ stage }) => stage.name === name);
    const numbers = own.map(({ stage }) => JSON.stringify(stage.steps.map(computed)));
    return { name, runs: own, same: own.length === runs.length && numbers.every((text) => text === numbers[0]) };
  });
}

/** What a step computed, without what it cost. */
function computed({ step_seconds: _, tokens_per_second: __, peak_rss_bytes: ___, ...numbers }: Step): object {
  return numbers;
}

/** Metrics that are drawn where a stage has them. */
const drawn = ["loss", "rewards/margins", "rewards/chosen", "rewards/rejected", "logps/chosen", "logps/rejected"] as const;

/** Points that a line has at most: longer trainings are averaged piece by piece. */
const MAX_POINTS = 200;

/** The curves of a stage, or none where no run has two steps. */
export function trainingFigure(
  { runs }: StageTraining,
  all: readonly string[],
  shade: { title: string; values: number[] } | undefined,
): VegaLiteSpec | undefined {
  const metrics = drawn.filter((metric) => runs.some(({ stage }) => stage.steps.some((step) => Number.isFinite(step[metric]))));
  const rows = metrics.flatMap((metric) =>
    runs.flatMap(({ run, stage }) => thinned(stage.steps, metric).map((point) => ({ run, metric, ...point }))),
  );
  if (!runs.some(({ stage }) => stage.steps.length > 1)) return undefined;
  return runCurves(metrics, rows, { runs: all, ...(shade && { shade }) });
}

function thinned(steps: readonly Step[], metric: string): { step: number; value: number }[] {
  const points = steps.flatMap((step) => (Number.isFinite(step[metric]) ? [{ step: step.step, value: step[metric]! }] : []));
  const few = pieces(points, Math.max(1, Math.ceil(points.length / MAX_POINTS)));
  return few.map((piece) => ({ step: piece.at(-1)!.step, value: mean(piece.map(({ value }) => value)) }));
}

/** A row per run: how far a stage's training came, and what it ended with (means over its last tenth). */
export function trainingRows({ runs }: StageTraining): Row[] {
  return runs.map(({ run, stage: { steps, round } }) => {
    const last = steps.slice(-Math.max(1, Math.round(steps.length / 10)));
    const end = (metric: string) => mean(last.map((step) => step[metric]).filter((value) => Number.isFinite(value)) as number[]);
    const preferences = steps.some((step) => step["rewards/margins"] !== undefined);
    return {
      run,
      steps: steps.at(-1)?.step ?? 0,
      loss: end("loss"),
      ...(preferences && {
        margin: end("rewards/margins"),
        "chosen reward": end("rewards/chosen"),
        accuracy: end("rewards/accuracies"),
      }),
      seconds: steps.reduce((sum, step) => sum + (step.step_seconds ?? 0), 0),
      ...(round && { kept: round.kept ? "yes" : `no: ${round.reason}` }),
    };
  });
}
