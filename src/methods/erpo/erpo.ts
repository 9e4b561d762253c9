/**
 * ERPO, ex-ante reasoning preference optimization (Feng et al. 2025), from an instruction-tuned model to a policy that assesses a request, verifies it against written rules and
 * calibrates its path before it answers:
 *
 *   stage 1  SFT on ex-ante traces, first the decision alone, then whole traces
 *   stage 2  DPO on pairs for safety, usefulness and efficiency from the model's own samples
 *   stage 3  rounds of length-controlled preference optimization, each kept only if the dev set did not suffer
 *
 * The paper's exact pairs, weights and length term are not public; what is done here is this project's reconstruction. Each stage is an
 * async generator of its training steps; its results are in the run's folder, and running it again continues or repeats them.
 */
import { needed } from "../../data/dataset.js";
import { answerRow, decisionRow, type LabelledPrompt, traceRow } from "../../exante/rows.js";
import { saveAdapter } from "../../model/adapter-io.js";
import { dpo } from "../../objectives/dpo.js";
import { lengthMargin } from "../../objectives/length-margin.js";
import { withNll } from "../../objectives/nll.js";
import type { PreferenceObjective } from "../../objectives/types.js";
import { devAnswers } from "../../runs/dev.js";
import { balancedPrompts, withAnswers, withinTokens } from "../../runs/prompts.js";
import { once, type Run, trainOnce } from "../../runs/run.js";
import type { StepMetrics } from "../../training/metrics.js";
import { trainPreference } from "../../training/preference.js";
import { trainSft } from "../../training/sft.js";
import { judgeRound } from "./gate.js";
import { pairBatches, roundPairs, stage2Pairs } from "./pairs.js";
import { freshAdapter, preferenceOptions, roundStage, rowTokens, sftOptions, stages } from "./stages.js";

/** What a notebook may vary. */
export interface PreferenceOptions {
  /** Strength of the anchor to the reference; 0.1. */
  beta?: number;
  /** Weight of the chosen completion's NLL a token; 0.3. Keeps likelihood from being displaced. */
  nllWeight?: number;
  /** "trace" compares whole completions, "step" only the first step in which they differ. */
  level?: "trace" | "step";
  signal?: AbortSignal;
}

// ---------------------------------------------------------------- stage 1

/** Prompts of stage 1, every beginning of the list half benign, with reference answers where the budget reaches. */
export async function stage1Prompts(run: Run, signal?: AbortSignal): Promise<LabelledPrompt[]> {
  const all = balancedPrompts([...needed(run.data, "train1"), ...run.data.general.train1], run.rng("stage 1"));
  const reached = withinTokens(all, (p) => rowTokens(decisionRow(p, run.writer)), run.profile.stage1.decisionTokens);
  return withAnswers(run, reached, signal);
}

/** Stage 1: the decision alone (1a), then whole traces, every fourth one verbose (1b). */
export async function* stage1(run: Run, signal?: AbortSignal): AsyncGenerator<StepMetrics & { phase: "decision" | "trace" }> {
  const { model, profile } = run;
  const prompts = await stage1Prompts(run, signal);

  const decisions = prompts.map((p) => decisionRow(p, run.writer));
  const decision = trainOnce(
    run,
    stages.decision,
    () => freshAdapter(run, "adapter"),
    (lora, dir) => trainSft(model, decisions, sftOptions(run, lora, dir, decisions, profile.stage1.decisionRate, signal)),
    signal,
  );
  for await (const step of decision) yield { ...step, phase: "decision" };

  const variants = run.rng("stage 1 wording");
  const written = prompts.map((p, i) => traceRow(p, (i >> 1) % 4 === 3 ? "verbose" : "terse", variants.integer(0, 11), run.writer));
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
  const rows = prompts.map((p) => answerRow(p, variants.integer(0, 11), run.writer));
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

// ---------------------------------------------------------------- stage 3

/**
 * Stage 3: rounds of length-controlled preference optimization. Sample with the current policy, rebuild the pairs, take that policy as
 * the reference, minimise
 *
 *     -log sigmoid( beta * Delta + alpha * (|w| - |l|) ) + nllWeight * NLL(w) / |w|
 *
 * and keep the round only if the answers to dev prompts did not refuse worse by more than 3 points on either side. The gate judges whole
 * answers: a policy can keep its verdicts and lose what it says after them.
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
      judgeRound(round, from, await devAnswers(run, from, signal), await devAnswers(run, stage, signal)),
    );
    if (outcome.kept) current = stage;
  }
  const final = await run.adapter(current);
  await saveAdapter(run.path(stages.final), final, run.model.name);
  final.dispose();
}
