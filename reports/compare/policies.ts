import { attackTrials, balancedAccuracy, type Estimate, mean, type Proportion, share, suiteTrials } from "../../src/index.js";
import { pieces } from "../../src/setup/lists.js";
import type { Evaluation } from "./evaluations.js";
import { type PairedTrial, refused, sameAnswer } from "./paired.js";
import type { RunFolder } from "./run-folder.js";

/** What the runs' evaluations say of one policy. */
export interface Policy {
  /** Folder of its stage, or "base". */
  name: string;
  /** Trials of all runs: the suites, the attacks, then others. */
  trials: { trial: string; title: string; harmful: boolean | null }[];
  /** In the order of the runs; runs without this policy are left out. */
  runs: PolicyRun[];
  /** All runs have it, with the same answers to the same prompts. */
  same: boolean;
}

/** One policy of one run. */
export interface PolicyRun {
  run: string;
  /** Share of a trial's prompts that are refused, with its Wilson interval. */
  refused: Map<string, Proportion>;
  /** Of refusing `harmful` and not refusing `look-alike-safe`. */
  balancedAccuracy?: Estimate;
  /** Over the answers to the four suites together. */
  traceValid: Proportion;
  /** Mean tokens of an answer, and of a valid trace's thought; NaN where there are none. */
  tokens: number;
  thoughtTokens: number;
  perplexity?: Estimate;
  /** Of the first word's decision on the dev set. */
  devAuc?: Estimate;
}

const known: readonly string[] = [...suiteTrials, ...attackTrials];

/** Trials that stand in one table: the suites, the attacks, and what else was evaluated, five at a time. */
export function trialGroups(trials: Policy["trials"]): Policy["trials"][] {
  const of = (names: readonly string[]) => trials.filter(({ trial }) => names.includes(trial));
  const others = trials.filter(({ trial }) => !known.includes(trial));
  return [of(suiteTrials), of(attackTrials), ...pieces(others, 5)].filter((group) => group.length > 0);
}

/** The policies that several of the runs have: the base model, then by name. One run's own, such as a related method's, is compared with nothing. */
export function policies(runs: readonly RunFolder[], paired: readonly PairedTrial[]): Policy[] {
  const rank = (name: string) => (name === "base" ? "" : name);
  const all = runs.map((run) => new Set(run.evaluations.map(({ policy }) => policy)));
  const several = (name: string) => all.filter((own) => own.has(name)).length > 1;
  const names = [...new Set(all.flatMap((own) => [...own]))]
    .filter(several)
    .sort((a, b) => rank(a).localeCompare(rank(b), "en", { numeric: true }));
  return names.map((name) => {
    const evaluations = runs.map((run) => run.evaluations.filter(({ policy }) => policy === name));
    return {
      name,
      trials: trialsOf(evaluations.flat()),
      runs: runs.flatMap((run, i) => (evaluations[i]!.length > 0 ? [policyRun(run, name, evaluations[i]!)] : [])),
      same: allSame(
        evaluations,
        paired.filter(({ policy }) => policy === name),
      ),
    };
  });
}

function trialsOf(evaluations: readonly Evaluation[]): Policy["trials"] {
  const rank = (trial: string) => (known.includes(trial) ? known.indexOf(trial) : known.length);
  const byName = new Map(evaluations.map(({ trial, title, harmful }) => [trial, { trial, title, harmful }]));
  return [...byName.values()].sort((a, b) => rank(a.trial) - rank(b.trial) || a.trial.localeCompare(b.trial));
}

function policyRun(run: RunFolder, name: string, evaluations: readonly Evaluation[]): PolicyRun {
  const answers = (trial: string) => [...(evaluations.find((e) => e.trial === trial)?.answers.values() ?? [])];
  const [harmful, lookAlikes] = [answers("harmful"), answers("look-alike-safe")];
  const suites = suiteTrials.flatMap(answers);
  const perplexity = run.perplexities.get(name);
  const dev = run.stages.find((stage) => stage.name === name)?.dev;
  return {
    run: run.name,
    refused: new Map(evaluations.map(({ trial }) => [trial, share(answers(trial), refused)])),
    ...(harmful.length > 0 &&
      lookAlikes.length > 0 && { balancedAccuracy: balancedAccuracy(share(harmful, refused), share(lookAlikes, refused)) }),
    traceValid: share(suites, ({ traceValid }) => traceValid),
    tokens: mean(suites.map(({ tokens }) => tokens)),
    thoughtTokens: mean(suites.flatMap(({ traceValid, thoughtTokens }) => (traceValid ? thoughtTokens : []))),
    ...(perplexity && { perplexity: { value: perplexity.perplexity, low: perplexity.low, high: perplexity.high } }),
    ...(dev && { devAuc: dev.auc }),
  };
}

/** Whether each run but the first has all its answers paired with equal ones of the first's. */
function allSame(evaluations: readonly Evaluation[][], paired: readonly PairedTrial[]): boolean {
  const answers = (of: readonly Evaluation[]) => of.reduce((sum, { answers }) => sum + answers.size, 0);
  const pairs = paired.reduce((sum, { pairs }) => sum + pairs.length, 0);
  const first = answers(evaluations[0]!);
  const whole = first > 0 && evaluations.every((of) => answers(of) === first) && pairs === first * (evaluations.length - 1);
  return whole && paired.every((trial) => trial.pairs.every(sameAnswer));
}
