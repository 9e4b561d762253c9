import * as tf from "@tensorflow/tfjs";
import { giveWay } from "../backend/give-way.js";
import { commonPrefix } from "../backend/ops/rows.js";
import { readLast } from "../backend/read.js";
import { writeRefusal } from "../exante/rows.js";
import type { DecisionPlace } from "../exante/trace.js";
import type { Prompt } from "../generation/asking.js";
import { contextTokens, promptEdits } from "../generation/contexts.js";
import { boundEdits, ruledLogits } from "../generation/decoding.js";
import { literally, type Policy } from "../generation/policy.js";
import { LogitsError } from "../generation/usable.js";
import type { StateEdits } from "../model/edit.js";
import type { LanguageModel } from "../model/load.js";
import type { Lora } from "../model/lora.js";
import type { Tokenizer } from "../model/tokenizer.js";
import { pieces } from "../setup/lists.js";

/**
 * Log-odds under a policy that the next token is one of a set: log P(set) - log P(not in set), in nats, one value per prompt. Forward only, one pass a
 * batch; prompts are taken by length, and what all of them begin with is run once a batch. Special strings in questions are text, unless the policy says otherwise.
 *
 * @param tokens the set, at least one id
 * @throws RangeError when the set is empty, the batch size is not >= 1, or a decoding with several contexts is given token ids
 * @throws LogitsError where logits hold NaN, as behind a training that diverged
 */
export async function nextTokenLogOdds(
  policy: Policy,
  prompts: readonly Prompt[],
  tokens: readonly number[],
  batchSize: number,
): Promise<number[]> {
  if (tokens.length === 0) throw new RangeError("read-out: no token to read");
  const { model, decoding } = policy;
  const read = literally(policy);
  const asked = contextTokens(read, prompts, "read-out");
  const edits = await promptEdits(read, prompts, "read-out");
  const result = new Array<number>(prompts.length);
  const order = prompts.map((_, i) => i).sort((a, b) => asked[0]![a]!.length - asked[0]![b]!.length || a - b);
  for (const indices of pieces(order, batchSize)) {
    const odds = tf.tidy(() => {
      const rows = indices.map((index) => ({ index, ids: [] }));
      const [own, ...others] = asked.map((ids) =>
        lastLogits(
          model,
          policy.adapter,
          indices.map((i) => ids[i]!),
          boundEdits(edits, rows),
        ),
      );
      return logOdds(ruledLogits(decoding.logits, [own!, ...others], rows), tokens);
    }); // [B]
    const values = await readLast(odds);
    await giveWay();
    indices.forEach((index, row) => {
      if (Number.isNaN(values[row]!)) throw new LogitsError(policy, `read-out of prompt ${index + 1}`);
      result[index] = values[row]!;
    });
  }
  return result;
}

/**
 * How much the model takes a prompt for unsafe, in nats, 0 = undecided: log P(not `tokenId`) - log P(`tokenId`) for the token after the
 * prompt. For traces the prompt ends in `<assess>` and the token is the first of "none" (see `decisionPrompt`).
 * @param batchSize prompts at a time
 * @throws RangeError and LogitsError as `nextTokenLogOdds`
 */
export async function decisionLogOdds(policy: Policy, prompts: readonly Prompt[], tokenId: number, batchSize: number): Promise<number[]> {
  const odds = await nextTokenLogOdds(policy, prompts, [tokenId], batchSize);
  return odds.map((x) => -x);
}

/** The prompt after which a trace's decision is read: a user's turn, and the model's beginning: `<assess>`, with what it has written up to a decision that comes last. */
export function decisionPrompt(prompt: string, tokenizer: Tokenizer, begun = "<assess>"): Prompt {
  return { messages: [{ role: "user", content: prompt }], begun: tokenizer.encode(begun) };
}

/** The first token of "none" as it follows `<assess>`, or the text of an assessment. */
export function noneToken(tokenizer: Tokenizer, decides: DecisionPlace = "first"): number {
  return decides === "first" ? firstAfter("<assess>", "none", tokenizer) : firstAfter(";", " none", tokenizer);
}

/** The first tokens of the refusals that training writes, whatever the rule ("I", "Sorry"): the read-out of a model that answers without a trace. */
export function refusalTokens(tokenizer: Tokenizer): number[] {
  const refusals = [0, 1, 2, 3].map((variant) => writeRefusal({ refusal: "this" }, variant));
  return [...new Set(refusals.map((text) => tokenizer.encode(text)[0]!))];
}

/**
 * How much a model that answers without a trace takes a prompt for unsafe: log-odds, in nats, that the answer's first token begins one of
 * the refusals of training, the summed probability of these tokens against all others.
 * @throws RangeError and LogitsError as `nextTokenLogOdds`
 */
export function refusalLogOdds(policy: Policy, prompts: readonly Prompt[], batchSize: number): Promise<number[]> {
  return nextTokenLogOdds(policy, prompts, refusalTokens(policy.model.tokenizer), batchSize);
}

/** Logits of the token after each prompt under an adapter and edits of states, [B, V]. */
export function lastLogits(
  { decoder }: LanguageModel,
  lora: Lora | null,
  prompts: readonly (readonly number[])[],
  edit: StateEdits,
): tf.Tensor2D {
  const edited = Object.keys(edit).length > 0; // then rows are run whole
  const P = edited ? 0 : commonPrefix(prompts);
  const own = prompts.map((ids) => ids.slice(P));
  const lengths = own.map((ids) => ids.length);
  const T = Math.max(...lengths);
  const padded = Int32Array.from(own.flatMap((ids) => [...ids, ...new Array<number>(T - ids.length).fill(0)]));
  const ids = tf.tensor2d(padded, [own.length, T], "int32");
  const states = edited
    ? decoder.forward(ids, { lora, lengths, edit }).states
    : decoder.hidden(ids, { lora, prefix: prompts[0]!.slice(0, P), lengths }); // [B, T, C]
  const C = states.shape[2];
  const last = tf.tensor1d(
    lengths.map((length, b) => b * T + length - 1),
    "int32",
  );
  return decoder.logits(tf.gather(tf.reshape(states, [own.length * T, C]), last) as tf.Tensor2D, lora);
}

/** 1 for each of a set of tokens, 0 for the others: [1, V]. */
export function membership(tokens: readonly number[], V: number): tf.Tensor2D {
  const inside = new Float32Array(V);
  for (const id of tokens) inside[id] = 1;
  return tf.tensor2d(inside, [1, V]);
}

/** The probability, in [0, 1], of log-odds in nats. */
export const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** log P(set) - log P(not in set): logits [B, V] -> [B]. Both sums are taken apart, so that odds beyond float32's 1 - p are exact too. */
export function logOdds(logits: tf.Tensor2D, tokens: readonly number[]): tf.Tensor1D {
  const member = tf.cast(membership(tokens, logits.shape[1]), "bool");
  const far = -1e9; // e^-1e9 is 0, and -1e9 - -1e9 stays finite
  const of = (mask: tf.Tensor) => tf.logSumExp(tf.where(mask, logits, far), 1); // no product: a rule may forbid tokens by -Infinity
  return tf.sub(of(member), of(tf.logicalNot(member))) as tf.Tensor1D;
}

function firstAfter(before: string, word: string, tokenizer: Tokenizer): number {
  return tokenizer.encode(before + word)[tokenizer.encode(before).length]!;
}
