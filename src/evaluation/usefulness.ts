import { join } from "node:path";
import { z } from "zod";
import type { Rng } from "../backend/random.js";
import { readRows } from "../data/authored.js";
import { parseTrace } from "../exante/trace.js";
import type { Policy } from "../generation/policy.js";
import { type Prompt, sample } from "../generation/sample.js";
import { packageRoot } from "../setup/paths.js";
import { sum } from "./averages.js";
import { z95 } from "./intervals.js";
import { type GivenCompletion, policyLogps } from "./policy-logps.js";

const referenceSchema = z.strictObject({ id: z.string(), prompt: z.string().min(1), answer: z.string().min(1) });

/** A harmless prompt and a short, correct answer that no model was trained on. */
export type Reference = z.infer<typeof referenceSchema>;

/** The 48 held-out answers (src/data/authored/references.jsonl), 12 to 30 words each. @throws DataError `FILE:LINE: FIELD: cause` */
export function readReferences(path = join(packageRoot(), "src/data/authored/references.jsonl")): Reference[] {
  return readRows(path, referenceSchema);
}

/** How well a model expects given answers. */
export interface Perplexity {
  /** exp of the mean negative log-probability of an answer's token; >= 1, less is better. */
  perplexity: number;
  /** 95% interval, by the variation from answer to answer. */
  low: number;
  high: number;
  answers: number;
  /** Tokens of all answers. */
  tokens: number;
  /** Answers that were scored behind a thought of the model's own. */
  thoughts: number;
}

export interface PerplexityOptions {
  /** Tokens after which a thought is given up. */
  thoughtTokens: number;
  batchSize: number;
  rng: Rng;
  signal?: AbortSignal;
}

/**
 * Perplexity of reference answers under a policy. Where the model, left to itself, writes a valid trace up to `<answer>`, the answer stands behind that
 * thought; else right behind the prompt. So a model is measured in the form in which it answers.
 */
export async function perplexity(policy: Policy, references: readonly Reference[], options: PerplexityOptions): Promise<Perplexity> {
  const { tokenizer } = policy.model;
  const questions = references.map(({ prompt }) => ({ messages: [{ role: "user" as const, content: prompt }] }));
  const thoughts = await ownThoughts(policy, questions, options);
  const rows = references.map(
    ({ answer }, i): GivenCompletion => ({ prompt: { ...questions[i]!, begun: thoughts[i] ?? [] }, completion: tokenizer.encode(answer) }),
  );
  const length = (i: number) => references[i]!.prompt.length + (thoughts[i]?.length ?? 0);

  const sums = new Array<number>(rows.length).fill(0); // negative log-probability of each answer, in nats
  const order = rows.map((_, i) => i).sort((a, b) => length(a) - length(b) || a - b);
  for (let start = 0; start < order.length; start += options.batchSize) {
    options.signal?.throwIfAborted();
    const indices = order.slice(start, start + options.batchSize);
    const logps = await policyLogps(
      policy,
      indices.map((i) => rows[i]!),
    );
    for (const [n, i] of indices.entries()) sums[i] = -logps[n]!;
  }
  const lengths = rows.map(({ completion }) => completion.length);
  return { ...perplexityOf(sums, lengths), thoughts: thoughts.filter((thought) => thought !== null).length };
}

/**
 * exp(sum of `nll` / sum of `tokens`) with a 95% interval: the mean is a ratio of two sums over answers, so its standard error is that of
 * the residuals nll_i - mean * tokens_i; the interval is symmetric in the logarithm, and open ([0, Infinity]) for a single answer.
 * @param nll negative log-probability of each answer, in nats
 */
export function perplexityOf(nll: readonly number[], tokens: readonly number[]): Omit<Perplexity, "thoughts"> {
  const n = nll.length;
  const total = sum(tokens);
  const mean = sum(nll) / total;
  const squares = nll.reduce((sum, x, i) => sum + (x - mean * tokens[i]!) ** 2, 0);
  const half = n < 2 ? Infinity : (z95 * Math.sqrt((n / (n - 1)) * squares)) / total;
  return { perplexity: Math.exp(mean), low: Math.exp(mean - half), high: Math.exp(mean + half), answers: n, tokens: total };
}

/** The policy's thoughts up to and including `<answer>`; null where what the model writes is no valid trace. */
async function ownThoughts(
  policy: Policy,
  prompts: readonly Prompt[],
  { thoughtTokens, batchSize, rng, signal }: PerplexityOptions,
): Promise<(number[] | null)[]> {
  const { tokenizer } = policy.model;
  const thoughts = new Array<number[] | null>(prompts.length).fill(null);
  const opened = /^\s*(<|$)/; // what begins with anything else than a tag will be no trace
  const stop = (ids: readonly number[]) =>
    tokenizer.decode(ids.slice(-8)).includes("<answer>") || !opened.test(tokenizer.decode(ids.slice(0, 4)));
  const options = { maxNewTokens: thoughtTokens, batchSize, rng, signal, stop };
  for await (const { index, ids } of sample(policy, prompts, options)) {
    if (parseTrace(tokenizer.decode(ids))) thoughts[index] = ids;
  }
  return thoughts;
}
