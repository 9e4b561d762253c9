import { rmSync } from "node:fs";
import type { Rng } from "../../backend/random.js";
import { digestOf, type Identity, type IdentityValue } from "../../data/identity.js";
import { formatJsonl, readAppended } from "../../data/jsonl.js";
import type { Question } from "../../generation/asking.js";
import { type Policy, policyIdentity } from "../../generation/policy.js";
import { sample } from "../../generation/sample.js";
import { standsOn } from "../../runs/evaluate.js";
import { takePlace } from "../../runs/keep.js";
import type { Run } from "../../runs/run.js";
import { writeAtomic } from "../../setup/atomic.js";
import { pieces } from "../../setup/lists.js";

/** How a policy writes texts. */
export interface WritingOptions {
  maxNewTokens: number;
  rng: Rng;
  /** The name of a question's random stream. */
  stream: (index: number) => string;
  /** Sentences after which a text ends. */
  sentences: number;
  signal?: AbortSignal;
}

/** Questions that are answered together, and stored together: rows of a batch share their sums' rounding. */
const batchSize = 48;

/** A text's prefill and what a policy has written behind it, without spaces at the ends; in the order of the questions. */
export async function written(policy: Policy, questions: readonly Question[], options: WritingOptions): Promise<string[]> {
  const { maxNewTokens, rng, stream, sentences, signal } = options;
  const { tokenizer } = policy.model;
  const stop = (ids: readonly number[]) => sentencesIn(tokenizer.decode(ids)) >= sentences;
  const texts = new Array<string>(questions.length);
  for await (const { index, ids } of sample(policy, questions, { maxNewTokens, batchSize, rng, stream, stop, signal })) {
    const text = `${questions[index]!.prefill ?? ""}${tokenizer.decode(ids)}`;
    texts[index] = text.replaceAll("\n", " ").trim();
  }
  return texts;
}

/** Sentences that have ended in a text. "Mr.", "Dr." and other short words with a capital, which titles have, end none. */
export const sentencesIn = (text: string): number =>
  text.split(" ").filter((word) => [".", "!", "?"].includes(word.slice(-1)) && (word.length > 4 || word[0] === word[0]!.toLowerCase()))
    .length;

/**
 * Greedy answers of an expert to some questions; kept in the run's folder as JSON Lines, by whole pieces until there are all.
 * @throws KeptError when the file holds answers of another expert or to other questions
 */
export async function keptWriting(
  run: Run,
  path: string,
  policy: Policy,
  questions: readonly Question[],
  options: Omit<WritingOptions, "rng" | "stream">,
): Promise<string[]> {
  const { maxNewTokens, sentences, signal } = options;
  const identity: Identity = {
    recipe: "Reason4Rec, writing",
    version: 1,
    policy: await policyIdentity(policy),
    questions: digestOf(questions as unknown as IdentityValue),
    ...{ maxNewTokens, sentences, batchSize },
    precision: run.device.precision,
    ...standsOn(run, policy),
  };
  const file = run.path(path);
  const partial = `${file}.partial`;
  using place = await takePlace(run, path, [path, `${path}.partial`], identity, signal);
  if (!place.whole) {
    const rows = readAppended(partial) as { text: string }[];
    for (const piece of pieces(questions, batchSize).slice(rows.length / batchSize)) {
      const texts = await written(policy, piece, { maxNewTokens, sentences, rng: run.rng(path), stream: String, signal });
      rows.push(...texts.map((text) => ({ text })));
      if (rows.length < questions.length) writeAtomic(partial, [formatJsonl(rows)]);
    }
    place.write([formatJsonl(rows)]);
    rmSync(partial, { force: true });
  }
  return readAppended(file).map(({ text }) => text as string);
}
