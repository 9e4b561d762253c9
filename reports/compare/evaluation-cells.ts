import { runIntervals } from "../../src/figures/index.js";
import type { Row } from "../../src/figures/spec.js";
import type { Estimate, Proportion } from "../../src/index.js";
import { grouped } from "../../src/setup/lists.js";
import { codeSpan } from "../markdown/escape.js";
import type { Cell } from "../notebook/types.js";
import { captioned, count, figure, folded, labelPart, markdown, table } from "./cells.js";
import type { MeanDifference, MeanTest, Measure, PairedTrial, RefusalTest } from "./paired.js";
import { type Policy, trialGroups } from "./policies.js";
import { samplesHTML, samplesOf } from "./samples.js";

const pairsOf = ({ n, frames }: MeanDifference): number | string => (frames === null ? n : `${n} in ${count(frames, "frame")}`);

const OVER_FRAMES =
  " Where the pairs are in frames, the interval is of a bootstrap that draws whole frames, and the test swaps whole frames: prompts of one frame are no independent trials.";

/** Tests shown at once; more are behind a line that opens them. */
const SHOWN_TESTS = 20;

/** One policy: a figure of what is refused, the same as tables with a row per run, and its other measures. */
export async function policyCells({ name, trials, runs }: Policy, all: readonly string[]): Promise<Cell[]> {
  const part = labelPart(name);
  const rows = trials.flatMap(({ trial, title }) =>
    runs.flatMap(({ run, refused }) => {
      const { rate: estimate, low, high } = refused.get(trial) ?? {};
      return estimate === undefined || Number.isNaN(estimate) ? [] : [{ trial: title, run, estimate, low, high }];
    }),
  );
  const drawn = await figure(
    runIntervals(
      trials.map(({ title }) => title),
      rows,
      { runs: all.filter((run) => runs.some((own) => own.run === run)), title: "prompts refused" },
    ),
    `fig-refused-${part}`,
    `Share of prompts that ${codeSpan(name)} refuses in each run, with 95% Wilson intervals. The dashed line is the first run's share.`,
    `A small picture for each suite or attack, in each a point with whiskers for each run: the share of prompts that ${name} refuses.`,
  );
  const tables = trialGroups(trials).map((group, i) =>
    table(
      runs.map(({ run, refused }) => ({
        run,
        ...Object.fromEntries(group.map(({ trial, title }) => [title, proportion(refused.get(trial))])),
      })),
      `tbl-refused-${part}${i === 0 ? "" : `-${i + 1}`}`,
      `Share of prompts that ${codeSpan(name)} refuses, with 95% Wilson intervals.`,
    ),
  );
  const has = (key: "balancedAccuracy" | "perplexity" | "devAuc") => runs.some((run) => run[key] !== undefined);
  const others = table(
    runs.map(({ run, balancedAccuracy, traceValid, tokens, thoughtTokens, perplexity, devAuc }) => ({
      run,
      ...(has("balancedAccuracy") && { "balanced accuracy": estimate(balancedAccuracy, 3) }),
      "whole traces": proportion(traceValid),
      tokens,
      "thought tokens": thoughtTokens,
      ...(has("perplexity") && { perplexity: estimate(perplexity, 1) }),
      ...(has("devAuc") && { "dev AUC": estimate(devAuc, 3) }),
    })),
    `tbl-measures-${part}`,
    `Other measures of ${codeSpan(name)}, with 95% intervals: balanced accuracy of refusing AdvBench and not the safe look-alikes; whole traces and mean tokens of the answers to the suites; perplexity of held-out answers; AUC of the first word's decision on the dev set.`,
  );
  return [markdown(`### ${codeSpan(name)} {#sec-policy-${part}}`), drawn, ...tables, others];
}

/** The tests of what is refused, and of each measure that has a mean. */
export function testCells(refusals: readonly RefusalTest[], means: readonly MeanTest[], baseline: string, several: boolean): Cell[] {
  const where = ({ policy, title, run }: RefusalTest | MeanTest) => ({ where: `${policy}: ${title}`, ...(several && { run }) });
  const refusalRows = ordered(refusals).map((test) => ({
    ...where(test),
    prompts: test.prompts,
    [`only ${baseline} refused`]: test.onlyBaseline,
    [several ? "only this run refused" : `only ${test.run} refused`]: test.onlyRun,
    p: probability(test.p),
    "p, Holm": probability(test.adjusted),
  }));
  const cells = testTable(
    refusalRows,
    "tbl-tests-refused",
    `Which prompts are refused: McNemar's exact tests against ${codeSpan(baseline)}, two-sided, with Holm's correction for ${count(refusals.length, "test")}. They take prompts as independent trials, which those of one frame are not.`,
  );
  for (const measure of ["balanced accuracy", "tokens", "thought tokens"] satisfies Measure[]) {
    const own = means.filter((test) => test.measure === measure);
    const framed = own.some(({ difference }) => difference.frames !== null);
    const rows = ordered(own).map((test) => ({
      ...where(test),
      pairs: pairsOf(test.difference),
      [`mean of ${baseline}`]: test.baseline,
      [several ? "of this run" : `of ${test.run}`]: test.value,
      "difference [95%]": signed(test.difference, DIGITS[measure]),
      p: probability(test.difference.p),
      "p, Holm": probability(test.adjusted),
    }));
    cells.push(
      ...testTable(
        rows,
        `tbl-tests-${labelPart(measure)}`,
        `${titles[measure]}: randomization tests against ${codeSpan(baseline)}, two-sided, with Holm's correction for ${count(own.length, "test")}.${framed ? OVER_FRAMES : ""}`,
      ),
    );
  }
  return cells;
}

const titles: Record<Measure, string> = {
  "balanced accuracy": "Balanced accuracy",
  tokens: "Mean tokens of a completion",
  "thought tokens": "Mean tokens of a thought, where both runs wrote a valid trace",
};

/** The results that hold after Holm's correction in words: a sentence for each measure and policy, refusals before lengths. */
export function findings(
  refusals: readonly RefusalTest[],
  means: readonly MeanTest[],
  several: boolean,
): { tests: number; sentences: string[] } {
  const sure = [...refusals, ...means].filter(({ adjusted }) => adjusted < 0.05);
  const measure = (test: RefusalTest | MeanTest) => ("p" in test ? "prompts refused" : test.measure);
  const sentences = [...grouped(sure, (test) => `${codeSpan(test.policy)}, ${measure(test)}`)].map(([key, tests]) => {
    const suites = [...grouped(tests, ({ title }) => title)].map(([title, own]) => `${codeSpan(title)} ${inRuns(own, several)}`);
    return `${key}: ${suites.join("; ")}`;
  });
  return { tests: sure.length, sentences };
}

/** What one measure of one suite does in the runs in which it differs for sure. */
function inRuns(tests: readonly (RefusalTest | MeanTest)[], several: boolean): string {
  const change = (test: RefusalTest | MeanTest) => ("p" in test ? test.onlyRun - test.onlyBaseline : test.difference.value);
  const [first] = tests;
  if (tests.length > 1)
    return `up in ${count(tests.filter((test) => change(test) > 0).length, "run")}, down in ${tests.filter((test) => change(test) < 0).length}`;
  const size = "p" in first! ? `+${first.onlyRun} −${first.onlyBaseline}` : signed(first!.difference, DIGITS[first!.measure]);
  return several ? `${size} in ${codeSpan(first!.run)}` : size;
}

const DIGITS: Record<Measure, number> = { "balanced accuracy": 3, tokens: 1, "thought tokens": 1 };

/** Completions of a policy side by side. */
export function sampleCells(name: string, trials: readonly PairedTrial[], baseline: string, prompts: ReadonlyMap<string, string>): Cell[] {
  const { shown, differing } = samplesOf(trials);
  if (shown.length === 0) return [];
  const caption = `${codeSpan(name)}: ${shown.length} of ${count(differing, "prompt")} that some run answers otherwise than ${codeSpan(baseline)} does. What it has and the other run has not is marked as deleted, what the other run has instead as inserted.`;
  return [captioned(samplesHTML(shown, baseline, prompts), `tbl-samples-${labelPart(name)}`, caption)];
}

function testTable(rows: readonly Row[], label: string, caption: string): Cell[] {
  if (rows.length === 0) return [];
  const rest = rows.slice(SHOWN_TESTS);
  const shown = table(rows.slice(0, SHOWN_TESTS), label, rest.length > 0 ? `${caption} The ${SHOWN_TESTS} smallest p-values.` : caption);
  return rest.length > 0 ? [shown, folded(count(rest.length, "further test"), rest)] : [shown];
}

/** Smallest p-values first. */
const ordered = <T extends RefusalTest | MeanTest>(tests: readonly T[]): T[] => {
  const p = (test: T) => ("p" in test ? test.p : test.difference.p);
  return [...tests].sort((a, b) => p(a) - p(b));
};

const probability = (p: number): string => (p < 0.001 ? "<0.001" : p.toFixed(3));

const proportion = (share: Proportion | undefined): string =>
  share === undefined || share.n === 0 ? "–" : estimate({ value: share.rate, low: share.low, high: share.high }, 2);

/** `0.93 [0.84, 0.97]`, with true minus signs and no break inside the interval. */
function estimate(of: Estimate | undefined, digits: number): string {
  if (of === undefined || !Number.isFinite(of.value)) return "–";
  return `${of.value.toFixed(digits)} [${of.low.toFixed(digits)},\u00a0${of.high.toFixed(digits)}]`
    .replaceAll("-", "−")
    .replaceAll("Infinity", "∞");
}

/** A difference, with its sign: `+1.4 [0.8, 2.1]`. */
const signed = (of: Estimate, digits: number): string => `${of.value > 0 ? "+" : ""}${estimate(of, digits)}`;
