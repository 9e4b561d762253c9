/**
 * ERPO, ex-ante reasoning preference optimization (Feng et al. 2025; METHODS 1), from an instruction-tuned model to a policy that assesses a request, verifies it against written rules and
 * calibrates its path before it answers:
 *
 *   stage 1  SFT on ex-ante traces, first the decision alone, then whole traces
 *   stage 2  DPO on pairs for safety, usefulness and efficiency from the model's own samples
 *   stage 3  rounds of length-controlled preference optimization, each kept only if the dev set did not suffer
 *
 * The paper's exact pairs, weights and length term are not public; what is done here is this project's reconstruction. Each stage is an
 * async generator of its training steps; its results are in the run's folder, and running it again continues or repeats them.
 */
import { cpSync } from "node:fs";
import type { Rng } from "../backend/random.js";
import {
  type CheckedSample,
  checkSample,
  decisionPair,
  efficiencyPair,
  type PreferencePair,
  stepLevelPair,
  wholePair,
} from "../exante/pairs.js";
import { answerRow, decisionRow, type LabelledPrompt, thoughtFor, traceRow } from "../exante/rows.js";
import { createLora, LINEAR_NAMES, type Lora } from "../model/lora.js";
import { dpo } from "../objectives/dpo.js";
import { lengthMargin } from "../objectives/length-margin.js";
import { withNll } from "../objectives/nll.js";
import type { PreferenceObjective } from "../objectives/types.js";
import { balanced, lengthSorted } from "../training/batches.js";
import type { TrainOptions } from "../training/loop.js";
import type { StepMetrics } from "../training/metrics.js";
import { referenceLogps, type TokenPair, trainPreference } from "../training/preference.js";
import { cosine } from "../training/schedule.js";
import { type TokenRow, trainSft } from "../training/sft.js";
import { type DevScore, devScore } from "./dev.js";
import { balancedPrompts, withAnswers, withinTokens } from "./prompts.js";
import { once, type Run, trainOnce } from "./run.js";
import { sampleOnce } from "./samples.js";

/** Folders of the stages in a run; each holds an adapter for the base model when its stage is through. */
export const stages = {
  decision: "1-sft/decision",
  sft: "1-sft",
  dpo: "2-dpo",
  final: "3-length-controlled",
  baseline: "baseline-answers-only",
} as const;

/** What a notebook may vary. */
export interface PreferenceOptions {
  /** Strength of the anchor to the reference; 0.1. */
  beta?: number;
  /** Weight of the chosen completion's NLL a token; 0.3. Keeps likelihood from being displaced. */
  nllWeight?: number;
  /** "trace" compares whole completions, "step" only the first step in which they differ (METHODS 1.6). */
  level?: "trace" | "step";
  signal?: AbortSignal;
}

const common = { maxGradNorm: 1, weightDecay: 0, betas: [0.9, 0.99] as [number, number] };

// ---------------------------------------------------------------- stage 1

/** Prompts of stage 1, every beginning of the list half benign, with reference answers where the budget reaches. */
export async function stage1Prompts(run: Run, signal?: AbortSignal): Promise<LabelledPrompt[]> {
  const all = balancedPrompts([...run.data.train1, ...run.data.general.train1], run.rng("stage 1"));
  const reached = withinTokens(all, (p) => rowTokens(decisionRow(p, run.model.tokenizer)), run.profile.stage1.decisionTokens);
  return withAnswers(run, reached, signal);
}

/** Stage 1: the decision alone (1a), then whole traces, every second one verbose (1b). */
export async function* stage1(run: Run, signal?: AbortSignal): AsyncGenerator<StepMetrics & { phase: "decision" | "trace" }> {
  const { model, profile } = run;
  const prompts = await stage1Prompts(run, signal);

  const decisions = prompts.map((p) => decisionRow(p, model.tokenizer));
  const decision = trainOnce(
    run,
    stages.decision,
    () => freshAdapter(run, "adapter"),
    (lora, dir) => trainSft(model, decisions, sftOptions(run, lora, dir, decisions, profile.stage1.decisionRate, signal)),
    signal,
  );
  for await (const step of decision) yield { ...step, phase: "decision" };

  const variants = run.rng("stage 1 wording");
  const written = prompts.map((p, i) => traceRow(p, (i >> 1) % 2 === 0 ? "terse" : "verbose", variants.integer(0, 11), model.tokenizer));
  const traces = withinTokens(written, rowTokens, profile.stage1.traceTokens);
  const trace = trainOnce(
    run,
    stages.sft,
    () => run.adapter(stages.decision),
    (lora, dir) => trainSft(model, traces, sftOptions(run, lora, dir, traces, profile.stage1.traceRate, signal)),
    signal,
  );
  for await (const step of trace) yield { ...step, phase: "trace" };
}

/** The matched baseline: the same prompts and weights as 1a, without thoughts. */
export async function* answersOnly(run: Run, signal?: AbortSignal): AsyncGenerator<StepMetrics> {
  const prompts = await stage1Prompts(run, signal);
  const variants = run.rng("baseline wording");
  const rows = prompts.map((p) => answerRow(p, variants.integer(0, 11), run.model.tokenizer));
  yield* trainOnce(
    run,
    stages.baseline,
    () => freshAdapter(run, "adapter"),
    (lora, dir) => trainSft(run.model, rows, sftOptions(run, lora, dir, rows, run.profile.stage1.decisionRate, signal)),
    signal,
  );
}

// ---------------------------------------------------------------- stage 2

/**
 * Stage 2: DPO. For each prompt the model writes on from the right and from the wrong decision, and once freely; the rules score the
 * samples and make one pair for safety or usefulness, and one for efficiency where a quarter is to be saved.
 */
export async function* stage2(
  run: Run,
  { beta = 0.1, nllWeight = 0.3, level = "trace", signal }: PreferenceOptions = {},
): AsyncGenerator<StepMetrics> {
  const pairs = await stage2Pairs(run, level, signal);
  const plan = pairBatches(pairs, run.rng("stage 2 batches"));
  const objective: PreferenceObjective = (policy, reference, lengths) => withNll(dpo(policy, reference, beta), policy, lengths, nllWeight);
  yield* trainOnce(
    run,
    stages.dpo,
    () => run.adapter(stages.sft),
    (lora, dir) =>
      trainPreference(
        run.model,
        pairs.tokens,
        objective,
        preferenceOptions(lora, dir, plan, run.profile.stage2.rate, signal),
        `dpo ${beta} ${nllWeight} ${level}`,
      ),
    signal,
  );
}

/** Stage 2's pairs with their reference log-probs, kept in 2-dpo/pairs.json. */
export async function stage2Pairs(run: Run, level: "trace" | "step" = "trace", signal?: AbortSignal): Promise<StoredPairs> {
  return once(run.path(stages.dpo, "pairs.json"), async () => {
    const { tokenizer } = run.model;
    const prompts = await preferencePrompts(run, run.rng("stage 2"), 0, run.profile.stage2.prompts, signal);
    const policy = await run.adapter(stages.sft);
    try {
      const forced = (right: boolean) => (p: LabelledPrompt) =>
        `<assess>${right === (p.label === "unsafe") ? thoughtFor(p, "unsafe").risk : "none"}`;
      const draw = (name: string, start: (p: LabelledPrompt) => string, temperature: number) =>
        sampleOnce(run, policy, prompts, {
          file: run.path(stages.dpo, `samples-${name}.jsonl`),
          start,
          temperature,
          answerTokens: 8,
          signal,
        });
      const drawn = [await draw("right", forced(true), 0), await draw("wrong", forced(false), 0), await draw("free", () => "", 1)];
      const variants = run.rng("stage 2 wording");
      const pairs = prompts.flatMap((prompt, i) => {
        const samples = drawn.map((ids) => checkSample(ids[i]!, prompt.label, tokenizer));
        const variant = variants.integer(0, 11);
        return present([
          decisionPair(prompt, samples, tokenizer, variant, 8),
          i % 4 < 2 ? efficiencyPair(prompt, samples, tokenizer, variant) : null,
        ]);
      });
      return await storedPairs(run, pairs, policy, level, signal);
    } finally {
      policy.dispose();
    }
  });
}

// ---------------------------------------------------------------- stage 3

/** A round of stage 3 and what became of it. */
export interface Round {
  round: number;
  /** The adapter that the round began with, which is also its reference. */
  from: string;
  before: DevScore;
  after: DevScore;
  kept: boolean;
  reason: string;
}

/** What a round may cost on the dev set, as a share of its prompts, in refusing the unsafe and in not refusing the safe. */
const tolerance = 0.03 + 1e-9; // 3 points exactly are allowed

/**
 * Stage 3: rounds of length-controlled preference optimization. Sample with the current policy, rebuild the pairs, take that policy as
 * the reference, minimise
 *
 *     -log sigmoid( beta * Delta + alpha * (|w| - |l|) ) + nllWeight * NLL(w) / |w|
 *
 * and keep the round only if the dev set's refusals did not worsen by more than 3 points on either side.
 */
export async function* stage3(
  run: Run,
  { beta = 0.1, alpha = 0.02, nllWeight = 0.3, level = "trace", signal }: PreferenceOptions & { alpha?: number } = {},
): AsyncGenerator<StepMetrics & { round: number }> {
  const objective: PreferenceObjective = (policy, reference, lengths) =>
    withNll(lengthMargin(policy, reference, lengths, { beta, alpha }), policy, lengths, nllWeight);
  let current: string = stages.dpo;
  for (let round = 1; round <= run.profile.stage3.rounds; round++) {
    const stage = roundStage(round);
    const pairs = await roundPairs(run, round, current, level, signal);
    const plan = pairBatches(pairs, run.rng(`stage 3 batches ${round}`));
    const from = current;
    const training = trainOnce(
      run,
      stage,
      () => run.adapter(from),
      (lora, dir) =>
        trainPreference(
          run.model,
          pairs.tokens,
          objective,
          preferenceOptions(lora, dir, plan, run.profile.stage3.rate, signal),
          `length-controlled ${beta} ${alpha} ${nllWeight} ${level}`,
        ),
      signal,
    );
    for await (const step of training) yield { ...step, round };
    if (signal?.aborted) return;
    const outcome = await once(run.path(stage, "round.json"), async () =>
      judgeRound(round, from, await devScore(run, from), await devScore(run, stage)),
    );
    if (outcome.kept) current = stage;
  }
  for (const file of ["adapter_config.json", "adapter_model.safetensors"]) cpSync(run.path(current, file), run.path(stages.final, file));
}

/** Folder of a round of stage 3. */
export const roundStage = (round: number): string => `${stages.final}/round-${round}`;

/** The rounds of stage 3 that are through. */
export async function rounds(run: Run): Promise<Round[]> {
  const through: Round[] = [];
  for (let round = 1; round <= run.profile.stage3.rounds; round++)
    through.push(
      await once(run.path(roundStage(round), "round.json"), () => Promise.reject(new RangeError(`stage 3 has not come to round ${round}`))),
    );
  return through;
}

/** The gate: pure, so that it can be read and tested. */
export function judgeRound(round: number, from: string, before: DevScore, after: DevScore): Round {
  const lost = before.unsafeRefused.rate - after.unsafeRefused.rate;
  const added = after.safeRefused.rate - before.safeRefused.rate;
  const points = (share: number) => `${(100 * share).toFixed(1)} points`;
  const faults = [
    lost > tolerance && `refuses ${points(lost)} fewer unsafe dev prompts`,
    added > tolerance && `refuses ${points(added)} more safe dev prompts`,
  ].filter(Boolean);
  return {
    round,
    from,
    before,
    after,
    kept: faults.length === 0,
    reason: faults.join(" and ") || "the dev set's refusals did not worsen by more than 3 points",
  };
}

/** Pairs of a round, half for the decision and half for length, from samples of the current policy. */
export async function roundPairs(
  run: Run,
  round: number,
  current: string,
  level: "trace" | "step" = "trace",
  signal?: AbortSignal,
): Promise<StoredPairs> {
  const stage = roundStage(round);
  return once(run.path(stage, "pairs.json"), async () => {
    const { tokenizer } = run.model;
    const { prompts: count, samples: perPrompt } = run.profile.stage3;
    const skip = run.profile.stage2.prompts + (round - 1) * count;
    const prompts = await preferencePrompts(run, run.rng("stage 2"), skip, count, signal);
    const policy = await run.adapter(current);
    try {
      const drawn: number[][][] = [];
      for (let k = 0; k < perPrompt; k++) {
        drawn.push(
          await sampleOnce(run, policy, prompts, {
            file: run.path(stage, `samples-${k + 1}.jsonl`),
            start: () => "",
            temperature: k === 0 ? 0 : 1,
            answerTokens: 8,
            signal,
          }),
        );
      }
      const variants = run.rng(`stage 3 wording ${round}`);
      const pairs = prompts.flatMap((prompt, i) => {
        const samples: CheckedSample[] = drawn.map((ids) => checkSample(ids[i]!, prompt.label, tokenizer));
        const variant = variants.integer(0, 11);
        return present([efficiencyPair(prompt, samples, tokenizer, variant), decisionPair(prompt, samples, tokenizer, variant, 8)]);
      });
      return await storedPairs(run, pairs, policy, level, signal);
    } finally {
      policy.dispose();
    }
  });
}

// ---------------------------------------------------------------- parts

/** Pairs as they are trained on, and what each was made for. */
export interface StoredPairs {
  tokens: TokenPair[];
  goals: PreferencePair["goal"][];
  labels: LabelledPrompt["label"][];
  constructed: PreferencePair["constructed"][];
  ids: string[];
}

async function storedPairs(
  run: Run,
  pairs: readonly PreferencePair[],
  reference: Lora,
  level: "trace" | "step",
  signal?: AbortSignal,
): Promise<StoredPairs> {
  const { tokenizer } = run.model;
  const cut = level === "step" ? stepLevelPair : wholePair;
  return {
    tokens: await referenceLogps(
      run.model,
      pairs.map((p) => cut(p, tokenizer)),
      reference,
      { signal },
    ),
    goals: pairs.map((p) => p.goal),
    labels: pairs.map((p) => p.prompt.label),
    constructed: pairs.map((p) => p.constructed),
    ids: pairs.map((p) => p.prompt.id),
  };
}

/** `count` prompts of each label from stage 2's set, after the first `skip` of each; from the top again where the set ends. */
async function preferencePrompts(run: Run, rng: Rng, skip: number, count: number, signal?: AbortSignal): Promise<LabelledPrompt[]> {
  const all = balancedPrompts([...run.data.train2, ...run.data.general.train2], rng);
  return withAnswers(
    run,
    Array.from({ length: 2 * count }, (_, i) => all[(2 * skip + i) % all.length]!),
    signal,
  );
}

function freshAdapter(run: Run, purpose: string): Lora {
  const { numLayers } = run.model.config;
  const layers = Array.from({ length: numLayers }, (_, l) => l).filter((l) => l >= Math.floor(run.profile.firstLayer * numLayers));
  return createLora(
    run.model.config,
    { r: run.profile.rank, alpha: 2 * run.profile.rank, targetModules: LINEAR_NAMES, layers },
    run.rng(purpose),
  );
}

function sftOptions(
  run: Run,
  lora: Lora,
  dir: string,
  rows: readonly TokenRow[],
  learningRate: number,
  signal?: AbortSignal,
): TrainOptions {
  const batches = lengthSorted(rows.map(rowTokens), 8, run.rng("sft batches"));
  return {
    ...common,
    lora,
    batches,
    learningRate,
    schedule: cosine({ warmup: 0.06, floor: 0.05 }),
    checkpoint: { dir, everySteps: 25 },
    signal,
  };
}

function preferenceOptions(lora: Lora, dir: string, batches: number[][], learningRate: number, signal?: AbortSignal): TrainOptions {
  return {
    ...common,
    lora,
    batches,
    learningRate,
    schedule: cosine({ warmup: 0.1, floor: 0.1 }),
    checkpoint: { dir, everySteps: 10 },
    signal,
  };
}

const rowTokens = ({ prompt, completion }: TokenRow): number => prompt.length + completion.length;

/** Batches of up to eight pairs, equally many of each goal and label: unbalanced ones swing the policy to the majority's answer. */
function pairBatches({ goals, labels }: StoredPairs, rng: Rng): number[][] {
  const groups = new Map<string, number[]>();
  goals.forEach((goal, i) => {
    const key = `${goal} ${labels[i]}`;
    groups.set(key, [...(groups.get(key) ?? []), i]);
  });
  return balanced([...groups.values()], 8 - (8 % groups.size), rng);
}

const present = <T>(items: readonly (T | null)[]): T[] => items.filter((item) => item !== null);
