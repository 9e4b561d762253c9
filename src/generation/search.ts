import { digestOf, type Identity } from "../data/identity.js";
import type { Tokenizer } from "../model/tokenizer.js";
import type { Choice } from "./choose.js";
import type { Completion, Prompt, SampleOptions, Sampler } from "./types.js";

/** Finds one completion per prompt by trying several: best of N, a beam, a tree. */
export interface Search {
  /** How the candidates' tokens are drawn. */
  readonly choice: Choice;
  /** What is found depends on, in readable form. */
  readonly identity: Identity;
  /**
   * @param sample the policy without its search: one completion per prompt, in batches; a prompt's `begun` goes on from a candidate's tokens
   * @returns one completion per prompt, in any order
   */
  find(sample: Sampler, prompts: readonly Prompt[], options: SampleOptions, tokenizer: Tokenizer): AsyncGenerator<Completion>;
}

/** A completion that a search may choose. */
export interface Candidate extends Completion {
  text: string;
}

/**
 * Scores a prompt's candidates, a number each; the higher the better. NaN, or not as many numbers, ends the call with a RangeError.
 * @param index which prompt of the call
 * @param prompt the prompt itself
 */
export type Score = (candidates: readonly Candidate[], index: number, prompt: Prompt) => readonly number[] | Promise<readonly number[]>;

/**
 * Best of N: N completions of each prompt, of which the one with the highest score is taken; of equal ones the first.
 *
 * @param options the candidates, and what they are chosen by
 * @param options.score scores a prompt's candidates, a number each
 * @param options.settings what the score depends on beside its code
 * @throws RangeError unless n is a whole number >= 1
 */
export function bestOf({
  n,
  temperature = 1,
  score,
  settings = {},
}: {
  n: number;
  temperature?: number;
  score: Score;
  settings?: Identity;
}): Search {
  if (!(Number.isInteger(n) && n >= 1)) throw new RangeError(`bestOf: n must be a whole number >= 1, got ${n}`);
  return {
    choice: { temperature },
    identity: { kind: "best of", n, temperature, settings, code: digestOf(String(score)).slice(0, 16) },
    async *find(sample, prompts, { stop, stream = String, ...options }, tokenizer) {
      const many = prompts.flatMap((prompt) => Array.from({ length: n }, () => prompt));
      const candidates = prompts.map((): Candidate[] => []);
      const tries = sample(many, {
        ...options,
        stream: (k) => (k % n === 0 ? stream(k / n) : `${stream(Math.floor(k / n))} ${k % n}`), // the first is what there is without a search
        ...(stop && { stop: (ids, k) => stop(ids, Math.floor(k / n)) }),
      });
      for await (const tried of tries) {
        const index = Math.floor(tried.index / n);
        const own = candidates[index]!;
        own[tried.index % n] = { ...tried, index, text: tokenizer.decode(tried.ids) };
        if (own.filter(Boolean).length < n) continue;
        const scores = checkedScores("bestOf", await score(own, index, prompts[index]!), own);
        const { ids, finished } = own[scores.indexOf(Math.max(...scores))]!;
        yield { index, ids, finished, seconds: Math.max(...own.map(({ seconds }) => seconds)) };
        candidates[index] = [];
      }
    },
  };
}

/** A search's scores. @throws RangeError when there is not one for each candidate, or one is NaN */
export function checkedScores(search: string, scores: readonly number[], candidates: readonly Candidate[]): readonly number[] {
  if (scores.length !== candidates.length)
    throw new RangeError(`${search}: score gave ${scores.length} numbers for ${candidates.length} candidates`);
  if (scores.some(Number.isNaN)) throw new RangeError(`${search}: score gave NaN`);
  return scores;
}
