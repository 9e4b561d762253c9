import { type Grouping, groupRuns, groupsJSON } from "./groups.js";
import { type MeanTest, meanTests, type PairedTrial, pairedTrials, type RefusalTest, refusalTests } from "./paired.js";
import { environments, parameters, type Settings, trainedOn } from "./parameters.js";
import { type Policy, policies } from "./policies.js";
import type { RunFolder } from "./run-folder.js";
import { type StageTraining, stageTrainings } from "./training.js";

/** Everything that a comparison says, before it is written down. */
export interface Comparison {
  /** The baseline is the first. */
  runs: RunFolder[];
  parameters: Settings;
  trainedOn: Settings;
  environments: Settings;
  trainings: StageTraining[];
  policies: Policy[];
  paired: PairedTrial[];
  refusals: RefusalTest[];
  means: MeanTest[];
  /** Means over runs, where runs are grouped. */
  grouping?: Grouping;
  /** What could not be read, or not be compared with the baseline. */
  missing: { run: string; what: string }[];
}

/**
 * Compares runs with the first of them.
 * @param groupBy parameters by which runs are grouped, for means over each group
 * @throws CompareError for one that no run has
 */
export function compareRuns(runs: RunFolder[], groupBy?: readonly string[]): Comparison {
  const { paired, unpaired } = pairedTrials(runs);
  const found = { parameters: parameters(runs), trainings: stageTrainings(runs), policies: policies(runs, paired) };
  return {
    runs,
    ...found,
    trainedOn: trainedOn(runs),
    environments: environments(runs),
    paired,
    refusals: refusalTests(paired),
    means: meanTests(paired),
    ...(groupBy && { grouping: groupRuns(runs, groupBy, found) }),
    missing: [
      ...runs.flatMap(({ name, faults }) => faults.map((what) => ({ run: name, what }))),
      ...found.trainings.flatMap((training) => withoutStage(runs, training)),
      ...unpaired.map(({ run, reason }) => ({ run, what: reason })),
    ],
  };
}

const withoutStage = (runs: readonly RunFolder[], { name, runs: having }: StageTraining) =>
  runs.filter((run) => !having.some((own) => own.run === run.name)).map((run) => ({ run: run.name, what: `${name}: is missing` }));

/** The comparison for programs: numbers and digests, no prompts and no completions. */
export function comparisonJSON({
  runs,
  parameters,
  trainedOn,
  environments,
  trainings,
  policies,
  refusals,
  means,
  grouping,
  missing,
}: Comparison): object {
  const byRun = ({ differing, same }: Settings) => ({
    differing: Object.fromEntries(
      differing.map(({ name, values }) => [name, Object.fromEntries(values.map((value, i) => [runs[i]!.name, value]))]),
    ),
    same: Object.fromEntries(same.map(({ name, values }) => [name, values[0]])),
  });
  return {
    format: 1,
    baseline: runs[0]!.name,
    runs: runs.map(({ name, dir, files }) => ({ name, dir, files })),
    parameters: byRun(parameters),
    trained_on: byRun(trainedOn),
    environments: byRun(environments),
    trainings: trainings.map(({ name, same, runs }) => ({
      stage: name,
      same,
      runs: runs.map(({ run, stage }) => ({ run, steps: stage.steps.length })),
    })),
    policies: policies.map(({ name, same, runs }) => ({
      policy: name,
      same,
      runs: runs.map(({ refused, ...rest }) => ({ ...rest, refused: Object.fromEntries(refused) })),
    })),
    refusal_tests: refusals,
    mean_tests: means,
    ...(grouping && { groups: groupsJSON(grouping) }),
    missing,
  };
}
