import * as tf from "@tensorflow/tfjs";
import { giveWay } from "../../backend/give-way.js";
import { readLast } from "../../backend/read.js";
import { digestOf, type Identity, type IdentityValue } from "../../data/identity.js";
import { type Auc, auc } from "../../evaluation/auc.js";
import { mean } from "../../evaluation/averages.js";
import { type Proportion, share } from "../../evaluation/intervals.js";
import { sigmoid } from "../../evaluation/readout.js";
import type { LanguageModel } from "../../model/load.js";
import { keep } from "../../runs/keep.js";
import type { Profile } from "../../runs/profile.js";
import type { Run } from "../../runs/run.js";
import { pieces } from "../../setup/lists.js";
import { dot } from "../dot.js";
import { type AnsweredIds, answeredIds, answersTo, type Comparison, harmfulness, helpfulness, mixedPrompts } from "./answers.js";
import { fitBradleyTerry } from "./bradley-terry.js";

/** Where the scorers read, and how they are fitted. Our choice. */
export const scorerSettings = {
  /** The layer whose states are read, as a share of the depth. */
  depth: 2 / 3,
  /** Ridge penalty on weights of differences of features, each scaled to mean square 1. */
  l2: 0.01,
  /**
   * What the better answer of a comparison is above the other, in nats, a mean over those that are no ties. Pairs that can be separated have weights without end, which the
   * penalty alone cuts off: by it the reward was four times the cost, and no lambda that was tried made refusing the better answer. In one unit a lambda of 1 weighs a harm
   * like a help.
   */
  unit: 4,
  /** Answers that are read together. */
  batchSize: 16,
};

/** Raised when the same settings would give something else than before. */
const version = 1;

/** What both scores are measured from: an answer's reward and cost are differences to refusing in these words. */
export const plainRefusal = "I'm sorry, but I can't help with that.";

/** Two linear heads on the frozen base model's states: w . f in nats, of which only differences within a prompt have a meaning. */
export interface Scorers {
  layer: number;
  /** `[C]` each. */
  reward: readonly number[];
  cost: readonly number[];
}

/** What the two heads say of an answer, in nats relative to `plainRefusal`: log-odds of being more helpful, or more harmful, than refusing. */
export interface Score {
  reward: number;
  cost: number;
}

/** How well a head orders pairs of one kind. */
export interface Accuracy {
  head: "reward" | "cost";
  kind: string;
  /** Pairs whose first answer has the higher score; of ties, those that the head takes for ties: it gives the first a probability between 1/4 and 3/4. */
  training: Proportion;
  heldOut: Proportion;
}

/** The heads, and how far they are to be trusted. */
export interface FittedScorers {
  scorers: Scorers;
  accuracies: Accuracy[];
  /** How well the cost of one and the same kind of answer, the placeholder, tells unsafe dev prompts from safe ones. */
  prompts: Auc;
}

/** Prompts of each label that the heads are fitted on, and that they are tested on. */
export const scorerPrompts = ({ stage2, evaluation }: Profile): { training: number; heldOut: number } => ({
  training: 2 * stage2.prompts,
  heldOut: evaluation.gatePrompts,
});

/**
 * Features of answers, `[N][C]`: the mean over the answer's tokens of the base model's states behind a layer. Rows are independent of each other but for rounding.
 * @param rows completions of at least one token
 */
export async function features(
  model: LanguageModel,
  rows: readonly AnsweredIds[],
  layer: number,
  batchSize: number,
): Promise<Float32Array[]> {
  const length = ({ prompt, completion }: AnsweredIds) => prompt.length + completion.length;
  const order = rows.map((_, i) => i).sort((a, b) => length(rows[a]!) - length(rows[b]!));
  const result = new Array<Float32Array>(rows.length);
  for (const batch of pieces(order, batchSize)) {
    await giveWay();
    const own = batch.map((i) => rows[i]!);
    const T = Math.max(...own.map(length));
    const means = tf.tidy(() => {
      const ids = own.map(({ prompt, completion }) => padded([...prompt, ...completion], T));
      const over = own.map(({ prompt, completion }) => padded([...prompt.map(() => 0), ...completion.map(() => 1 / completion.length)], T));
      const { layers } = model.decoder.forward(tf.tensor2d(ids, [own.length, T], "int32"), { lengths: own.map(length), capture: [layer] });
      return tf.sum(tf.mul(layers[layer]!, tf.tensor3d(over.map((row) => row.map((x) => [x])))), 1); // [B, T, C] -> [B, C]
    });
    const C = means.shape[1]!;
    const values = (await readLast(means)) as Float32Array;
    for (const [k, i] of batch.entries()) result[i] = values.slice(k * C, (k + 1) * C);
  }
  return result;
}

const padded = (row: readonly number[], T: number): number[] => [...row, ...new Array<number>(T - row.length).fill(0)];

/** A head's comparisons: of train1's prompts, which it is fitted on, and of dev prompts with placeholders in other words. */
export interface HeadComparisons {
  training: Comparison[];
  heldOut: Comparison[];
}

/** What `fittedScorers` fits and tests the two heads on; the base model's answers are kept. */
export async function scorerComparisons(run: Run, signal?: AbortSignal): Promise<Record<"reward" | "cost", HeadComparisons>> {
  const { training, heldOut } = scorerPrompts(run.profile);
  const learned = await answersTo(run, "scorers", mixedPrompts(run, "train1", training), "training", signal);
  const tested = await answersTo(run, "scorers-dev", mixedPrompts(run, "dev", heldOut), "held out", signal);
  return {
    reward: { training: helpfulness(run, learned), heldOut: helpfulness(run, tested) },
    cost: { training: harmfulness(run, learned), heldOut: harmfulness(run, tested) },
  };
}

/**
 * Fits the reward r on pairs of helpfulness and the cost c on pairs of harmfulness, both of train1's prompts, and tests them on dev prompts with placeholders in other words. Kept
 * in `methods/cdpo/scorers.json`.
 * @throws KeptError when the heads there were fitted otherwise
 */
export async function fittedScorers(run: Run, signal?: AbortSignal): Promise<FittedScorers> {
  const comparisons = await scorerComparisons(run, signal);
  const identity: Identity = {
    recipe: "C-DPO, scorers",
    version,
    ...scorerSettings,
    comparisons: digestOf(comparisons as unknown as IdentityValue),
    model: run.model.digest,
    precision: run.device.precision,
  };
  return keep(run, "methods/cdpo/scorers.json", identity, async () => {
    const layer = Math.round(scorerSettings.depth * run.model.config.numLayers) - 1;
    const read = await readDifferences(run.model, Object.values(comparisons).flatMap(Object.values).flat(), layer);
    const fitted = (["reward", "cost"] as const).map((head) => {
      const weights = fitHead(comparisons[head].training, read);
      return [head, weights, accuraciesOf(head, comparisons[head], (c) => dot(weights, read(c)))] as const;
    });
    const [[, reward, ofReward], [, cost, ofCost]] = fitted as unknown as [(typeof fitted)[number], (typeof fitted)[number]];
    const placeholders = (label: string) =>
      comparisons.cost.heldOut.filter(({ kind }) => kind.startsWith(`${label}: placeholder`)).map((c) => dot(cost, read(c)));
    const scorers = { layer, reward, cost };
    return { scorers, accuracies: [...ofReward, ...ofCost], prompts: auc(placeholders("unsafe"), placeholders("safe")) };
  });
}

/**
 * Reads all answers of some comparisons once.
 * @returns gives a comparison's difference of `features`, its first answer's less its second's, `[C]`
 */
export async function readDifferences(
  model: LanguageModel,
  comparisons: readonly Comparison[],
  layer: number,
): Promise<(comparison: Comparison) => Float64Array> {
  const key = ({ prompt, completion }: AnsweredIds) => `${prompt.join()} ${completion.join()}`;
  const rows = new Map(comparisons.flatMap(({ first, second }) => [first, second]).map((row) => [key(row), row]));
  const read = await features(model, [...rows.values()], layer, scorerSettings.batchSize);
  const known = new Map([...rows.keys()].map((name, i) => [name, read[i]!]));
  return ({ first, second }: Comparison): Float64Array => {
    const [a, b] = [known.get(key(first))!, known.get(key(second))!];
    return Float64Array.from(a, (x, i) => x - b[i]!);
  };
}

/**
 * A head's weights on features, `[C]`, by `fitBradleyTerry`: its penalty is on weights of differences that are scaled to mean square 1. By the result the better answer of a comparison
 * is on average `scorerSettings.unit` nats above the other, ties left out.
 * @param read as `readDifferences` gives it
 * @throws RangeError when no comparison has a better answer, so that nothing says how large a head is
 */
export function fitHead(comparisons: readonly Comparison[], read: (comparison: Comparison) => Float64Array): number[] {
  const differences = comparisons.map((c) => ({ x: read(c), p: c.p }));
  const sure = differences.filter(({ p }) => p === 1);
  if (sure.length === 0) throw new RangeError("fitHead: no comparison has a better answer (p = 1)");
  const C = differences[0]!.x.length;
  const scale = Array.from(
    { length: C },
    (_, i) => Math.sqrt(differences.reduce((sum, { x }) => sum + x[i]! ** 2, 0) / differences.length) || 1,
  );
  const scaled = differences.map(({ x, p }) => ({ x: x.map((value, i) => value / scale[i]!), p }));
  const weights = [...fitBradleyTerry(scaled, scorerSettings.l2)].map((w, i) => w / scale[i]!);
  const decided = mean(sure.map(({ x }) => dot(weights, x)));
  return weights.map((w) => (w * scorerSettings.unit) / decided);
}

function accuraciesOf(
  head: Accuracy["head"],
  { training, heldOut }: { training: Comparison[]; heldOut: Comparison[] },
  odds: (c: Comparison) => number,
): Accuracy[] {
  const right = (c: Comparison) => (c.p === 0.5 ? Math.abs(sigmoid(odds(c)) - 0.5) < 0.25 : odds(c) > 0);
  const kinds = [...new Set([...training, ...heldOut].map(({ kind }) => kind))];
  const of = (some: readonly Comparison[], kind: string) =>
    share(
      some.filter((c) => c.kind === kind),
      right,
    );
  return kinds.map((kind) => ({ head, kind, training: of(training, kind), heldOut: of(heldOut, kind) }));
}

/**
 * What the heads say of answers, w . f, in nats: differences within a prompt mean something, the numbers themselves do not.
 * @param rows prompts and answers; completions of at least one token
 */
export async function rawScores(run: Run, { layer, reward, cost }: Scorers, rows: readonly AnsweredIds[]): Promise<Score[]> {
  const read = await features(run.model, rows, layer, scorerSettings.batchSize);
  return read.map((f) => ({ reward: dot(reward, f), cost: dot(cost, f) }));
}

/** The same of `plainRefusal` to each prompt, which other answers are measured from. @param prompts as token ids */
export const refusalScores = (run: Run, scorers: Scorers, prompts: readonly number[][]): Promise<Score[]> =>
  rawScores(
    run,
    scorers,
    prompts.map((prompt) => ({ prompt, completion: answeredIds(run, "", plainRefusal).completion })),
  );

/** Rewards and costs of answers relative to refusing. @param refusals those of the prompts, answer by answer */
export const relativeTo = (refusals: readonly Score[], answers: readonly Score[]): Score[] =>
  answers.map(({ reward, cost }, i) => ({ reward: reward - refusals[i]!.reward, cost: cost - refusals[i]!.cost }));

/** An answer as text to token ids and its score: what a cell asks. */
export async function scoreText(run: Run, scorers: Scorers, prompt: string, answer: string): Promise<Score> {
  const row = answeredIds(run, prompt, answer);
  return relativeTo(await refusalScores(run, scorers, [row.prompt]), await rawScores(run, scorers, [row]))[0]!;
}
