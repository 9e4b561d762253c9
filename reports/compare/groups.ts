import type { Row } from "../../src/figures/spec.js";
import { type Spread, spread } from "../../src/index.js";
import { isRecord } from "../../src/setup/json.js";
import { codeSpan } from "../markdown/escape.js";
import type { Cell } from "../notebook/types.js";
import { spreadsInWords } from "../spread.js";
import { count, labelPart, markdown, table } from "./cells.js";
import { type Settings, written } from "./parameters.js";
import type { Policy } from "./policies.js";
import { CompareError, type RunFolder } from "./run-folder.js";
import { type StageTraining, trainingRows } from "./training.js";

/** Runs that have the same values of some parameters. */
export interface RunGroup {
  /** The values, by parameter. */
  values: Record<string, unknown>;
  /** Names of its runs. */
  runs: string[];
}

/** A number that runs have, such as the share that a policy refuses, and what each group's runs say of it. */
export interface GroupMeasure {
  /** A stage's training or a policy: `training of 2-dpo`, `policy 2-dpo`. */
  of: string;
  name: string;
  /** In the order of the groups; undefined where no run of a group has it. */
  spreads: (Spread | undefined)[];
}

export interface Grouping {
  by: readonly string[];
  groups: RunGroup[];
  measures: GroupMeasure[];
  /** Settings in which runs of one group differ: the spread is over these. */
  over: string[];
}

/**
 * Groups runs by parameters.
 * @param by names: fields of run.json, or settings of stages (their objectives'), or parameters of notebooks
 * @throws CompareError for a parameter that no run has
 */
export function groupRuns(
  runs: readonly RunFolder[],
  by: readonly string[],
  { parameters, trainings, policies }: { parameters: Settings; trainings: readonly StageTraining[]; policies: readonly Policy[] },
): Grouping {
  const found = new Map<string, RunGroup>();
  for (const run of runs) {
    const values = Object.fromEntries(by.map((name) => [name, parameterOf(run, name)]));
    const key = JSON.stringify(by.map((name) => values[name] ?? null));
    const group = found.get(key) ?? { values, runs: [] };
    group.runs.push(run.name);
    found.set(key, group);
  }
  const groups = [...found.values()];
  for (const name of by)
    if (groups.every(({ values }) => values[name] === undefined)) throw new CompareError(`no run has a parameter ${name}: ${known(runs)}`);
  const index = (group: RunGroup) => group.runs.map((name) => runs.findIndex((run) => run.name === name));
  const differs = (values: readonly unknown[], group: RunGroup) => new Set(index(group).map((i) => JSON.stringify(values[i]))).size > 1;
  const over = parameters.differing.filter(({ values }) => groups.some((group) => differs(values, group))).map(({ name }) => name);
  return { by, groups, measures: measuresOf(groups, trainings, policies), over };
}

/** A run's value of a parameter; where stages or notebooks have different ones, all of them in words. */
function parameterOf({ record, stages, notebooks }: RunFolder, name: string): unknown {
  if (name in record) {
    const value = record[name];
    return isRecord(value) ? (value.name ?? JSON.stringify(value)) : value; // a model and rules are named
  }
  const ofStages = stages.map((stage) => ({ of: stage.name, values: stage.settings }));
  const ofNotebooks = notebooks.map(({ stem, parameters }) => ({ of: stem, values: parameters }));
  for (const sources of [ofStages, ofNotebooks]) {
    const having = sources.filter(({ values }) => values[name] !== undefined);
    const distinct = new Set(having.map(({ values }) => JSON.stringify(values[name])));
    if (distinct.size === 1) return having[0]!.values[name];
    if (distinct.size > 1) return having.map(({ of, values }) => `${written(values[name])} (${of})`).join(", ");
  }
  return undefined;
}

const known = (runs: readonly RunFolder[]): string => {
  const names = runs.flatMap(({ record, stages, notebooks }) => [
    ...Object.keys(record).filter((name) => !["format", "environments", "data"].includes(name)),
    ...stages.flatMap(({ settings }) => Object.keys(settings)),
    ...notebooks.flatMap(({ parameters }) => Object.keys(parameters)),
  ]);
  return `there are ${[...new Set(names)].sort().join(", ")}`;
};

/** A value per run, by the run's name. */
type Values = ReadonlyMap<string, number | undefined>;

function measuresOf(groups: readonly RunGroup[], trainings: readonly StageTraining[], policies: readonly Policy[]): GroupMeasure[] {
  const measure = (of: string, name: string, values: Values): GroupMeasure[] => {
    const spreads = groups.map(({ runs }) => {
      const numbers = runs.map((run) => values.get(run)).filter((value): value is number => Number.isFinite(value));
      return numbers.length > 0 ? spread(numbers) : undefined;
    });
    return spreads.some(Boolean) ? [{ of, name, spreads }] : [];
  };
  const ofTraining = trainings.flatMap((training) => {
    const rows = trainingRows(training) as Record<string, unknown>[];
    const end = (name: string): Values => new Map(rows.map((row) => [String(row.run), row[name] as number | undefined]));
    const dev: Values = new Map(training.runs.map(({ run, stage }) => [run, stage.dev?.auc.value]));
    const of = `training of ${training.name}`;
    return [
      ...["loss", "margin", "chosen reward", "accuracy"].flatMap((name) => measure(of, name, end(name))),
      ...measure(of, "dev AUC", dev),
    ];
  });
  const ofPolicies = policies.flatMap(({ name, trials, runs }) => {
    const values = (value: (run: Policy["runs"][number]) => number | undefined): Values =>
      new Map(runs.map((run) => [run.run, value(run)]));
    const of = `policy ${name}`;
    return [
      ...trials.flatMap(({ trial, title }) =>
        measure(
          of,
          `refused: ${title}`,
          values(({ refused }) => refused.get(trial)?.rate),
        ),
      ),
      ...measure(
        of,
        "balanced accuracy",
        values(({ balancedAccuracy }) => balancedAccuracy?.value),
      ),
      ...measure(
        of,
        "whole traces",
        values(({ traceValid }) => traceValid.rate),
      ),
      ...measure(
        of,
        "thought tokens",
        values(({ thoughtTokens }) => thoughtTokens),
      ),
      ...measure(
        of,
        "perplexity",
        values(({ perplexity }) => perplexity?.value),
      ),
    ];
  });
  return [...ofTraining, ...ofPolicies];
}

/** The groups of a comparison: which runs are in each, then a table of means for each stage and policy. */
export function groupCells({ by, groups, measures, over }: Grouping): Cell[] {
  const titled = groups.map(({ values }) => by.map((name) => `${name} ${written(values[name])}`).join(", "));
  const titles = titled.map((title, i) => (titled.indexOf(title) < i ? `${title} (group ${i + 1})` : title)); // long values are cut alike
  const spreadOver = over.length > 0 ? over.slice(0, 5).map(codeSpan).join(", ") : "no setting that is noted";
  const intro = `## Means over runs {#sec-groups}

Runs are grouped by ${by.map(codeSpan).join(", ")}. Each number is a mean over the runs of a group ± their sample standard deviation [95% t-interval of the mean], and how many runs it is of. Runs of a group differ in ${spreadOver}.
The intervals say how far other such runs would move a mean; they leave aside that each run was measured on few prompts. With two or three runs they are wide.`;
  const members: Row[] = groups.map((group, i) => ({ group: titles[i]!, runs: group.runs.join(", ") }));
  const tables = [...new Set(measures.map(({ of }) => of))].map((of) => {
    const rows = measures
      .filter((measure) => measure.of === of)
      .map(({ name, spreads }): Row => {
        const words = spreadsInWords(spreads);
        return { measure: name, ...Object.fromEntries(titles.map((title, i) => [title, words[i] || "–"])) };
      });
    return table(rows, `tbl-groups-${labelPart(of)}`, `Means of ${codeSpan(of)} over ${count(groups.length, "group")} of runs.`);
  });
  return [markdown(intro), table(members, "tbl-groups", "The groups and their runs."), ...tables];
}

/** The groups for programs. */
export const groupsJSON = ({ by, groups, measures, over }: Grouping): object => ({
  by,
  over,
  groups: groups.map(({ values, runs }, i) => ({
    values,
    runs,
    measures: measures.flatMap(({ of, name, spreads }) => (spreads[i] ? [{ of, measure: name, ...spreads[i] }] : [])),
  })),
});
