import * as tf from "@tensorflow/tfjs";
import { givenInWords, hasShape } from "../backend/given.js";
import { digestOf, type Identity } from "../data/identity.js";
import type { StateEdits, StatePlace } from "../model/edit.js";
import type { Asking } from "./asking.js";
import type { Choice } from "./choose.js";
import type { Search } from "./search.js";

/** A completion under way, as a rule sees it. */
export interface DecodedRow {
  /** Which prompt, counted from 0 over the whole call; under a search, which of its tries. */
  index: number;
  /** Its new tokens so far. */
  ids: readonly number[];
}

/**
 * Rewrites the logits of next tokens before one is chosen. It is called in a tidy scope, once per step; the result is taken over.
 * @param logits under the policy's own prompt, `[B, V]`
 * @param contexts under each of the decoding's other contexts, `[B, V]` each
 * @param rows the completions, B of them
 * @returns `[B, V]`; another shape ends the call with a RangeError
 */
export type LogitsRule = (logits: tf.Tensor2D, contexts: readonly tf.Tensor2D[], rows: readonly DecodedRow[]) => tf.Tensor2D;

/**
 * The logits that a token is chosen from: the policy's own, or what the rule makes of all.
 * @throws RangeError when the rule gives another shape, or no tensor
 */
export function ruledLogits(
  rule: LogitsRule | null,
  [own, ...contexts]: readonly [tf.Tensor2D, ...tf.Tensor2D[]],
  rows: readonly DecodedRow[],
): tf.Tensor2D {
  if (!rule) return own;
  const logits = rule(own, contexts, rows);
  if (hasShape(logits, own.shape)) return logits;
  throw new RangeError(`logits rule: the logits are [${own.shape}], it gave ${givenInWords(logits)}; return a tensor of the same shape`);
}

/**
 * Replaces states of the residual stream while completions are written. For prompts T is the longest one's length, then 1.
 * @param states `[B, T, C]`
 * @param place where the states stand in their sequences, and of which completions they are, B of them
 * @returns `[B, T, C]`; another shape ends the call with a RangeError
 */
export type StateRule = (states: tf.Tensor3D, place: StatePlace & { rows: readonly DecodedRow[] }) => tf.Tensor3D;

/** Rules by the layer after whose output they come: 0 is the first decoder layer, -1 the embedding. */
export type StateRules = Readonly<Record<number, StateRule>>;

/** A prompt as a model gets it. */
export interface AskedPrompt {
  ids: readonly number[];
  /** Its tokens up to where the model's turn begins, the turn's opening included; a prefill stands behind them. Of a prompt that is token ids: all. */
  instruction: number;
}

/**
 * Makes rules from the prompts that they are for, such as a direction whose sign depends on each prompt. It is called once before a call's prompts are run; `index` of the
 * rows that its rules see counts these prompts.
 */
export type StateRulesFor = (prompts: readonly AskedPrompt[]) => Promise<StateRules>;

/**
 * How a policy finds its next tokens, as a value. `plain` is the usual one; a rule over logits, other contexts and a search may be added by those below or in a
 * notebook's cell.
 */
export interface Decoding {
  /** How a token is drawn from the (rewritten) logits. */
  readonly choice: Choice;
  /** Other ways of asking each question: each has keys and values of its own and gets the tokens that are chosen. */
  readonly contexts: readonly Asking[];
  readonly logits: LogitsRule | null;
  /** Edits of hidden states, in all contexts; those that are made from the prompts need a decoding without other contexts. */
  readonly edits: StateRules | StateRulesFor | null;
  /** Finds completions by trying several; null for one try. */
  readonly search: Search | null;
  /** What completions depend on, in readable form. */
  readonly identity: Identity;
}

/** Greedy at temperature 0 (the default), else sampling. */
export function plain(choice: Choice = { temperature: 0 }): Decoding {
  return { choice, contexts: [], logits: null, edits: null, search: null, identity: { kind: "plain", ...choice } };
}

/** A decoding with its tokens drawn in another way; what is undefined stays as it is. */
export function redrawn({ choice, identity, ...rest }: Decoding, { temperature, topP, topK }: Partial<Choice>): Decoding {
  const changed = Object.fromEntries(Object.entries({ temperature, topP, topK }).filter(([, value]) => value !== undefined));
  return { ...rest, choice: { ...choice, ...changed }, identity: { ...identity, ...changed } };
}

/**
 * Decoding with an own rule over logits, such as a mask or a penalty.
 *
 * @param settings what the rule depends on beside its code (its constants, digests of its vectors): part of the identity, so that results made with others are told apart
 * @param options other contexts, and how tokens are drawn
 * @param options.contexts other ways of asking, whose logits the rule gets
 */
export function withLogits(
  rule: LogitsRule,
  settings: Identity,
  { contexts = [], ...choice }: { contexts?: readonly Asking[] } & Partial<Choice> = {},
): Decoding {
  const drawn: Choice = { temperature: 0, ...choice };
  const asked = contexts.length > 0 ? { contexts: contexts.map(({ system, template }) => ({ system, template })) } : {};
  return {
    choice: drawn,
    contexts,
    logits: rule,
    edits: null,
    search: null,
    identity: { kind: "logits rule", settings, code: codeDigest(rule), ...asked, ...drawn },
  };
}

/** SHA-256 of a function's source as it is compiled: tells two rules apart, but not what they close over. */
export const codeDigest = (rule: (...values: never[]) => unknown): string => digestOf(String(rule)).slice(0, 16);

/**
 * Contrastive decoding of one model in two contexts (ROSE: Zhong et al. 2024): the logits under the policy's own prompt minus alpha times those under another system
 * prompt,
 *
 *     l_t = logit(. | s, x, y_<t) - alpha logit(. | s', x, y_<t)
 *
 * Alpha 0 is the policy without contrast, bit for bit.
 *
 * @param options the other context and its weight
 * @param options.against the other context's system prompt, s'
 * @param options.alpha weight of the contrast, >= 0
 * @param options.plausible tau in [0, 1]: only tokens with p >= tau max p under the policy's own prompt may be chosen (contrastive decoding's mask, Li et al. 2023);
 *   0, the default, leaves it out
 * @throws RangeError when alpha or tau is out of range
 */
export function contrast({
  against,
  alpha,
  plausible = 0,
  ...choice
}: { against: string; alpha: number; plausible?: number } & Partial<Choice>): Decoding {
  if (!(alpha >= 0 && Number.isFinite(alpha))) throw new RangeError(`contrast: alpha must be >= 0, got ${alpha}`);
  if (!(plausible >= 0 && plausible <= 1)) throw new RangeError(`contrast: plausible must be in [0, 1], got ${plausible}`);
  const drawn: Choice = { temperature: 0, ...choice };
  if (alpha === 0) return plain(drawn);
  const rule: LogitsRule = (own, [other]) => {
    const contrasted = tf.sub(own, tf.mul(alpha, other!)) as tf.Tensor2D;
    if (plausible === 0) return contrasted;
    const least = tf.add(tf.max(own, 1, true), Math.log(plausible)); // [B, 1]
    return tf.where(tf.greaterEqual(own, least), contrasted, tf.fill(own.shape, -1e30)) as tf.Tensor2D;
  };
  return {
    choice: drawn,
    contexts: [{ system: against }],
    logits: rule,
    edits: null,
    search: null,
    identity: { kind: "contrast", against, alpha, plausible, ...drawn },
  };
}

/**
 * Decoding with edits of hidden states, such as a direction that is added at some layers from some position on (activation steering).
 *
 * @param edits rules by layer, or a function that makes them from the prompts
 * @param settings what the edits depend on beside their code (strengths, digests of vectors): part of the identity
 * @param decoding what else it does; default: greedy
 */
export function withEdits(edits: StateRules | StateRulesFor, settings: Identity, decoding: Decoding = plain()): Decoding {
  const code: Identity =
    typeof edits === "function"
      ? { code: codeDigest(edits) }
      : { layers: Object.fromEntries(Object.entries(edits).map(([layer, rule]) => [layer, codeDigest(rule)])) };
  return { ...decoding, edits, identity: { kind: "edited", settings, ...code, decoding: decoding.identity } };
}

/** Rules bound to the completions that a pass is about, as the decoder takes them. */
export const boundEdits = (rules: StateRules | null, rows: readonly DecodedRow[]): StateEdits =>
  Object.fromEntries(
    Object.entries(rules ?? {}).map(([layer, rule]) => [
      layer,
      (states: tf.Tensor3D, place: StatePlace) => rule(states, { ...place, rows }),
    ]),
  );

/** Decoding by a search over several tries: `searching(bestOf({ n: 8, score }))`. */
export const searching = (search: Search): Decoding => ({ ...plain(search.choice), search, identity: search.identity });
