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
  /** What could not be read, or not be compared with the baseline. */
  missing: { run: string; what: string }[];
}

/** Compares runs with the first of them. */
export function compareRuns(runs: RunFolder[]): Comparison {
  const { paired, unpaired } = pairedTrials(runs);
  const trainings = stageTrainings(runs);
  return {
    runs,
    parameters: parameters(runs),
    trainedOn: trainedOn(runs),
    environments: environments(runs),
    trainings,
    policies: policies(runs, paired),
    paired,
    refusals: refusalTests(paired),
    means: meanTests(paired),
    missing: [
      ...runs.flatMap(({ name, faults }) => faults.map((what) => ({ run: name, what }))),
      ...trainings.flatMap((training) => withoutStage(runs, training)),
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
    missing,
  };
}
