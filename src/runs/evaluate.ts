import { existsSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { createRng } from "../backend/random.js";
import { DataError } from "../data/errors.js";
import { digestOf, type Identity, type IdentityValue } from "../data/identity.js";
import { readJson } from "../data/jsonl.js";
import type { PromptRow } from "../data/types.js";
import { attacked, noAttack } from "../evaluation/attacks.js";
import type { Estimate } from "../evaluation/intervals.js";
import { ruleJudge } from "../evaluation/judges.js";
import { literalIdentity } from "../evaluation/literal.js";
import { matchedBalance, matchedRows } from "../evaluation/matched.js";
import { type JudgedRow, report, type SuiteMetrics } from "../evaluation/report.js";
import { type Response, respond } from "../evaluation/respond.js";
import { isHarmful, type Trial } from "../evaluation/trial.js";
import { type Perplexity, perplexity, readReferences } from "../evaluation/usefulness.js";
import { longestThought } from "../exante/answer-stop.js";
import { codeDigest } from "../generation/decoding.js";
import { type Policy, policyIdentity } from "../generation/policy.js";
import { writeAtomic } from "../setup/atomic.js";
import { assertClaimed, claim, isThere } from "./claim.js";
import { aloneOr, keep } from "./keep.js";
import type { Run } from "./run.js";
import { currentSha256 } from "./stale.js";
import { builtInTrial, suiteTrials, type TrialName } from "./trials.js";

/** A trial's outcome for one policy. */
export interface TrialResult {
  policy: string;
  trial: string;
  /** Of its prompts, where it is not the trial's name. */
  suite?: string;
  title: string;
  /** Whether refusing is right; null where the trial has prompts of both kinds. */
  harmful: boolean | null;
  metrics: SuiteMetrics;
  rows: JudgedRow[];
}

/** Prompts that are decoded together, and answers that are scored together. */
const batchSize = { answers: 96, references: 48 };

/**
 * Puts a policy to trials, all at once: completions, judged on their answers alone; yields the outcomes in the order of the trials. Each completion is
 * stored as it comes in `evaluation/<policy>/<trial>.jsonl`, so an interrupted evaluation goes on; the outcome is kept with what it was made from.
 *
 * @param policy of a stage (`await run.policy("1-sft")`, "base" for the model as it came), or any other; its name is the folder's
 * @param trials built-in ones by name, or own ones
 * @throws KeptError when an outcome is there that another policy or trial has had, naming what differs; DataError when two trials have one name, a name is none for a file, or a trial has no prompts
 */
export async function* evaluate(
  run: Run,
  policy: Policy,
  trials: readonly (TrialName | Trial)[] = suiteTrials,
  signal?: AbortSignal,
): AsyncGenerator<TrialResult> {
  const all = await Promise.all(trials.map((trial) => (typeof trial === "string" ? builtInTrial(run, trial) : trial)));
  const folder = policyFolder(policy);
  checkTrials(all, folder);
  const file = ({ name }: Trial, suffix: string) => `${folder}/${name}.${suffix}`;
  const asked = { policy: await policyIdentity(policy), ...standsOn(run, policy) };
  const places = all.map((trial): Parameters<typeof claim> => {
    const outcome = file(trial, "json");
    return [run, outcome, [outcome, file(trial, "jsonl")], trialIdentity(run, policy, asked, trial)];
  });
  const there = () => places.map((place) => isThere(...place)).every(Boolean);
  using _ = there() ? undefined : await aloneOr(there, run, folder, signal);
  const open = places.flatMap((place, i) => (claim(...place) === "open" ? [{ trial: all[i]!, place }] : []));
  let next = 0; // the trial whose outcome is yielded next
  function* ready(): Generator<TrialResult> {
    while (next < all.length && existsSync(run.path(file(all[next]!, "json"))))
      yield readJson<TrialResult>(run.path(file(all[next++]!, "json")));
  }
  yield* ready();
  if (open.length === 0) return;
  const sets = open.map(({ trial }) => ({ ...trial, answerTokens: answerTokens(run, trial), file: run.path(file(trial, "jsonl")) }));
  const answers = sets.map(() => new Map<string, Response>());
  const options = { thoughtTokens: longestThought, batchSize: batchSize.answers, rng: run.rng("evaluation"), signal };
  for await (const { set, response } of respond(policy, sets, options)) {
    const { name, suite, title = name, rows, judge = ruleJudge(run.rules) } = sets[set]!;
    if (answers[set]!.set(response.id, response).size < rows.length) continue;
    const inOrder = rows.map(({ id }) => answers[set]!.get(id)!);
    const judged = await report(rows, inOrder, judge);
    const result: TrialResult = { policy: policy.name, trial: name, suite, title, harmful: isHarmful(rows), ...judged };
    const [, outcome, , identity] = open[set]!.place;
    assertClaimed(run, outcome, identity);
    writeAtomic(run.path(outcome), [`${JSON.stringify(result)}\n`]);
    yield* ready();
  }
}

/** Where a policy's outcomes are kept, relative to the run's folder. @throws DataError when its name is no folder's */
export function policyFolder({ name }: Policy): string {
  if (!staysBelow("evaluation", name))
    throw new DataError(`policy "${name}": its outcomes are kept under its name: give it one, without ".."`);
  return `evaluation/${name}`;
}

function checkTrials(trials: readonly Trial[], folder: string): void {
  const names = trials.map(({ name }) => name);
  const wrong = names.find((name) => !staysBelow(folder, name));
  if (wrong !== undefined) throw new DataError(`trial "${wrong}": its outcome is kept under its name: give it one, without ".."`);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new DataError(`two trials have the name "${twice}": their outcomes are told apart by name`);
  const empty = trials.find(({ rows }) => rows.length === 0);
  if (empty)
    throw new DataError(`trial "${empty.name}" has no prompts: leave it out, or give it some (prompts of one's own may lack a label)`);
}

/** Whether a name is that of something below a folder. */
function staysBelow(folder: string, name: string): boolean {
  const path = relative(folder, join(folder, name));
  return name.trim() !== "" && path !== "" && path.split(sep)[0] !== "..";
}

const answerTokens = (run: Run, trial: Trial): number => trial.answerTokens ?? run.profile.answerTokens;

function trialIdentity(run: Run, policy: Policy, asked: Identity, trial: Trial): Identity {
  const { rows, attack = noAttack, judge = ruleJudge(run.rules) } = trial;
  const questions = rows.map((row, i) => attacked(attack, row, i));
  return {
    recipe: "evaluation",
    version: 4,
    ...asked,
    prompts: digestOf(rows as unknown as IdentityValue),
    attack: attack.name,
    questions: digestOf(questions as unknown as IdentityValue),
    ...literalIdentity(policy, questions),
    judge: { name: judge.name, settings: judge.settings, code: codeDigest(judge.judge) },
    answerTokens: answerTokens(run, trial),
    thoughtTokens: longestThought,
    batchSize: batchSize.answers,
    ...drawnWith(run, policy),
    precision: run.device.precision,
  };
}

/** What is asked around a row's prompt, earlier turns and the beginning of the answer, for identities; nothing where nothing is. */
export const aroundPrompt = ({ before, prefill }: PromptRow): IdentityValue[] =>
  before || prefill ? [{ before, prefill } as unknown as IdentityValue] : [];

/** The seed that a policy's answers depend on, where they are drawn. */
export const drawnWith = ({ seed }: Pick<Run, "seed">, { decoding }: Policy): Identity => (decoding.choice.temperature > 0 ? { seed } : {});

/** The kept stage that a policy comes from, with its digest; nothing for the base model and for policies made in a cell. */
export function standsOn(run: Run, { folder }: Policy): Identity {
  if (folder === undefined) return {};
  const stage = relative(run.dir, folder).split(sep).join("/");
  return stage.startsWith("..") ? {} : { from: { [stage]: currentSha256(run, stage) } };
}

/**
 * Matched balanced accuracy from a policy's results: of refusing the unsafe and of not refusing the safe prompts of the same frames (`matchedBalance`). Prompts whose frame
 * has none of the other label, or that have no frame, are left out.
 * @throws RangeError when one of the two suites' results is missing
 */
export function policyBalance(results: readonly TrialResult[]): Estimate {
  const rows = (["look-alike-unsafe", "look-alike-safe"] as const).flatMap((name) => {
    const result = results.find(({ trial }) => trial === name);
    if (!result)
      throw new RangeError(`policyBalance: there is no result of ${name}, only of ${results.map(({ trial }) => trial).join(", ")}`);
    return result.rows;
  });
  return matchedBalance(matchedRows(rows), createRng(1));
}

/** A policy's perplexity on the held-out benign answers, after its own thought; kept. @throws as `evaluate` */
export async function keptPerplexity(run: Run, policy: Policy): Promise<Perplexity> {
  const references = readReferences();
  const identity: Identity = {
    recipe: "perplexity",
    version: 1,
    policy: await policyIdentity(policy),
    references: digestOf(references),
    thoughtTokens: longestThought,
    batchSize: batchSize.references,
    ...drawnWith(run, policy),
    precision: run.device.precision,
    ...standsOn(run, policy),
  };
  return keep(run, `${policyFolder(policy)}/perplexity.json`, identity, () =>
    perplexity(policy, references, { thoughtTokens: longestThought, batchSize: batchSize.references, rng: run.rng("perplexity") }),
  );
}
