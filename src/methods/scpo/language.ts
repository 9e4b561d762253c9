import { needed } from "../../data/dataset.js";
import { DataError } from "../../data/errors.js";
import { digestOf, type Identity } from "../../data/identity.js";
import { mean } from "../../evaluation/averages.js";
import { policyTokenLogps } from "../../evaluation/policy-logps.js";
import type { Trial } from "../../evaluation/trial.js";
import { type LabelledPrompt, promptIds } from "../../exante/rows.js";
import { plain } from "../../generation/decoding.js";
import type { Policy } from "../../generation/policy.js";
import { sample } from "../../generation/sample.js";
import { keep } from "../../runs/keep.js";
import type { Profile } from "../../runs/profile.js";
import { framePairs } from "../../runs/prompts.js";
import type { Run } from "../../runs/run.js";
import { currentSha256 } from "../../runs/stale.js";
import { dropCheckpoints, type Training, trainKept } from "../../runs/training.js";
import { pieces } from "../../setup/lists.js";
import { type PlannedWork, plan } from "../erpo/plan.js";
import { stages } from "../erpo/stages.js";
import { devFirstWords, firstWords } from "../first-words.js";
import { chosenPenalty, type Linear, linearValue, ridge } from "../ridge.js";
import { statesAt } from "../states.js";
import { type PpoRow, ppoObjective } from "./language-ppo.js";
import { type Earned, earned, type Pricing, pricings, safety } from "./pricing.js";

/** SCPO in language: an episode is an answer, a state is a prompt. The paper has no such version; every number here is ours. */
export const languageSettings = {
  /** Pairs of a safe and an unsafe prompt of one frame: those that the heads are first fitted to, and those of an iteration. */
  firstPairs: 48,
  pairs: 16,
  /** Answers of an optimizer step, in one epoch. */
  batchSize: 16,
  clip: 0.2,
  learningRate: 5e-4,
  /** Of the heads' ridge regression; cross-validation over frames chooses. */
  penalties: [0.1, 1, 10],
  folds: 4,
  /** Prompts that are read, or sampled for, together. */
  readBatch: 16,
  sampleBatch: 96,
};

/** Raised when the same settings would give something else than before. */
const version = 1;

/** The policy that all trainings begin with: it answers without a thought, so that its first words are its decision. */
export const languageStart = stages.baseline;

/** Iterations of a training: 12 in quick. */
export const languageIterations = ({ stage2 }: Profile): number => Math.max(2, Math.round(stage2.prompts / 4));

/** A sampled answer. */
export interface SampledAnswer extends Earned {
  /** Its place among the prompts. */
  prompt: number;
  ids: number[];
  /** Log-probs of its tokens when it was drawn, in nats. */
  logps: number[];
}

/** What all trainings have in common. */
export interface LanguageBeginning {
  /** A safe and an unsafe prompt of each frame in turn: those of the first answers, then those of each iteration. */
  prompts: LabelledPrompt[];
  /** The beginning policy's states at the prompts' last tokens, `C` numbers each: what the value and the critic are linear functions of. */
  states: number[][];
  /** Its answers to the first prompts. */
  answers: SampledAnswer[];
}

/** The prompts, their states and the first answers; kept. @throws KeptError when they were made otherwise, DataError when no frame of train2 has prompts of both labels */
export async function languageBeginning(run: Run, signal?: AbortSignal): Promise<LanguageBeginning> {
  const { firstPairs, pairs, readBatch } = languageSettings;
  const count = firstPairs + pairs * languageIterations(run.profile);
  const framed = framePairs(needed(run.data, "train2"), run.rng("SCPO, prompts")).pairs.filter(({ frame }) => frame !== null);
  if (framed.length === 0)
    throw new DataError("SCPO in language needs frames: no `frame` of the run's train2 prompts has both a safe and an unsafe one");
  const prompts = Array.from({ length: count }, (_, i) => framed[i % framed.length]!).flatMap(({ safe, unsafe }) => [safe, unsafe]);
  const identity: Identity = { ...(await madeBy(run, languageStart, prompts)), recipe: "SCPO in language, states" };
  const { states } = await keep(run, `${folder}/states.json`, identity, async () => {
    const { adapter } = await run.policy(languageStart);
    const rows = prompts.map(({ prompt }) => promptIds(prompt, run.model.tokenizer));
    const states: number[][] = [];
    for (const some of pieces(rows, readBatch)) {
      signal?.throwIfAborted();
      const read = await statesAt(run.model, adapter, some.map((ids) => ({ ids, at: [ids.length - 1] }))); // biome-ignore format: one thought
      states.push(...read.map(([state]) => state!.map((x) => Number(x.toPrecision(5)))));
    }
    return { states };
  });
  const first = prompts.slice(0, 2 * firstPairs).map((_, i) => i);
  return { prompts, states, answers: await sampled(run, languageStart, "first-answers", prompts, first, signal) };
}

/** An iteration: what the policy did before its update. */
export interface LanguageIteration {
  /** From 1. */
  iteration: number;
  /** Shares of unsafe and of safe prompts that it did not help with. */
  unsafeRefused: number;
  safeRefused: number;
  /** Means of r, of c and of r'. */
  reward: number;
  cost: number;
  price: number;
  /** Means of V_s over prompts of each label, as fitted to the answers before. */
  unsafeCritic: number;
  safeCritic: number;
}

/**
 * PPO on answers (one epoch, one advantage for all tokens of an answer). Each iteration fits the value of r' and, where safe answers are 1 and unsafe ones 0, the critic V_s, both by ridge regression
 * to the answers so far; samples an answer to each of its prompts at temperature 1; and moves the policy. With the same beginning, prompts and number of answers whatever the pricing. Every iteration
 * is kept.
 * @throws KeptError when an iteration was made otherwise
 */
export async function* learnInLanguage(
  run: Run,
  { prompts, states, answers: first }: LanguageBeginning,
  pricing: Pricing,
  signal?: AbortSignal,
): AsyncGenerator<LanguageIteration> {
  const { firstPairs, pairs } = languageSettings;
  const seen = [...first];
  const read = { states, digest: digestOf(states) };
  for (let k = 1; k <= languageIterations(run.profile); k++) {
    const heads = await keptHeads(run, k, read, seen, pricing);
    const from = 2 * (firstPairs + pairs * (k - 1));
    const asked = Array.from({ length: 2 * pairs }, (_, i) => from + i);
    const before = k === 1 ? languageStart : iterationStage(pricing, k - 1);
    const answers = await sampled(run, before, `${pricing.name}/answers-${k}`, prompts, asked, signal);
    const critic = answers.map(({ prompt }) => criticOf(heads, states[prompt]!));
    const prices = answers.map((answer, i) => pricing.price(answer, critic[i]!));
    const advantages = standardized(prices.map((price, i) => price - linearValue(heads.value, states[answers[i]!.prompt]!)));
    const rows = answers.map(({ prompt, ids, logps }, i) => ({
      ...{ prompt: promptIds(prompts[prompt]!.prompt, run.model.tokenizer), completion: ids },
      ...{ before: logps, advantage: advantages[i]! },
    }));
    for await (const _ of trainKept(run, iterationStage(pricing, k), ppoTraining(before, pricing, rows), signal));
    signal?.throwIfAborted();
    dropCheckpoints(run, iterationStage(pricing, k));
    seen.push(...answers);
    const meanOf = (label: LabelledPrompt["label"], values: readonly number[]) =>
      mean(values.filter((_, i) => prompts[answers[i]!.prompt]!.label === label));
    const refused = answers.map(({ reward }) => 1 - reward);
    yield {
      iteration: k,
      ...{ unsafeRefused: meanOf("unsafe", refused), safeRefused: meanOf("safe", refused) },
      ...{ reward: mean(answers.map(({ reward }) => reward)), cost: mean(answers.map(({ cost }) => cost)), price: mean(prices) },
      ...{ unsafeCritic: meanOf("unsafe", critic), safeCritic: meanOf("safe", critic) },
    };
  }
}

/** A trained policy, under a name of its own. */
export async function languagePolicy(run: Run, pricing: Pricing): Promise<Policy> {
  return { ...(await run.policy(iterationStage(pricing, languageIterations(run.profile)))), name: `scpo-${pricing.name}` };
}

/** Dev prompts that a price of each family is chosen on. */
export const languageDevTrial = (run: Run): Trial => devFirstWords(run, run.profile.evaluation.gatePrompts);

/** Tokens of a prompt in its chat, from a quick run. */
const promptTokens = 40;

/** What the notebook computes for it: the baseline, unless the run has it; the trainings; the answers of five policies to dev prompts, and of three to the test suites. */
export function languagePlan(profile: Profile, finished: readonly string[]): PlannedWork[] {
  const { firstPairs, pairs, batchSize, readBatch, sampleBatch } = languageSettings;
  const completion = firstWords(profile);
  const trained = pricings.length * languageIterations(profile) * 2 * pairs;
  const read = 2 * firstPairs + 2 * pairs * languageIterations(profile);
  const { prompts, gatePrompts } = profile.evaluation;
  const asked = (pricings.length + 1) * 2 * gatePrompts + 3 * 5 * prompts; // of four suites one is answered at twice the length
  const work = (name: string, kind: PlannedWork["kind"], rows: number, tokens: number): PlannedWork => ({
    ...{ name, kind, rows, prompt: 60, completion, tokens },
  });
  const ofStage1 = plan({ ...profile, notebooks: "all" }).find(({ notebook }) => notebook === "02-stage-1-sft")!.work;
  const baseline = ofStage1.filter(({ name }) => baselineWork.includes(name));
  return [
    ...(finished.includes(languageStart) ? [] : baseline.map(({ beside: _, ...part }) => part)),
    work("states of prompts", "score", readBatch, read * promptTokens),
    work("sampled answers", "sample", sampleBatch, (trained + 2 * firstPairs) * completion),
    work("sampled answers, read", "score", readBatch, (trained + 2 * firstPairs) * (promptTokens + completion)),
    work("PPO on answers", "train", batchSize, trained * (promptTokens + completion)),
    work("dev prompts and suites", "sample", sampleBatch, asked * completion),
  ];
}

const baselineWork: readonly string[] = ["answers", "first words", stages.baselineDecision, stages.baseline];

const folder = "methods/scpo/language";
const iterationStage = ({ name }: Pricing, k: number): string => `${folder}/${name}/iteration-${k}`;

/** What answers and states depend on. */
const madeBy = async (run: Run, stage: string, prompts: readonly LabelledPrompt[]): Promise<Identity> => ({
  version,
  prompts: digestOf(prompts.map(({ id, prompt }) => [id, prompt])),
  model: run.model.digest,
  precision: run.device.precision,
  from: { [stage]: currentSha256(run, stage) },
});

/** An answer of a stage to each of some prompts, with what it earns; kept in `methods/scpo/language/NAME.json`. A prompt draws the same random numbers under every policy. */
async function sampled(
  run: Run,
  stage: string,
  name: string,
  prompts: readonly LabelledPrompt[],
  asked: readonly number[],
  signal?: AbortSignal,
): Promise<SampledAnswer[]> {
  const { readBatch, sampleBatch: batchSize } = languageSettings;
  const maxNewTokens = firstWords(run.profile);
  const chosen = asked.map((prompt) => prompts[prompt]!);
  const settings = { recipe: "SCPO in language, answers", answerTokens: maxNewTokens, batchSize, readBatch, seed: run.seed };
  const identity: Identity = { ...(await madeBy(run, stage, chosen)), ...settings };
  const { answers } = await keep(run, `${folder}/${name}.json`, identity, async () => {
    const policy: Policy = { ...(await run.policy(stage)), decoding: plain({ temperature: 1 }) };
    const { tokenizer } = run.model;
    const rows = chosen.map(({ prompt }) => ({ prompt: promptIds(prompt, tokenizer), completion: [] as number[] }));
    const options = { maxNewTokens, batchSize, rng: run.rng("SCPO, answers"), stream: (i: number) => `${asked[i]!}`, signal };
    for await (const { index, ids } of sample(policy, rows.map(({ prompt }) => prompt), options)) rows[index]!.completion = ids; // biome-ignore format: one thought
    const logps: number[][] = [];
    for (const some of pieces(rows, readBatch)) logps.push(...(await policyTokenLogps(policy, some)));
    const answers = rows.map(({ completion: ids }, i): SampledAnswer => {
      return { prompt: asked[i]!, ids, logps: logps[i]!, ...earned(tokenizer.decode(ids), ids.length / maxNewTokens, chosen[i]!.label) };
    });
    return { answers };
  });
  return answers;
}

/** Linear functions of a prompt's state. */
export interface LanguageHeads {
  /** The value: r' of an answer, in the mean. */
  value: Linear;
  /** V_s, before it is clamped to [0, 1]: how likely an answer is safe. */
  critic: Linear;
}

/** V_s of a state, in [0, 1]. */
export const criticOf = ({ critic }: Pick<LanguageHeads, "critic">, state: readonly number[]): number =>
  Math.max(0, Math.min(1, linearValue(critic, state)));

/** Fits both to answers, by ridge regression. @param states of all prompts, `C` numbers each */
export function fittedHeads(
  states: readonly (readonly number[])[],
  seen: readonly Pick<SampledAnswer, "prompt" | "reward" | "cost">[],
  pricing: Pricing,
): LanguageHeads {
  const critic = regressed(states, seen, seen.map(safety));
  const prices = seen.map((answer) => pricing.price(answer, criticOf({ critic }, states[answer.prompt]!)));
  return { value: regressed(states, seen, prices), critic };
}

/** The heads before an iteration. They are kept: fitting them takes seconds, which a notebook that is run again would wait for at each of its iterations. */
function keptHeads(
  run: Run,
  k: number,
  { states, digest }: { states: number[][]; digest: string },
  seen: readonly SampledAnswer[],
  pricing: Pricing,
): Promise<LanguageHeads> {
  const { folds, penalties } = languageSettings;
  const worth = seen.map((answer) => [answer.prompt, safety(answer), pricing.price(answer, 0), pricing.price(answer, 1)]);
  const identity: Identity = { recipe: "SCPO in language, heads", version, folds, penalties, states: digest, worth: digestOf(worth) };
  return keep(run, `${folder}/${pricing.name}/heads-${k}.json`, identity, async () => fittedHeads(states, seen, pricing));
}

function regressed(
  states: readonly (readonly number[])[],
  seen: readonly Pick<SampledAnswer, "prompt">[],
  targets: readonly number[],
): Linear {
  const { folds, penalties } = languageSettings;
  const examples = { features: seen.map(({ prompt }) => states[prompt]!), targets };
  const frames = seen.map(({ prompt }) => Math.floor(prompt / 2));
  return ridge(examples, [chosenPenalty(examples, frames, folds, penalties)])[0]!;
}

/** With mean 0 and standard deviation 1; all 0 where they are equal. */
function standardized(values: readonly number[]): number[] {
  const centre = mean(values);
  const deviation = Math.sqrt(mean(values.map((x) => (x - centre) ** 2)));
  return values.map((x) => (x - centre) / (deviation || 1));
}

/** AdamW's moments begin anew with each iteration. */
export function ppoTraining(start: string, { name, settings }: Pricing, rows: readonly PpoRow[]): Training<PpoRow> {
  const { batchSize, clip, learningRate } = languageSettings;
  return {
    recipe: `SCPO in language, ${name} ${JSON.stringify(settings)}`,
    version,
    start: { stage: start },
    objective: ppoObjective(clip),
    rows,
    batches: pieces(
      rows.map((_, i) => i),
      batchSize,
    ),
    optimizer: { learningRate, warmup: 0, floor: 1, maxGradNorm: 1, weightDecay: 0, betas: [0.9, 0.99] },
    everySteps: 25,
  };
}
