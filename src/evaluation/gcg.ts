import * as tf from "@tensorflow/tfjs";
import { giveWay } from "../backend/give-way.js";
import { timesTokens } from "../backend/ops/token-rows.js";
import type { Rng } from "../backend/random.js";
import { DataError } from "../data/errors.js";
import { literally, type Policy } from "../generation/policy.js";
import { pieces } from "../setup/lists.js";
import { type Attack, type AttackRow, affirmation, noAttack } from "./attacks.js";
import { policyLogps } from "./policy-logps.js";
import { asciiTokens, type Suffix, type SuffixPlace, suffixPlace } from "./suffix.js";

/** What a search may spend on a prompt. */
export interface GcgBudget {
  /** Rounds of a gradient and a batch of candidates; 500 in the paper. */
  steps: number;
  /** Candidates that are drawn per step, each with another token in one place; 512 in the paper. */
  candidates: number;
  /** Tokens that may come into each place, those with the steepest slope; 256 in the paper. */
  topK: number;
}

/** What a search is after, and with which means. */
export interface GcgOptions {
  /** How the model's turn is to begin; default: an affirmation. Of a policy that decides beforehand it can be a decision, `<assess>none`. */
  target?: string;
  /** Tokens of the suffix, 20 unless told. */
  tokens?: number;
  budget: GcgBudget;
  rng: Rng;
  signal?: AbortSignal;
}

/** How far a search has come. */
export interface GcgState {
  /** What is put behind the prompt, a space included. */
  suffix: string;
  /** Of the start and after each step: the mean negative log-likelihood of the target's tokens, in nats per token. They do not rise. */
  losses: number[];
  /** Rows that the model was run on: candidates, the start, and one for each gradient. */
  queries: number;
}

/** Suffixes whose losses are computed together. */
const batchSize = 128;

/**
 * GCG, greedy coordinate gradient (Zou et al. 2023, arXiv 2307.15043, algorithm 1): looks for tokens behind a prompt that make the model's turn begin with a target. Each step takes
 * the gradient of the target's loss by the one-hot vectors of the suffix's tokens, draws candidates that put one of the `topK` steepest tokens into one place, and keeps the
 * best. As in the paper's code, tokens are printable ASCII, and candidates whose text becomes other tokens are left out, so fewer are run than drawn. Otherwise than
 * there, a step without a better candidate keeps what it has: losses do not rise. Special strings in the prompt and in candidates are text, unless the policy says otherwise.
 *
 * @returns the state of the start, then after each step; the last one is the result
 * @throws RangeError for a number that is no whole one >= 1, an empty target, or a decoding that rewrites logits or edits states, through which there is no gradient; DataError as
 * `suffixPlace`; the signal's reason once it is aborted
 */
export async function* gcg(
  asked: Policy,
  row: AttackRow,
  { target = affirmation, tokens = 20, budget, rng, signal }: GcgOptions,
): AsyncGenerator<GcgState> {
  const policy = literally(asked);
  check(policy, { tokens, ...budget });
  const { tokenizer, config } = policy.model;
  const wanted = tokenizer.encode(target);
  if (wanted.length === 0) throw new RangeError("gcg: the target is empty: say how the model's turn is to begin");
  const place = suffixPlace(policy, row, tokens);
  const allowed = asciiTokens(tokenizer, config.vocabSize);
  const losses = async (suffixes: readonly Suffix[]) => targetLosses(policy, place, wanted, suffixes, signal);

  let suffix = place.start;
  let [loss] = (await losses([suffix])) as [number];
  const path = [loss];
  let queries = 1;
  yield { suffix: suffix.text, losses: [...path], queries };
  let steepest: number[][] | null = null; // of this suffix
  for (let step = 0; step < budget.steps; step++) {
    await giveWay(signal);
    if (!steepest) {
      steepest = await steepestTokens(suffixGradient(policy, place, suffix.ids, wanted), allowed, budget.topK);
      queries++;
    }
    const candidates = drawn(place, suffix.ids, steepest, budget.candidates, rng);
    const values = await losses(candidates);
    queries += candidates.length;
    const best = values.indexOf(Math.min(...values));
    if (best >= 0 && values[best]! < loss) [suffix, loss, steepest] = [candidates[best]!, values[best]!, null];
    path.push(loss);
    yield { suffix: suffix.text, losses: [...path], queries };
  }
}

/** The attack with suffixes that were found, by the ids of the rows. @throws DataError, when it is asked, for a row without one */
export function gcgAttack(suffixes: ReadonlyMap<string, string>): Attack {
  const ask: Attack["ask"] = (row, index) => {
    const suffix = suffixes.get(row.id);
    if (suffix === undefined)
      throw new DataError(`gcg attack: there is no suffix for prompt ${row.id}: search for one, or leave the row out`);
    return noAttack.ask({ ...row, prompt: row.prompt + suffix }, index);
  };
  return { name: "gcg", ask };
}

/**
 * Gradient of the target's mean negative log-likelihood by the one-hot vectors of the suffix's tokens, [n, V], in nats: that by their embeddings times the embedding matrix,
 * so no [n, V] goes through the model. The factor by which Gemma scales its embeddings is left out: it changes no rank.
 */
export function suffixGradient(
  { model: { decoder }, adapter: lora }: Policy,
  { head, tail }: Pick<SuffixPlace, "head" | "tail">,
  suffix: readonly number[],
  target: readonly number[],
): tf.Tensor2D {
  const prompt = [...head, ...suffix, ...tail];
  const loss = (states: tf.Tensor2D): tf.Scalar => {
    const before = tf.slice(states, [prompt.length - 1, 0], [target.length, -1]); // what predicts the target
    return tf.neg(tf.mean(decoder.tokenLogps(before, tf.tensor1d([...target], "int32"), lora))) as tf.Scalar;
  };
  return tf.tidy(() => {
    const all = decoder.inputGradient([...prompt, ...target.slice(0, -1)], loss, { lora });
    return timesTokens(tf.slice(all, [head.length, 0], [suffix.length, -1]), decoder.weights.embedding, lora?.tokens ?? null);
  });
}

/** For each place the k allowed tokens whose coming there lowers the loss most, to first order. Disposes of the gradient, [n, V]. */
async function steepestTokens(gradient: tf.Tensor2D, allowed: readonly number[], k: number): Promise<number[][]> {
  const top = tf.tidy(() => {
    const slopes = tf.gather(gradient, tf.tensor1d([...allowed], "int32"), 1); // [n, allowed]
    return tf.topk(tf.neg(slopes), Math.min(k, allowed.length)).indices as tf.Tensor2D;
  });
  const places = await top.array();
  tf.dispose([gradient, top]);
  return places.map((row) => row.map((i) => allowed[i]!));
}

/** Different suffixes with another token in one place each, so many drawn; those that are not read as they are written are left out. */
function drawn(place: SuffixPlace, now: readonly number[], steepest: readonly number[][], n: number, rng: Rng): Suffix[] {
  const found = new Map<string, Suffix | null>();
  for (let i = 0; i < n; i++) {
    const at = rng.integer(0, now.length - 1);
    const token = rng.choice(steepest[at]!);
    const key = `${at} ${token}`;
    if (token === now[at] || found.has(key)) continue;
    const ids = now.map((id, p) => (p === at ? token : id));
    const text = place.textOf(ids);
    found.set(key, text === undefined ? null : { text, ids });
  }
  return [...found.values()].filter((suffix) => suffix !== null);
}

/** The target's mean negative log-likelihood behind each suffix, in nats per token. */
async function targetLosses(
  policy: Policy,
  { head, tail }: SuffixPlace,
  target: readonly number[],
  suffixes: readonly Suffix[],
  signal: AbortSignal | undefined,
): Promise<number[]> {
  const losses: number[] = [];
  for (const batch of pieces(suffixes, batchSize)) {
    await giveWay(signal);
    const rows = batch.map(({ ids }) => ({ prompt: [...head, ...ids, ...tail], completion: target }));
    for (const logp of await policyLogps(policy, rows)) losses.push(-logp / target.length);
  }
  return losses;
}

function check({ name, decoding }: Policy, numbers: { tokens: number } & GcgBudget): void {
  if (decoding.logits || decoding.edits)
    throw new RangeError(
      `gcg: the decoding of policy "${name}" rewrites logits or edits states, and the gradient would not know: take plain()`,
    );
  for (const [what, n] of Object.entries(numbers))
    if (!Number.isInteger(n) || n < 1) throw new RangeError(`gcg: ${what} must be a whole number >= 1, got ${n}`);
}
