import * as tf from "@tensorflow/tfjs";
import { giveWay } from "../../backend/give-way.js";
import { readLast } from "../../backend/read.js";
import { lastLogits } from "../../evaluation/readout.js";
import { promptTokens, type Question } from "../../generation/asking.js";
import type { Policy } from "../../generation/policy.js";
import { LogitsError } from "../../generation/usable.js";
import type { Tokenizer } from "../../model/tokenizer.js";
import { pieces } from "../../setup/lists.js";
import { clipped } from "./baselines.js";
import { ratingAnswer } from "./words.js";

/**
 * The expected rating: sum_k k p_k with p the softmax over the logits of "1" to "5" alone, as the authors' code has it, in [1, 5].
 * @param logits of the five, in their order
 * @throws RangeError for other than five numbers
 */
export function expectedRating(logits: ArrayLike<number>): number {
  if (logits.length !== 5) throw new RangeError(`expectedRating: there are five ratings, got ${logits.length} logits`);
  const highest = Math.max(...Array.from(logits));
  const weights = Array.from(logits, (logit) => Math.exp(logit - highest));
  const total = weights.reduce((sum, w) => sum + w, 0);
  return clipped(weights.reduce((sum, w, k) => sum + (w / total) * (k + 1), 0)); // rounding may leave [1, 5]
}

/**
 * Where the five ratings part, as a tokenizer writes "Predicted Rating: 1.0" to "5.0": the tokens that they begin with, and the next one of each.
 * @throws RangeError for a tokenizer that does not tell them apart there
 */
export function ratingTokens(tokenizer: Tokenizer): { begun: number[]; tokens: number[] } {
  const written = [1, 2, 3, 4, 5].map((rating) => tokenizer.encode(ratingAnswer(rating)));
  const [one, ...others] = written as [number[], ...number[][]];
  const part = one.findIndex((id, i) => others.some((ids) => ids[i] !== id));
  const tokens = written.map((ids) => ids[part]!);
  if (new Set(tokens).size < 5) throw new RangeError("expectedRating: the model's tokens do not tell the ratings 1 to 5 apart");
  return { begun: one.slice(0, part), tokens };
}

/** Prompts that are read together. */
const batchSize = 16;

/**
 * Expected ratings under a policy, one per question, in [1, 5]. Forward only, one pass per batch; prompts are taken by length.
 * @throws LogitsError where logits hold NaN
 */
export async function expectedRatings(policy: Policy, questions: readonly Question[], signal?: AbortSignal): Promise<number[]> {
  const { model, adapter, asking } = policy;
  const { begun, tokens } = ratingTokens(model.tokenizer);
  const asked = questions.map((question) => promptTokens(model.tokenizer, asking, { ...question, begun }));
  const result = new Array<number>(questions.length);
  const order = questions.map((_, i) => i).sort((a, b) => asked[a]!.length - asked[b]!.length || a - b);
  for (const batch of pieces(order, batchSize)) {
    await giveWay(signal);
    const prompts = batch.map((i) => asked[i]!);
    const five = tf.tidy(() => tf.gather(lastLogits(model, adapter, prompts, {}), tf.tensor1d(tokens, "int32"), 1)); // [B, 5]
    const values = await readLast(five);
    for (const [row, i] of batch.entries()) {
      const logits = values.subarray(5 * row, 5 * row + 5);
      if (logits.some(Number.isNaN)) throw new LogitsError(policy, `rating of question ${i + 1}`);
      result[i] = expectedRating(logits);
    }
  }
  return result;
}
