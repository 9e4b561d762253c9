import type { Rng } from "../../backend/random.js";
import { needed } from "../../data/dataset.js";
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
import type { Lora } from "../../model/lora.js";
import { balancedPrompts, withAnswers } from "../../runs/prompts.js";
import { once, type Run } from "../../runs/run.js";
import { sampleOnce } from "../../runs/samples.js";
import { balanced } from "../../training/batches.js";
import { referenceLogps } from "../../training/preference.js";
import { roundStage, stages } from "./stages.js";

/** Stage 2's pairs with their reference log-probs, kept in 2-dpo/pairs.json. */
export async function stage2Pairs(run: Run, level: "trace" | "step" = "trace", signal?: AbortSignal): Promise<StoredPairs> {
  return once(run.path(stages.dpo, "pairs.json"), async () => {
    const { tokenizer } = run.model;
    const prompts = await preferencePrompts(run, run.rng("stage 2"), 0, run.profile.stage2.prompts, signal);
    const policy = await run.adapter(stages.sft);
    try {
      const forced = (right: boolean) => (p: LabelledPrompt) =>
        `<assess>${right === (p.label === "unsafe") ? thoughtFor(p, run.rules, "unsafe").risk : "none"}`;
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
          decisionPair(prompt, samples, run.writer, variant, 8),
          i % 4 < 2 ? efficiencyPair(prompt, samples, run.writer, variant) : null,
        ]);
      });
      return await storedPairs(run, pairs, policy, level, signal);
    } finally {
      policy.dispose();
    }
  });
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
        return present([efficiencyPair(prompt, samples, run.writer, variant), decisionPair(prompt, samples, run.writer, variant, 8)]);
      });
      return await storedPairs(run, pairs, policy, level, signal);
    } finally {
      policy.dispose();
    }
  });
}

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
  const made = pairs.flatMap((pair) => {
    const tokens = cut(pair, tokenizer);
    return tokens === null ? [] : [{ pair, tokens }];
  });
  return {
    tokens: await referenceLogps(
      run.model,
      made.map(({ tokens }) => tokens),
      reference,
      { batchSize: 4, signal },
    ),
    goals: made.map(({ pair }) => pair.goal),
    labels: made.map(({ pair }) => pair.prompt.label),
    constructed: made.map(({ pair }) => pair.constructed),
    ids: made.map(({ pair }) => pair.prompt.id),
  };
}

/** `count` prompts of each label from stage 2's set, after the first `skip` of each; from the top again where the set ends. */
async function preferencePrompts(run: Run, rng: Rng, skip: number, count: number, signal?: AbortSignal): Promise<LabelledPrompt[]> {
  const all = balancedPrompts([...needed(run.data, "train2"), ...run.data.general.train2], rng);
  return withAnswers(
    run,
    Array.from({ length: 2 * count }, (_, i) => all[(2 * skip + i) % all.length]!),
    signal,
  );
}

/** Batches of up to eight pairs, equally many of each goal and label: unbalanced ones swing the policy to the majority's answer. */
export function pairBatches({ goals, labels }: StoredPairs, rng: Rng): number[][] {
  const groups = new Map<string, number[]>();
  goals.forEach((goal, i) => {
    const key = `${goal} ${labels[i]}`;
    groups.set(key, [...(groups.get(key) ?? []), i]);
  });
  return balanced([...groups.values()], 8 - (8 % groups.size), rng);
}

const present = <T>(items: readonly (T | null)[]): T[] => items.filter((item) => item !== null);
