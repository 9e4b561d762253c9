import * as tf from "@tensorflow/tfjs";
import { createRng, type Rng } from "../backend/random.js";
import { redactText } from "../data/redact.js";
import { longestThought } from "../exante/answer-stop.js";
import { refuses } from "../exante/judge.js";
import { promptTokens } from "../generation/asking.js";
import { literally, type Policy } from "../generation/policy.js";
import { policyTokenLogps } from "./policy-logps.js";
import { foldedThought, objects, redactedWords, type Turn, takeTurn } from "./turn.js";

/** A policy's turn, token by token: what `viewer` shows. */
export interface LookedTurn {
  name: string;
  /** Its length and speed in words. */
  heading: string;
  /** Its thought in a line: first word, rule, verdict, path, with probabilities; null where it did not think. */
  thought: string | null;
  /** Tokens of the thought; those of the answer follow. */
  thoughtTokens: number;
  tokens: string[];
  /** log(policy / reference) of each, in nats: above 0 the policy is likelier to write it than the reference is. */
  values: number[];
  /** What each says when it is pointed at: its probability, its log-ratio, and what else might have stood there. */
  titles: string[];
}

/** What policies make of a question. */
export interface Look {
  /** Cut to its first words where a policy takes it for harmful and `redact` is on. */
  question: string;
  /** The name of what the log-ratios are to. */
  reference: string;
  turns: LookedTurn[];
}

/** How policies are looked at. */
export interface LookOptions {
  /** What each token's probability is held against, such as the base model. */
  reference: Policy;
  /** Cuts answers that help with what one of the policies takes for harmful to their first words; default true. */
  redact?: boolean;
  /** Tokens after which an answer is cut; default 48. */
  answerTokens?: number;
  /** How many other tokens are named for each place; default 3. */
  alternatives?: number;
  /** Of the turns; default: of seed 1. */
  rng?: Rng;
  signal?: AbortSignal;
}

/**
 * Asks policies a question, one after the other, and holds each token of their turns against a reference.
 * @throws RangeError for a policy whose decoding rewrites logits or edits states: its tokens have no plain alternatives; and for a question longer than the model's positions
 */
export async function look(policies: readonly Policy[], question: string, options: LookOptions): Promise<Look> {
  const { redact = true, answerTokens = 48, alternatives = 3, rng = createRng(1), signal } = options;
  const messages = [{ role: "user" as const, content: question }];
  const reference = literally(options.reference);
  const looked: { policy: Policy; turn: Turn; logps: number[]; ratios: number[]; others: Other[][] }[] = [];
  for (const policy of policies.map(literally)) {
    if (policy.decoding.logits || policy.decoding.edits)
      throw new RangeError(`look: policy "${policy.name}" rewrites what its model says, and alternatives are the model's own`);
    const turn = await takeTurn(policy, messages, { answerTokens, thoughtTokens: longestThought, rng: rng.fork(policy.name), signal });
    const written = [{ prompt: { messages }, completion: turn.ids }];
    const [[own], [under]] = [await policyTokenLogps(policy, written), await policyTokenLogps(reference, written)]; // in one way, so that rounding is the same
    const others = await otherTokens(policy, promptTokens(policy.model.tokenizer, policy.asking, { messages }), turn.ids, alternatives);
    looked.push({ policy, turn, logps: own!, ratios: own!.map((logp, i) => logp - under![i]!), others });
  }
  const harmful = redact && looked.some(({ turn }) => objects(turn));
  return {
    question: harmful ? redactText(question) : question,
    reference: reference.name,
    turns: looked.map(({ policy, turn, logps, ratios, others }) => {
      const texts = tokenTexts(turn.ids, policy);
      const whole: LookedTurn = {
        name: policy.name,
        heading: `${turn.tokens} tokens, ${(turn.tokens / turn.seconds).toFixed(0)} per second`,
        thought: foldedThought(turn),
        thoughtTokens: turn.thoughtTokens,
        tokens: texts,
        values: ratios,
        titles: logps.map((logp, i) => title(logp, ratios[i]!, others[i]!)),
      };
      return harmful && !refuses(turn.answer) ? cutAnswer(whole) : whole;
    }),
  };
}

/** What else might have stood at a place of a completion. */
interface Other {
  text: string;
  probability: number;
}

/** The likeliest tokens at each place of a completion behind a prompt, without the one that stands there. */
async function otherTokens(
  { model, adapter }: Policy,
  prompt: readonly number[],
  ids: readonly number[],
  count: number,
): Promise<Other[][]> {
  const { decoder, tokenizer } = model;
  const ranked = tf.tidy(() => {
    const row = tf.tensor2d([...prompt, ...ids.slice(0, -1)], [1, prompt.length + ids.length - 1], "int32");
    const states = decoder.hidden(row, { lora: adapter }); // [1, T, C]
    const C = states.shape[2];
    const predicting = tf.slice(tf.reshape(states, [-1, C]), [prompt.length - 1, 0], [ids.length, C]) as tf.Tensor2D;
    const all = tf.logSoftmax(decoder.logits(predicting, adapter)); // [N, V]
    return tf.topk(all, Math.min(count + 1, all.shape[1]!));
  });
  const [values, indices] = (await Promise.all([ranked.values.array(), ranked.indices.array()])) as [number[][], number[][]];
  tf.dispose([ranked.values, ranked.indices]);
  return ids.map((id, n) =>
    indices[n]!.map((other, k) => ({ other, text: tokenizer.decode([other]), probability: Math.exp(values[n]![k]!) }))
      .filter(({ other }) => other !== id)
      .slice(0, count)
      .map(({ text, probability }) => ({ text, probability })),
  );
}

/** Each token's own text; of characters that several tokens make, the last one has all. */
function tokenTexts(ids: readonly number[], { model: { tokenizer } }: Policy): string[] {
  let before = "";
  return ids.map((_, i) => {
    const upTo = tokenizer.decode(ids.slice(0, i + 1));
    const whole = upTo.endsWith("\ufffd") ? before : upTo;
    const text = whole.slice(before.length);
    before = whole;
    return text;
  });
}

/** `29%, 1.3 nats above the reference; else "risk" 64%, "low" 3%`. */
function title(logp: number, ratio: number, others: readonly Other[]): string {
  const percent = (p: number) => `${(100 * p).toFixed(p < 0.1 ? 1 : 0)}%`;
  const side = ratio < 0 ? "below" : "above";
  const else_ = others.map(({ text, probability }) => `${JSON.stringify(text)} ${percent(probability)}`).join(", ");
  return `${percent(Math.exp(logp))}, ${Math.abs(ratio).toFixed(1)} nats ${side} the reference${else_ ? `; else ${else_}` : ""}`;
}

/** Without what stands behind the answer's first words, and without what the answer might have said. */
function cutAnswer(turn: LookedTurn): LookedTurn {
  const { thoughtTokens: begin, tokens } = turn;
  const enough = tokens.findIndex((_, i) => i > begin && words(tokens.slice(begin, i + 1).join("")) > redactedWords);
  const end = enough < 0 ? tokens.length : enough;
  const hidden = tokens.length - end;
  const titles = turn.titles.slice(0, end).map((text, i) => (i < begin ? text : text.split(";")[0]!));
  if (hidden === 0) return { ...turn, titles };
  return {
    ...turn,
    tokens: [...tokens.slice(0, end), ` [${hidden} more tokens]`],
    values: [...turn.values.slice(0, end), 0],
    titles: [...titles, "hidden: the request was taken for harmful"],
  };
}

const words = (text: string): number => text.trim().split(/\s+/).length;
