import type { Rng } from "../../backend/random.js";
import { needed } from "../../data/dataset.js";
import { digestOf, type IdentityValue } from "../../data/identity.js";
import type { TokenPair } from "../../data/tokens.js";
import {
  type CheckedSample,
  checkSample,
  decisionPair,
  efficiencyPair,
  type PreferencePair,
  stepLevelPair,
  wholePair,
} from "../../exante/pairs.js";
import { type LabelledPrompt, thoughtFor } from "../../exante/rows.js";
import { keep } from "../../runs/keep.js";
import { balancedPrompts, withAnswers } from "../../runs/prompts.js";
import type { Run } from "../../runs/run.js";
import { sampleKept } from "../../runs/samples.js";
import { currentSha256 } from "../../runs/stale.js";
import { balanced } from "../../training/batches.js";
import { referenceLogps } from "../../training/preference.js";
import { pairs as knobs, roundTemperature, sampling, version, wordings } from "./recipe.js";
import { roundStage, stages } from "./stages.js";

/** What two completions are compared by: all of them, or the first step in which they differ. */
export type PairLevel = "trace" | "step";

/** Stage 2's pairs with their reference log-probs, kept in 2-dpo/pairs.json. @throws KeptError when they were made otherwise */
export async function stage2Pairs(run: Run, level: PairLevel = "trace", signal?: AbortSignal): Promise<StoredPairs> {
  const { tokenizer } = run.model;
  const prompts = await preferencePrompts(run, "stage-2", 0, run.profile.stage2.prompts, signal);
  const forced = (right: boolean) => (p: LabelledPrompt) =>
    `<assess>${right === (p.label === "unsafe") ? thoughtFor(p, run.rules, "unsafe").risk : "none"}`;
  const draw = (name: string, start: (p: LabelledPrompt) => string, temperature: number) =>
    sampleKept(run, prompts, { path: `${stages.dpo}/samples-${name}.jsonl`, stage: stages.sft, start, temperature, ...sampling, signal });
  const drawn = [await draw("right", forced(true), 0), await draw("wrong", forced(false), 0), await draw("free", () => "", 1)];
  const variants = run.rng("stage 2 wording");
  const pairs = prompts.flatMap((prompt, i) => {
    const samples = drawn.map((ids) => checkSample(ids[i]!, prompt.label, tokenizer));
    const variant = variants.integer(0, wordings - 1);
    return present([
      decisionPair(prompt, samples, run.writer, variant, sampling.answerTokens),
      knobs.efficiency(i) ? efficiencyPair(prompt, samples, run.writer, variant, knobs.lengthRatio) : null,
    ]);
  });
  return keptPairs(run, `${stages.dpo}/pairs.json`, pairs, stages.sft, level, signal);
}

/** Pairs of a round, half for the decision and half for length, from samples of the current policy. @throws KeptError when they were made otherwise */
export async function roundPairs(
  run: Run,
  round: number,
  current: string,
  level: PairLevel = "trace",
  signal?: AbortSignal,
): Promise<StoredPairs> {
  const stage = roundStage(round);
  const { tokenizer } = run.model;
  const { prompts: count, samples: perPrompt } = run.profile.stage3;
  const skip = run.profile.stage2.prompts + (round - 1) * count;
  const prompts = await preferencePrompts(run, `round-${round}`, skip, count, signal);
  const drawn: number[][][] = [];
  for (let k = 0; k < perPrompt; k++) {
    const temperature = roundTemperature(k);
    const spec = { path: `${stage}/samples-${k + 1}.jsonl`, stage: current, start: () => "", temperature, ...sampling, signal };
    drawn.push(await sampleKept(run, prompts, spec));
  }
  const variants = run.rng(`stage 3 wording ${round}`);
  const pairs = prompts.flatMap((prompt, i) => {
    const samples: CheckedSample[] = drawn.map((ids) => checkSample(ids[i]!, prompt.label, tokenizer));
    const variant = variants.integer(0, wordings - 1);
    return present([
      efficiencyPair(prompt, samples, run.writer, variant, knobs.lengthRatio),
      decisionPair(prompt, samples, run.writer, variant, sampling.answerTokens),
    ]);
  });
  return keptPairs(run, `${stage}/pairs.json`, pairs, current, level, signal);
}

/** Pairs as they are trained on, and what each was made for. */
export interface StoredPairs {
  tokens: TokenPair[];
  goals: PreferencePair["goal"][];
  labels: LabelledPrompt["label"][];
  constructed: PreferencePair["constructed"][];
  ids: string[];
}

/** The pairs at their level, with log-probs under the policy that they were sampled from. */
async function keptPairs(
  run: Run,
  path: string,
  pairs: readonly PreferencePair[],
  reference: string,
  level: PairLevel,
  signal?: AbortSignal,
): Promise<StoredPairs> {
  const { tokenizer } = run.model;
  const cut = level === "step" ? stepLevelPair : wholePair;
  const made = pairs.flatMap((pair) => {
    const tokens = cut(pair, tokenizer);
    return tokens === null ? [] : [{ pair, tokens }];
  });
  const tokens = made.map((row) => row.tokens);
  const goals = made.map(({ pair }) => pair.goal);
  const identity = {
    recipe: "ERPO, pairs",
    version,
    level,
    pairs: digestOf(tokens as unknown as IdentityValue),
    goals: digestOf(goals),
    referenceBatch: knobs.referenceBatch,
    model: run.model.digest,
    precision: run.device.precision,
    from: { [reference]: currentSha256(run, reference) },
  };
  return keep(run, path, identity, async () => {
    const { adapter } = await run.policy(reference);
    return {
      tokens: await referenceLogps(run.model, tokens, adapter, { batchSize: knobs.referenceBatch, signal }),
      goals,
      labels: made.map(({ pair }) => pair.prompt.label),
      constructed: made.map(({ pair }) => pair.constructed),
      ids: made.map(({ pair }) => pair.prompt.id),
    };
  });
}

/** `count` prompts of each label from stage 2's set, after the first `skip` of each; from the top again where the set ends. */
async function preferencePrompts(run: Run, name: string, skip: number, count: number, signal?: AbortSignal): Promise<LabelledPrompt[]> {
  const all = balancedPrompts([...needed(run.data, "train2"), ...run.data.general.train2], run.rng("stage 2"));
  return withAnswers(
    run,
    name,
    Array.from({ length: 2 * count }, (_, i) => all[(2 * skip + i) % all.length]!),
    signal,
  );
}

/** Batches of equally many pairs of each goal and label. */
export function pairBatches({ goals, labels }: StoredPairs, rng: Rng): number[][] {
  const groups = new Map<string, number[]>();
  goals.forEach((goal, i) => {
    const key = `${goal} ${labels[i]}`;
    groups.set(key, [...(groups.get(key) ?? []), i]);
  });
  return balanced([...groups.values()], knobs.batchSize - (knobs.batchSize % groups.size), rng);
}

const present = <T>(items: readonly (T | null)[]): T[] => items.filter((item) => item !== null);
