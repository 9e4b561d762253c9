import { codeSpan } from "../markdown/escape.js";
import type { Cell } from "../notebook/types.js";
import { count, figure, folded, labelPart, markdown, table } from "./cells.js";
import type { Comparison } from "./comparison.js";
import { findings, policyCells, sampleCells, testCells } from "./evaluation-cells.js";
import { groupCells } from "./groups.js";
import { notebookChanges } from "./notebook-changes.js";
import type { RunFolder } from "./run-folder.js";
import { inWords, settingCells } from "./setting-cells.js";
import { type StageTraining, trainingFigure, trainingRows } from "./training.js";

/** Findings that the summary names. */
const NAMED_FINDINGS = 10;

/** A comparison as the cells of a notebook, in the order of reading. */
export async function comparisonCells(comparison: Comparison): Promise<Cell[]> {
  const names = comparison.runs.map(({ name }) => name);
  return [
    markdown(summary(comparison)),
    markdown("## Parameters {#sec-parameters}"),
    ...settingCells(comparison.parameters, names, "tbl-parameters", "parameters"),
    ...(comparison.grouping ? groupCells(comparison.grouping) : []),
    ...(await trainingCells(comparison, names)),
    ...(await evaluationCells(comparison, names)),
    ...samplesSection(comparison, names[0]!),
    markdown("## Code, software, devices {#sec-environment}"),
    ...settingCells(comparison.environments, names, "tbl-environment", "facts of code and environment"),
    ...notebookChanges(comparison.runs),
    folded("Where the runs are, and what they were made from", comparison.runs.map(originOf)),
    ...missingCells(comparison),
  ];
}

/** The title as plain text. */
export function comparisonTitle({ runs }: Comparison): string {
  const names = runs.map(({ name }) => name);
  return names.length <= 3
    ? `${names.slice(0, -1).join(", ")} and ${names.at(-1)} compared`
    : `${names.length - 1} runs compared with ${names[0]}`;
}

function summary({ runs, parameters, trainings, policies, refusals, means, missing }: Comparison): string {
  const [baseline, ...others] = runs.map(({ name }) => codeSpan(name));
  const sure = findings(refusals, means, others.length > 1);
  const trained = trainings.filter((training) => training.same).map(({ name }) => codeSpan(name));
  const answered = policies.filter((policy) => policy.same).map(({ name }) => codeSpan(name));
  const same = [
    trained.length > 0 && `training of ${trained.join(", ")}`,
    answered.length > 0 && `answers of ${answered.join(", ")}`,
  ].filter(Boolean);
  const tests = refusals.length + means.length;
  const points = [
    inWords(parameters),
    same.length > 0 ? `The same in all runs, to the last digit and word: ${same.join("; ")}.` : "",
    tests === 0
      ? "The runs share no prompt on which their evaluations differ."
      : `Of ${count(tests, "paired test")} on shared prompts ${sure.tests} ${sure.tests === 1 ? "holds" : "hold"} at 0.05 after Holm's correction within each measure (@sec-evaluation)${sure.tests > 0 ? ", by policy and suite" : ""}.`,
    ...sure.sentences.slice(0, NAMED_FINDINGS).map((finding) => `${finding}.`),
    missing.length > 0 ? `**Not everything is there or could be compared**: ${count(missing.length, "gap")}, listed in @sec-missing.` : "",
  ];
  const compared = others.length <= 3 ? others.join(", ") : `${others.length} other runs`;
  return `Compared with ${baseline}, the baseline: ${compared}.\n\n${points
    .filter(Boolean)
    .map((point) => `- ${point}`)
    .join("\n")}`;
}

async function trainingCells({ trainings, trainedOn, parameters }: Comparison, names: readonly string[]): Promise<Cell[]> {
  const cells = [markdown("## Training {#sec-training}")];
  const same = trainings.filter((training) => training.same).map(({ name }) => codeSpan(name));
  if (same.length > 0) cells.push(markdown(`All steps of these stages have the same numbers in all runs: ${same.join(", ")}.`));
  const others = trainedOn.differing.map(({ name }) => codeSpan(name));
  if (others.length > 0)
    cells.push(
      markdown(
        `Stages that were trained on other rows, or in another order (these follow from the parameters and from the stages before): ${others.join(", ")}.`,
      ),
    );
  const shade = shadeOf(parameters);
  for (const training of trainings.filter(({ same }) => !same)) {
    const [name, part] = [codeSpan(training.name), labelPart(training.name)];
    const spec = trainingFigure(training, names, shade);
    const key =
      names.length > 6
        ? ` The thick line is ${codeSpan(names[0]!)}${shade ? "" : "; the lines that end highest and lowest are named"}.`
        : "";
    if (spec) {
      const alt = `Small pictures of the metrics of ${training.name} over its steps, with a line for each of ${count(training.runs.length, "run")}.`;
      cells.push(await figure(spec, `fig-training-${part}`, `Training of ${name}, step by step.${key}${scale(training)}`, alt));
    }
    const caption = `What training ${name} ended with: means over the last tenth of its steps; seconds of all steps.`;
    cells.push(table(trainingRows(training), `tbl-training-${part}`, caption));
  }
  return cells;
}

/** What a reader must know who compares rewards. */
const scale = ({ runs }: StageTraining): string =>
  runs.some(({ stage }) => stage.steps.some((step) => step["rewards/margins"] !== undefined))
    ? " Rewards and margins are in nats times each run's own beta; log-probabilities are in nats."
    : "";

/** A parameter that is a number in all runs and has at least three values: many runs are coloured by it. */
function shadeOf({ differing }: Comparison["parameters"]): { title: string; values: number[] } | undefined {
  const numeric = differing.find(
    ({ name, values }) => !/(?:seed|steps)$/.test(name) && values.every((value) => typeof value === "number") && new Set(values).size > 2,
  );
  return numeric && { title: numeric.name, values: numeric.values as number[] };
}

async function evaluationCells({ policies, refusals, means }: Comparison, names: readonly string[]): Promise<Cell[]> {
  const cells = [
    markdown(`## Evaluation {#sec-evaluation}

Shares have 95% Wilson intervals. Two runs are best compared on the prompts that both answered (equal ids, and the same tokens or the same text), so every run is tested against the baseline on such pairs: what is refused by McNemar's exact
test, lengths and balanced accuracy by a randomization test that swaps the two runs' answers prompt by prompt. Intervals of differences are a paired bootstrap's (percentiles), which are too narrow
where few prompts differ. Where prompts have frames, this test and this bootstrap take whole frames (4,000 times, else 10,000). McNemar's test and Wilson's intervals take prompts as independent trials: of prompts that share frames they say too much. Many tests are made, so their p-values are adjusted by Holm's method within each measure, over all policies,
suites and runs; tests in which no pair differs can never be significant and do not count. A p-value above 0.05 means that these prompts cannot tell two runs apart, not that the runs are equal. Nothing in these
tests says how much another seed would change.`),
  ];
  const same = policies.filter((policy) => policy.same).map(({ name }) => codeSpan(name));
  if (same.length > 0) cells.push(markdown(`The same completions in all runs, so not shown: ${same.join(", ")}.`));
  if (policies.length === 0) cells.push(markdown("No run has an evaluation that is through."));
  cells.push(...testCells(refusals, means, names[0]!, names.length > 2));
  for (const policy of policies.filter(({ same }) => !same)) cells.push(...(await policyCells(policy, names)));
  return cells;
}

function samplesSection({ paired, policies, runs }: Comparison, baseline: string): Cell[] {
  const cells = policies.flatMap(({ name }) =>
    sampleCells(
      name,
      paired.filter(({ policy }) => policy === name),
      baseline,
      runs[0]!.prompts,
    ),
  );
  if (cells.length === 0) return [];
  const intro = `## Samples side by side {#sec-samples}

Prompts on which runs differ in what is refused come before those on which they differ in words. Unsafe prompts and the completions to them are redacted: their first words, and what the trace decided.`;
  return [markdown(intro), ...cells];
}

/** A run's folder and the digests of the files that say what it was made from; those of all files are in compare.json. */
function originOf({ name, dir, files }: RunFolder): object {
  const digest = (path: string) => files.find(({ file }) => file === `${dir}/${path}`)?.sha256.slice(0, 12);
  return {
    run: name,
    folder: dir,
    "files read": files.length,
    "run.json": digest("run.json"),
    "data/manifest.json": digest("data/manifest.json"),
  };
}

function missingCells({ missing }: Comparison): Cell[] {
  if (missing.length === 0) return [];
  return [
    markdown("## What is missing {#sec-missing}"),
    table(
      missing,
      "tbl-missing",
      "Files and stages that are missing, torn or not through, and evaluations that could not be paired. The rest is compared.",
    ),
  ];
}
