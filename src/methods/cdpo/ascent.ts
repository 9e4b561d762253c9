import { relative, sep } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { digestOf, type Identity, type IdentityValue } from "../../data/identity.js";
import type { TokenPair } from "../../data/tokens.js";
import type { Label, PromptRow } from "../../data/types.js";
import { mean } from "../../evaluation/averages.js";
import { type Estimate, meanInterval } from "../../evaluation/intervals.js";
import { sigmoid } from "../../evaluation/readout.js";
import { promptIds } from "../../exante/rows.js";
import { plain } from "../../generation/decoding.js";
import { type Policy, policyIdentity } from "../../generation/policy.js";
import { sample } from "../../generation/sample.js";
import { softNll } from "../../objectives/nll.js";
import { softDpo } from "../../objectives/soft-dpo.js";
import { standsOn } from "../../runs/evaluate.js";
import { keep } from "../../runs/keep.js";
import type { Profile } from "../../runs/profile.js";
import type { Run } from "../../runs/run.js";
import { dropCheckpoints, type Training, trainKept } from "../../runs/training.js";
import { pieces } from "../../setup/lists.js";
import type { Objective } from "../../training/objective.js";
import { pairObjective } from "../../training/pair-objective.js";
import { referenceLogps } from "../../training/preference.js";
import { firstWords } from "../first-words.js";
import { answersTo, heldOutPrompts, mixedPrompts, policyPairs } from "./answers.js";
import { rawScores, refusalScores, relativeTo, type Score, type Scorers } from "./scorers.js";

/** The dual ascent's knobs, beside the profile's. None is the paper's, whose model has fifty times as many parameters. */
export const dual = {
  /** Steps of lambda, each behind a piece of training that goes on from the policy before it. */
  steps: 8,
  /** eta, in 1 / nats: what lambda moves by for a nat of cost above the limit. */
  eta: 0.5,
  /** Strength of the KL anchor to the base model, TRL's default. */
  beta: 0.1,
  /**
   * Weight of the better answer's NLL per token. Neither answer of an unsafe pair is the model's own, and without this term both lose probability to what is neither: with any
   * lambda the policies then refused nothing.
   */
  nllWeight: 1,
  /** Pairs of an optimizer step. */
  batchSize: 8,
  /** The same for all steps: a warm start has no warm-up. */
  learningRate: 5e-4,
  /** Answers that are sampled together. */
  sampleBatch: 40,
};

/** Raised when the same settings would give something else than before. */
const version = 1;

/** Pairs of each step of lambda, a multiple of the batch. */
export const pairsPerStep = ({ stage2 }: Profile): number => dual.batchSize * Math.max(1, Math.round(stage2.prompts / 3 / dual.batchSize));

/** Prompts of each label that a policy's cost is estimated on. */
export const costPrompts = ({ evaluation }: Profile): number => Math.ceil(evaluation.gatePrompts / 2);

/** A pair with what the reward and the cost say of it, its first answer's less its second's. */
export interface ScoredPair extends TokenPair {
  reward: number;
  cost: number;
}

/** A pair and p, the probability that its first answer (`chosen`) is the better one. */
export interface SoftPair extends TokenPair {
  preferred: number;
}

/**
 * The preference model that C-DPO derives of reward and cost (Liu et al. 2024):
 *
 *     p*_lambda(y1 > y2 | x) = sigmoid( r_lambda(x, y1) - r_lambda(x, y2) ),    r_lambda = r - lambda c
 *
 * @param difference of rewards and of costs, in nats, the first answer's less the second's
 * @param lambda >= 0
 * @throws RangeError for a lambda below 0
 */
export function preference({ reward, cost }: Score, lambda: number): number {
  if (!(lambda >= 0)) throw new RangeError(`C-DPO: lambda must be >= 0, got ${lambda}`);
  return sigmoid(reward - lambda * cost);
}

/**
 * A step of the dual ascent: lambda <- max(0, lambda + eta (cost - limit)).
 * @param cost of the policy's answers, a mean in nats
 * @param eta > 0
 */
export const dualStep = (lambda: number, cost: number, limit: number, eta: number): number => Math.max(0, lambda + eta * (cost - limit));

/** DPO on soft labels, and the NLL of the better answer: the loss of a piece of training. */
export const softObjective = ({ beta, nllWeight }: { beta: number; nllWeight: number }): Objective<SoftPair> =>
  pairObjective({
    name: "soft dpo",
    settings: { beta, nllWeight },
    loss: ({ rows, policy, reference, lengths }) => {
      const preferred = tf.tensor1d(rows.map((row) => row.preferred));
      const { loss, rewards } = softDpo(policy, reference, preferred, beta);
      return { loss: tf.add(loss, tf.mul(nllWeight, softNll(policy, lengths, preferred))), rewards };
    },
  });

/** The pairs of all steps with their scores and their log-probs under the base model, in the order in which they are trained on; kept. @throws KeptError when they were made otherwise */
export async function scoredPairs(run: Run, scorers: Scorers, signal?: AbortSignal): Promise<{ pairs: ScoredPair[]; labels: Label[] }> {
  const wanted = dual.steps * pairsPerStep(run.profile);
  const prompts = mixedPrompts(run, "train2", Math.ceil(0.75 * wanted), costPrompts(run.profile)); // more, since to some safe ones the base model apologises
  const answers = await answersTo(run, "pairs", prompts, "training", signal);
  const made = inTurns(policyPairs(run, answers), wanted);
  const tokens = made.map(({ first, second }) => ({ prompt: first.prompt, chosen: first.completion, rejected: second.completion }));
  const identity: Identity = {
    recipe: "C-DPO, pairs",
    version,
    pairs: digestOf(tokens as unknown as IdentityValue),
    scorers: digestOf(scorers as unknown as IdentityValue),
    model: run.model.digest,
    precision: run.device.precision,
  };
  return keep(run, "methods/cdpo/pairs.json", identity, async () => {
    const scores = await rawScores(run, scorers, [...made.map(({ first }) => first), ...made.map(({ second }) => second)]);
    const measured = await referenceLogps(run.model, tokens, null, { signal });
    const pairs = measured.map((pair, i) => {
      const [a, b] = [scores[i]!, scores[made.length + i]!];
      return { ...pair, reward: a.reward - b.reward, cost: a.cost - b.cost };
    });
    return { pairs, labels: made.map(({ prompt }) => prompt.label) };
  });
}

/** Pairs of unsafe and safe prompts in turn, `count` in all; from the top again where one kind ends. */
function inTurns<T extends { prompt: { label: Label } }>(pairs: readonly T[], count: number): T[] {
  const kinds = (["unsafe", "safe"] as const)
    .map((label) => pairs.filter(({ prompt }) => prompt.label === label))
    .filter((own) => own.length > 0);
  return Array.from({ length: count }, (_, i) => {
    const own = kinds[i % kinds.length]!;
    return own[Math.floor(i / kinds.length) % own.length]!;
  });
}

/** What a policy is trained for: a limit on its cost, towards which lambda moves from 0, or a lambda that stays. */
export type Goal = { name: string; limit: number } | { name: string; lambda: number };

/** Folder of a step's policy in a run. @param step from 1 */
export const stageOf = (goal: Goal, step = dual.steps): string => `methods/cdpo/${goal.name}/step-${step}`;

/** The trained policy of a goal, under a name of its own. */
export async function policyOf(run: Run, goal: Goal): Promise<Policy> {
  return { ...(await run.policy(stageOf(goal))), name: `cdpo-${goal.name}` };
}

/** A step of the dual ascent, as its trace has it. */
export interface DualStep {
  /** From 1. */
  step: number;
  /** With which the step's pairs were labelled. */
  lambda: number;
  /** Mean loss and mean margin of rewards, beta * Delta, of the step's batches, in nats. */
  loss: number;
  margin: number;
  /** Of the policy's answers to training prompts behind the step, in nats, with its 95% interval; null where lambda stays. */
  cost: Estimate | null;
  /** The step's next lambda. */
  next: number;
}

/**
 * C-DPO: dual ascent over DPO (Liu et al. 2024). Lambda begins at 0. Each step labels its pairs with p*_lambda, trains the policy on from where the step before it left it (DPO on soft labels, always
 * against the base model), samples answers of the policy to training prompts, and moves lambda by eta times the cost above the limit. With a lambda that stays it is DPO on r - lambda c: the same
 * pairs in the same order, the same number of steps; with lambda 0 plain DPO on r.
 *
 * Two choices are this project's: labels are not drawn from p*_lambda, the loss is their expectation; and DPO is not solved for each lambda, the policy takes a few steps from a warm start. Every
 * step is kept.
 * @throws KeptError when the goal's steps were trained otherwise
 */
export async function* dualAscent(run: Run, goal: Goal, scorers: Scorers, signal?: AbortSignal): AsyncGenerator<DualStep> {
  const { pairs } = await scoredPairs(run, scorers, signal);
  const prompts = mixedPrompts(run, "train2", costPrompts(run.profile));
  let lambda = "lambda" in goal ? goal.lambda : 0;
  for (const [k, piece] of pieces(pairs, pairsPerStep(run.profile)).entries()) {
    const stage = stageOf(goal, k + 1);
    const rows = piece.map(({ reward, cost, ...pair }) => ({ ...pair, preferred: preference({ reward, cost }, lambda) }));
    const steps = [];
    for await (const step of trainKept(run, stage, pieceTraining(goal, k, rows), signal)) steps.push(step);
    signal?.throwIfAborted();
    dropCheckpoints(run, stage);
    const [loss, margin] = [mean(steps.map((s) => s.loss)), mean(steps.map((s) => Number(s["rewards/margins"])))];
    if ("lambda" in goal) {
      yield { step: k + 1, lambda, loss, margin, cost: null, next: lambda };
      continue;
    }
    const costs = (await sampledScores(run, await run.policy(stage), scorers, "train2", prompts, signal)).map(({ cost }) => cost);
    const next = dualStep(lambda, mean(costs), goal.limit, dual.eta);
    yield { step: k + 1, lambda, loss, margin, cost: meanInterval(costs), next };
    lambda = next;
  }
}

/** A step's training: from a fresh adapter, the same for all goals, or on from the step before. AdamW's moments begin anew with each step. */
export function pieceTraining(goal: Goal, index: number, rows: readonly SoftPair[]): Training<SoftPair> {
  return {
    recipe: "C-DPO",
    version,
    start: index === 0 ? { stream: "C-DPO adapter" } : { stage: stageOf(goal, index) },
    objective: softObjective(dual),
    rows,
    batches: pieces(
      rows.map((_, i) => i),
      dual.batchSize,
    ),
    optimizer: { learningRate: dual.learningRate, warmup: 0, floor: 1, maxGradNorm: 1, weightDecay: 0, betas: [0.9, 0.99] },
    everySteps: 25,
  };
}

/**
 * Scores of a policy's answers, one per prompt, at temperature 1 and cut as in training: what E_{y ~ pi} r and c are means of. A prompt draws the same random numbers under every policy. Kept.
 * @param set what the prompts are, in a file's name
 */
export async function sampledScores(
  run: Run,
  policy: Policy,
  scorers: Scorers,
  set: string,
  prompts: readonly PromptRow[],
  signal?: AbortSignal,
): Promise<Score[]> {
  const sampled = { ...policy, decoding: plain({ temperature: 1 }) };
  const { tokenizer } = run.model;
  const asked = prompts.map(({ prompt }) => promptIds(prompt, tokenizer));
  const identity: Identity = {
    recipe: "C-DPO, scores of samples",
    version,
    policy: await policyIdentity(sampled),
    prompts: digestOf(prompts.map(({ id, prompt }) => [id, prompt])),
    scorers: digestOf(scorers as unknown as IdentityValue),
    answerTokens: firstWords(run.profile),
    batchSize: dual.sampleBatch,
    seed: run.seed,
    precision: run.device.precision,
    ...standsOn(run, policy),
  };
  const folder = policy.folder === undefined ? "methods/cdpo/base" : relative(run.dir, policy.folder).split(sep).join("/");
  const kept = await keep(run, `${folder}/scores-${set}.json`, identity, async () => {
    const completions: number[][] = [];
    const options = {
      maxNewTokens: firstWords(run.profile),
      batchSize: dual.sampleBatch,
      rng: run.rng(`C-DPO, samples of ${set}`),
      signal,
    };
    for await (const { index, ids } of sample(sampled, asked, { ...options, stream: (i) => prompts[i]!.id })) completions[index] = ids;
    const answers = await rawScores(
      run,
      scorers,
      asked.map((prompt, i) => ({ prompt, completion: completions[i]! })),
    );
    return { scores: relativeTo(await keptRefusals(run, scorers, set, asked), answers) };
  });
  return kept.scores;
}

/** `refusalScores` of a set's prompts, kept: every policy's answers are measured from them. */
async function keptRefusals(run: Run, scorers: Scorers, set: string, prompts: readonly number[][]): Promise<Score[]> {
  const identity: Identity = {
    recipe: "C-DPO, scores of refusals",
    version,
    prompts: digestOf(prompts),
    scorers: digestOf(scorers as unknown as IdentityValue),
    model: run.model.digest,
    precision: run.device.precision,
  };
  const kept = await keep(run, `methods/cdpo/refusals-${set}.json`, identity, async () => ({
    scores: await refusalScores(run, scorers, prompts),
  }));
  return kept.scores;
}

/** Prompts of each label that the trade-off is shown on. */
export const tradeOffPrompts = ({ evaluation }: Profile): number => Math.ceil((2 / 3) * evaluation.prompts);

/** Scores of a policy's sampled answers to prompts of the test sets, in the mixture that it was trained with; kept. */
export const heldOutScores = (run: Run, policy: Policy, scorers: Scorers, signal?: AbortSignal): Promise<Score[]> =>
  sampledScores(run, policy, scorers, "test", heldOutPrompts(run, tradeOffPrompts(run.profile)), signal);

/** The base model's scores on the training prompts that costs are estimated on: what limits are shares of. Kept. */
export const baseScores = async (run: Run, scorers: Scorers, signal?: AbortSignal): Promise<Score[]> =>
  sampledScores(run, await run.policy("base"), scorers, "train2", mixedPrompts(run, "train2", costPrompts(run.profile)), signal);
