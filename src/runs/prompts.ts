import * as tf from "@tensorflow/tfjs";
import type { Rng } from "../backend/random.js";
import { digestOf } from "../data/identity.js";
import type { PromptRow } from "../data/types.js";
import { judgeAnswer } from "../exante/judge.js";
import { type LabelledPrompt, promptIds } from "../exante/rows.js";
import { type Decoding, plain, withLogits } from "../generation/decoding.js";
import { policy } from "../generation/policy.js";
import { sample } from "../generation/sample.js";
import type { Tokenizer } from "../model/tokenizer.js";
import { keep } from "./keep.js";
import type { Run } from "./run.js";

/** Safe and unsafe prompts in turn, each in random order, as long as there are some of both: every beginning is half benign. */
export function balancedPrompts(rows: readonly PromptRow[], rng: Rng): LabelledPrompt[] {
  const of = (label: PromptRow["label"]) => rng.fork(label).shuffle(rows.filter((row) => row.label === label));
  const [safe, unsafe] = [of("safe"), of("unsafe")];
  return Array.from({ length: 2 * Math.min(safe.length, unsafe.length) }, (_, i) => labelled((i % 2 === 0 ? safe : unsafe)[i >> 1]!));
}

/** A safe and an unsafe prompt, of the same frame where `frame` is not null. */
export interface PromptPair {
  family: string;
  frame: string | null;
  safe: LabelledPrompt;
  unsafe: LabelledPrompt;
}

/**
 * Every prompt with one of the other label, of the same frame as far as there is one: what differs within a pair is what decides. Pairs come in turns of their families,
 * so that every beginning has all of them.
 * @returns the pairs, and the rows of the label that more prompts have
 */
export function framePairs(rows: readonly PromptRow[], rng: Rng): { pairs: PromptPair[]; rest: LabelledPrompt[] } {
  const of = (label: PromptRow["label"], from: readonly PromptRow[]) => from.filter((row) => row.label === label).map(labelled);
  const zip = (safe: readonly LabelledPrompt[], unsafe: readonly LabelledPrompt[], frame: string | null): PromptPair[] =>
    safe.slice(0, unsafe.length).map((row, i) => ({ family: frame === null ? "" : row.family, frame, safe: row, unsafe: unsafe[i]! }));
  const frames = new Map<string | undefined, PromptRow[]>();
  for (const row of rng.shuffle(rows)) frames.set(row.frame, [...(frames.get(row.frame) ?? []), row]);
  const left: LabelledPrompt[] = [];
  const pairs = [...frames].flatMap(([frame, members]) => {
    const [safe, unsafe] = [of("safe", members), of("unsafe", members)];
    const paired = frame === undefined ? 0 : Math.min(safe.length, unsafe.length);
    left.push(...safe.slice(paired), ...unsafe.slice(paired));
    return zip(safe.slice(0, paired), unsafe.slice(0, paired), frame ?? null);
  });
  const [safe, unsafe] = [of("safe", left), of("unsafe", left)];
  pairs.push(...zip(safe, unsafe, null));
  return { pairs: inTurns(rng.shuffle(pairs), ({ family }) => family), rest: [...safe.slice(unsafe.length), ...unsafe.slice(safe.length)] };
}

/** Items in turns of their groups: each group is spread evenly over the whole. */
export function inTurns<T>(items: readonly T[], groupOf: (item: T) => string): T[] {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(groupOf(item), [...(groups.get(groupOf(item)) ?? []), item]);
  return [...groups.values()]
    .flatMap((group) => group.map((item, i) => ({ item, place: (i + 0.5) / group.length })))
    .sort((a, b) => a.place - b.place)
    .map(({ item }) => item);
}

/** @throws RangeError for a row without sense and target, which a trace cannot be written from */
export function labelled(row: PromptRow): LabelledPrompt {
  const { sense, target } = row;
  if (sense === undefined || target === undefined) throw new RangeError(`prompt ${row.id} has no sense and target`);
  return { ...row, sense, target };
}

/** Tokens that the base model may answer with or begin with, and prompts that are asked together. */
const answers = { version: 3, tokens: 64, batchSize: 96 };
const openings = { ...answers, tokens: 16 };

/**
 * Reference answers of safe prompts: the base model's own, up to the last sentence that ends within 64 tokens, so that training keeps its way to answer. Kept in
 * `data/answers-NAME.json`. Where it apologises it is asked again and may not begin as apologies do; a prompt to which it then says no whole sentence either gets none.
 * @param name what the prompts are for
 */
export function withAnswers(run: Run, name: string, prompts: readonly LabelledPrompt[], signal?: AbortSignal): Promise<LabelledPrompt[]> {
  return askBase(run, `data/answers-${name}.json`, answers, prompts, signal);
}

/** The same with the first 16 tokens of answers, whole sentences or not: for rows that end before. Kept in `data/openings-NAME.json`. */
export function withOpenings(run: Run, name: string, prompts: readonly LabelledPrompt[], signal?: AbortSignal): Promise<LabelledPrompt[]> {
  return askBase(run, `data/openings-${name}.json`, openings, prompts, signal);
}

async function askBase(
  run: Run,
  path: string,
  how: typeof answers,
  prompts: readonly LabelledPrompt[],
  signal?: AbortSignal,
): Promise<LabelledPrompt[]> {
  const safe = [...new Map(prompts.filter((p) => p.label === "safe").map((p) => [p.id, p])).values()];
  const identity = {
    recipe: "reference answers",
    ...how,
    prompts: digestOf(safe.map(({ id, prompt }) => [id, prompt])),
    model: run.model.digest,
    precision: run.device.precision,
  };
  const kept = await keep(run, path, identity, async () => {
    const first = await baseAnswers(run, safe, plain(), how, signal);
    const apologies = safe.filter((_, i) => !helps(first[i]!.text));
    const second = await baseAnswers(run, apologies, unapologetic(run.model.tokenizer), how, signal);
    const better = new Map(second.map((answer) => [answer.id, answer]));
    return { answers: first.map((answer) => better.get(answer.id) ?? answer) };
  });
  const known = new Map(kept.answers.map(({ id, text }) => [id, text]));
  return prompts.map((p) => {
    const answer = known.get(p.id);
    return answer && helps(answer) ? { ...p, answer } : p;
  });
}

async function baseAnswers(
  run: Run,
  prompts: readonly LabelledPrompt[],
  decoding: Decoding,
  { tokens, batchSize }: typeof answers,
  signal?: AbortSignal,
): Promise<{ id: string; text: string }[]> {
  const { model } = run;
  const { tokenizer } = model;
  const found: { id: string; text: string }[] = [];
  const ids = prompts.map((p) => promptIds(p.prompt, tokenizer));
  const options = { maxNewTokens: tokens, batchSize, rng: run.rng("answers"), signal };
  for await (const { index, ids: written, finished } of sample(policy({ model, decoding }), ids, options)) {
    const text = tokenizer.decode(written).trim();
    found[index] = { id: prompts[index]!.id, text: finished || tokens < answers.tokens ? text : wholeSentences(text) };
  }
  return found;
}

/** Words that the base model's apologies begin with. */
const apologetic = ["I", "Sorry", "As", "No", "Unfortunately"];

/** Greedy, but for the first token: the likeliest that begins none of those words. */
function unapologetic(tokenizer: Tokenizer): Decoding {
  const tokens = [...new Set(apologetic.map((word) => tokenizer.encode(word)[0]!))];
  return withLogits(
    (logits, _contexts, rows) => {
      if (rows.every(({ ids }) => ids.length > 0)) return logits;
      const [, vocabulary] = logits.shape;
      const masked = tf.oneHot(tf.tensor1d(tokens, "int32"), vocabulary).sum<tf.Tensor1D>(0).expandDims(0); // [1, V]
      const first = tf.tensor2d(rows.map(({ ids }) => [ids.length === 0 ? -1e30 : 0])); // [B, 1]
      return tf.add(logits, tf.mul(first, masked));
    },
    { apologetic },
  );
}

/** A text up to the end of its last whole sentence; empty where none ends. A number and a dot that begin an item of a list end none. */
export function wholeSentences(text: string): string {
  const ends = [...text.matchAll(/(?<!(?:^|\n)\s*\d{1,3})[.!?]["')\]*]*(?=\s|$)/g)];
  const last = ends.at(-1);
  return last ? text.slice(0, last.index + last[0].length) : "";
}

/** The base model apologises to many harmless prompts; such an answer must not become a reference. */
const helps = (answer: string): boolean =>
  answer.split(/\s+/).length >= 3 &&
  judgeAnswer(answer) === "compliance" &&
  !/sorry|apologi|as an? (ai|chatbot|language|text|bot|digital)/i.test(answer);

/** The first items that together stay within a budget of tokens; at least one. Those behind them are not asked for. */
export function withinTokens<T>(items: Iterable<T>, tokensOf: (item: T) => number, budget: number): T[] {
  const taken: T[] = [];
  let tokens = 0;
  for (const item of items) {
    tokens += tokensOf(item);
    if (tokens > budget && taken.length > 0) break;
    taken.push(item);
  }
  return taken;
}
