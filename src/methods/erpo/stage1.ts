import type { Rng } from "../../backend/random.js";
import { needed } from "../../data/dataset.js";
import type { TokenRow } from "../../data/tokens.js";
import { sum } from "../../evaluation/averages.js";
import { answerRow, decisionRow, type LabelledPrompt, type RowOptions, traceRow, verificationRow } from "../../exante/rows.js";
import { framePairs, inTurns, labelled, type PromptPair, withinTokens } from "../../runs/prompts.js";
import { withAnswers, withOpenings } from "../../runs/reference-answers.js";
import type { Run } from "../../runs/run.js";
import { type Training, trainKept } from "../../runs/training.js";
import { pieces } from "../../setup/lists.js";
import { lengthSorted } from "../../training/batches.js";
import type { StepMetrics } from "../../training/metrics.js";
import { sftObjective } from "../../training/token-objective.js";
import { latePrefix } from "./late.js";
import { stage1 as knobs, sftOptimizer, version, wordings } from "./recipe.js";
import { stages } from "./stages.js";

/** Stage 1's prompts. */
export interface Stage1Prompts {
  /** A safe and an unsafe prompt of one frame each, in turns of their families: every beginning is half benign and has all kinds. */
  pairs: PromptPair[];
  /** Everyday prompts, and what has no partner. */
  single: LabelledPrompt[];
}

/** All prompts of stage 1 in their order. */
export function stage1Prompts(run: Run): Stage1Prompts {
  const rng = run.rng("stage 1");
  const { pairs, rest } = framePairs(needed(run.data, "train1"), rng);
  return { pairs, single: rng.shuffle([...run.data.general.train1.map(labelled), ...rest]) };
}

/** Stage 1, SFT: the decision alone (1a), then whole traces (1b). @throws KeptError when one was trained otherwise, naming what differs */
export async function* stage1(run: Run, signal?: AbortSignal): AsyncGenerator<StepMetrics & { phase: "decision" | "trace" }> {
  const prompts = stage1Prompts(run);
  for await (const step of trainKept(run, stages.decision, decisionTraining(run, prompts), signal)) yield { ...step, phase: "decision" };
  if (signal?.aborted) return;
  const rows = await traceRows(run, prompts, signal);
  for await (const step of trainKept(run, stages.sft, traceTraining(run, rows), signal)) yield { ...step, phase: "trace" };
}

/** What a row of 1a ends with: the first word, of some behind a beginning of an answer; or the verdict, behind a right first word or a wrong one. */
const decisions = ["first word", "wrong", "first word", "first word", "late", "right", "first word", "first word"] as const;

/** 1a: the decisions of every prompt, without the text between them. */
export function decisionTraining(run: Run, prompts: Stage1Prompts): Training<TokenRow> {
  return joined(passes(run, prompts).map((pass) => decisionPass(run, pass)));
}

function decisionPass(run: Run, prompts: Stage1Prompts): Training<TokenRow> {
  const rng = run.rng("stage 1 decisions");
  const { decisionTokens, decisionRate, corrections } = run.profile.stage1;
  const rows = written(decisionGroups(prompts), (group, i) => {
    const kind = decisions[i % decisions.length]!;
    const corrects = isCorrection(decisions, i, corrections);
    const prefix = kind === "late" ? latePrefix(rng) : "";
    return group.map((prompt) => {
      if (kind === "wrong") return verificationRow(prompt, run.writer, given(corrects, wrongRisk(run, prompt, rng)));
      return kind === "right" ? verificationRow(prompt, run.writer) : decisionRow(prompt, run.writer, prefix);
    });
  });
  return sftTraining(run, "ERPO, decisions", { stream: "adapter" }, within(rows, decisionTokens), decisionRate);
}

/** Two prompts of one frame each, and everyday prompts by two, spread evenly. */
const decisionGroups = ({ pairs, single }: Stage1Prompts): LabelledPrompt[][] =>
  inTurns([...pairs.map(({ safe, unsafe }) => [safe, unsafe]), ...pieces(single, 2)], ([first]) =>
    first!.family === "general" ? "general" : "",
  );

/** The prompts of each pass over the decisions. A later one begins a few prompts further on, so that rows of other kinds fall to them. */
function passes(run: Run, { pairs, single }: Stage1Prompts): Stage1Prompts[] {
  const turned = <T>(items: readonly T[], n: number): T[] => [...items.slice(n), ...items.slice(0, n)];
  return Array.from({ length: run.profile.stage1.decisionPasses }, (_, n) => ({
    pairs: turned(pairs, 3 * n),
    single: turned(single, 3 * n),
  }));
}

/** One training that goes through the rows of several, one behind the other. */
function joined(trainings: readonly Training<TokenRow>[]): Training<TokenRow> {
  const first = startsOf(trainings.map(({ rows }) => rows));
  return {
    ...trainings[0]!,
    rows: trainings.flatMap(({ rows }) => [...rows]),
    batches: trainings.flatMap(({ batches }, i) => batches.map((batch) => batch.map((row) => row + first[i]!))),
  };
}

/** What a row of 1b is beside a plain trace: its first word is wrong, and of its answer only the first words stand there; or it comes behind the beginning of an answer. */
type Kind = "plain" | "wrong" | "late";

/** In turns, the same for both prompts of a pair. */
const kinds: { pair: Kind[]; everyday: Kind[] } = {
  pair: ["plain", "wrong", "plain", "late", "plain", "wrong", "plain", "plain"],
  everyday: ["plain", "plain", "plain", "plain", "plain", "late", "plain", "plain"],
};

/** A prompt and how its row is written. */
export interface PlannedRow {
  prompt: LabelledPrompt;
  options: RowOptions;
}

/** 1b's rows: whole traces, terse and verbose; with a wrong first word that verification overrules; and behind a beginning of an answer. */
export async function traceRows(run: Run, { pairs, single }: Stage1Prompts, signal?: AbortSignal): Promise<PlannedRow[]> {
  const { traceTokens, verbose, corrections } = run.profile.stage1;
  const rowsNeeded = Math.ceil(traceTokens / knobs.shortestRow);
  const everyday = single.filter(({ label, family }) => label === "safe" && family === "general").slice(0, Math.ceil(rowsNeeded / 3));
  const candidates = pairs.filter(({ frame }) => frame !== null).slice(0, (0.8 * rowsNeeded) / 2);
  const answered = await withAnswers(run, "stage-1", [...candidates.map(({ safe }) => safe), ...everyday], signal);
  const answers = new Map(answered.map((prompt) => [prompt.id, prompt]));
  const rng = run.rng("stage 1 rows");
  const planned = (prompt: LabelledPrompt, kind: Kind, corrects: boolean): PlannedRow => ({
    prompt,
    options: {
      style: rng.uniform() < verbose ? "verbose" : "terse",
      variant: rng.integer(0, wordings - 1),
      ...(kind === "wrong" && given(corrects, { wrongRisk: wrongRisk(run, prompt, rng), answerTokens: knobs.openingTokens })),
      ...(kind === "late" && { prefix: latePrefix(rng) }),
    },
  });
  const contrasts = candidates.map(({ safe, unsafe }, i) =>
    [answers.get(safe.id)!, unsafe]
      .filter(hasAnswer)
      .map((prompt) => planned(prompt, kinds.pair[i % kinds.pair.length]!, isCorrection(kinds.pair, i, corrections))),
  );
  const ordinary = everyday
    .map(({ id, response }) => ({ answer: response, ...answers.get(id)! }))
    .filter(hasAnswer)
    .map((prompt, i) => [planned(prompt, kinds.everyday[i % kinds.everyday.length]!, isCorrection(kinds.everyday, i, corrections))]);
  return inTurns([...contrasts, ...ordinary], (group) => (group[0]!.prompt.family === "general" ? "everyday" : "contrast")).flat();
}

/** Whether a row can be written: of a safe prompt the base model may have said nothing that is of use; of an everyday one there is a written answer then. */
const hasAnswer = ({ label, answer }: LabelledPrompt): boolean => label === "unsafe" || answer !== undefined;

/** Whether the `i`th row, of a pattern that repeats, is one of the share of its correction rows that are written, which is spread evenly. */
export function isCorrection(pattern: readonly string[], i: number, share: number): boolean {
  const among = (kinds: readonly string[]) => kinds.filter((kind) => kind === "wrong").length;
  const place = i % pattern.length;
  if (pattern[place] !== "wrong") return false;
  const before = ((i - place) / pattern.length) * among(pattern) + among(pattern.slice(0, place));
  return Math.floor((before + 1) * share) > Math.floor(before * share);
}

/** What is given only under a condition, and has been drawn in any case: the rows behind it do not depend on the condition. */
const given = <T>(condition: boolean, value: T): T | undefined => (condition ? value : undefined);

/** A first word that is wrong: none, or the risk that a harmless prompt might be taken for, of the rule that it comes near to or any. */
function wrongRisk({ rules: { rules, get } }: Run, { label, nearRule }: LabelledPrompt, rng: Rng): string {
  if (label === "unsafe") return "none";
  return (nearRule === undefined ? rng.choice(rules) : get(nearRule)).risk;
}

/** 1b, as far as its budget reaches. */
export function traceTraining(run: Run, rows: readonly PlannedRow[]): Training<TokenRow> {
  const { traceTokens, traceRate } = run.profile.stage1;
  const groups = written(rows, ({ prompt, options }) => [traceRow(prompt, run.writer, options)]);
  return sftTraining(run, "ERPO, traces", { stage: stages.decision }, within(groups, traceTokens), traceRate, knobs.traceBatch);
}

/** The matched baseline: the same prompts, phases and budgets in tokens, without thoughts. @throws KeptError as `stage1` */
export async function* answersOnly(run: Run, signal?: AbortSignal): AsyncGenerator<StepMetrics & { phase: "decision" | "trace" }> {
  const prompts = stage1Prompts(run);
  const decision = await openingsTraining(run, prompts, signal);
  for await (const step of trainKept(run, stages.baselineDecision, decision, signal)) yield { ...step, phase: "decision" };
  if (signal?.aborted) return;
  const training = await answersTraining(run, prompts, signal);
  for await (const step of trainKept(run, stages.baseline, training, signal)) yield { ...step, phase: "trace" };
}

/** The baseline's first phase: the first words of answers, which decide. */
export async function openingsTraining(run: Run, prompts: Stage1Prompts, signal?: AbortSignal): Promise<Training<TokenRow>> {
  const { decisionTokens, decisionRate } = run.profile.stage1;
  const most = Math.ceil(decisionTokens / (2 * knobs.shortestDecision));
  const reached = passes(run, prompts).map((pass) => decisionGroups(pass).slice(0, most));
  const asked = new Map(reached.flat(2).map((prompt) => [prompt.id, prompt]));
  const known = new Map((await withOpenings(run, "stage-1", [...asked.values()], signal)).map((prompt) => [prompt.id, prompt]));
  const variants = run.rng("baseline wording");
  const opening = (prompt: LabelledPrompt) =>
    answerRow(prompt, run.writer, { variant: variants.integer(0, wordings - 1), answerTokens: knobs.openingTokens });
  return joined(
    reached.map((groups) => {
      const answered = groups.map((group) => group.map(({ id }) => known.get(id)!).filter(hasAnswer)).filter((group) => group.length > 0);
      const rows = answered.map((group) => group.map(opening));
      return sftTraining(run, "answers only, first words", { stream: "adapter" }, within(rows, decisionTokens), decisionRate);
    }),
  );
}

/** The baseline's second phase: whole answers. */
export async function answersTraining(run: Run, prompts: Stage1Prompts, signal?: AbortSignal): Promise<Training<TokenRow>> {
  const rows = (await traceRows(run, prompts, signal)).map(({ prompt, options }) => [
    answerRow(prompt, run.writer, { variant: options.variant }),
  ]);
  const { traceRate, traceTokens } = run.profile.stage1;
  return sftTraining(run, "answers only", { stage: stages.baselineDecision }, within(rows, traceTokens), traceRate, knobs.traceBatch);
}

/** Rows as they are asked for: of thousands of prompts a budget reaches some hundreds, and tokenizing the rest takes seconds. */
function* written<T>(prompts: readonly T[], rowsOf: (prompt: T, i: number) => TokenRow[]): Generator<TokenRow[]> {
  for (const [i, prompt] of prompts.entries()) yield rowsOf(prompt, i);
}

/** Groups of rows from the front that together stay within a budget. */
const within = (groups: Iterable<TokenRow[]>, tokens: number): TokenRow[][] =>
  withinTokens(groups, (group) => sum(group.map(rowTokens)), tokens);

/** SFT in batches of groups of like length; the rows of a group stay together, and each epoch is shuffled anew. */
export function sftTraining(
  run: Run,
  recipe: string,
  start: Training<TokenRow>["start"],
  groups: readonly TokenRow[][],
  learningRate: number,
  batchSize = knobs.batchSize,
  epochs = 1,
): Training<TokenRow> {
  const size = Math.max(...groups.map((group) => group.length));
  const [lengths, rng] = [groups.map((group) => Math.max(...group.map(rowTokens))), run.rng("sft batches")];
  const batches = Array.from({ length: epochs }, () => lengthSorted(lengths, Math.floor(batchSize / size), rng)).flat();
  const first = startsOf(groups);
  return {
    recipe,
    version,
    start,
    objective: sftObjective,
    rows: groups.flat(),
    batches: batches.map((batch) => batch.flatMap((g) => groups[g]!.map((_, i) => first[g]! + i))),
    optimizer: sftOptimizer(learningRate),
    everySteps: knobs.everySteps,
  };
}

/** Where each list begins when they stand one behind the other. */
function startsOf(lists: readonly (readonly unknown[])[]): number[] {
  let behind = 0;
  return lists.map(({ length }) => {
    behind += length;
    return behind - length;
  });
}

/** Prompt and completion. */
export const rowTokens = ({ prompt, completion }: TokenRow): number => prompt.length + completion.length;
