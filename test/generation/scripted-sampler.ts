import { isIds, type Prompt } from "../../src/generation/asking.js";
import type { Candidate } from "../../src/generation/search.js";
import type { SampleOptions, Sampler } from "../../src/generation/types.js";
import type { Tokenizer } from "../../src/model/tokenizer.js";

/**
 * A sampler that goes on as it is told: the n-th prompt of a call with the same text so far gets the n-th continuation of `script[text]`, where `$` is the model's end token. It
 * yields the last one first, and keeps what it was called with.
 */
export function scriptedSampler(tokenizer: Tokenizer, script: Record<string, readonly string[]>) {
  const calls: { texts: string[]; options: SampleOptions }[] = [];
  const textOf = (prompt: Prompt) =>
    isIds(prompt) ? tokenizer.decode(prompt) : prompt.messages.at(-1)!.content + tokenizer.decode(prompt.begun ?? []);
  const sampler: Sampler = async function* (prompts, options) {
    const texts = prompts.map(textOf);
    calls.push({ texts, options });
    const taken = new Map<string, number>();
    const completions = texts.map((text, index) => {
      const nth = taken.get(text) ?? 0;
      taken.set(text, nth + 1);
      const written = script[text]?.[nth];
      if (written === undefined) throw new Error(`continuation ${nth + 1} of "${text}" is not scripted`);
      const ids: number[] = [];
      let finished = false;
      for (const id of [...tokenizer.encode(written.replace("$", "")), ...(written.endsWith("$") ? [tokenizer.eosId] : [])]) {
        ids.push(id);
        finished = id === tokenizer.eosId || (options.stop?.(ids, index) ?? false);
        if (finished || ids.length === options.maxNewTokens) break;
      }
      return { index, ids, finished, seconds: 1 };
    });
    yield* completions.reverse();
  };
  return { sampler, calls };
}

/** Scores by a table of texts; what it was asked is kept. */
export function tableScore(table: Record<string, number>) {
  const asked: string[][] = [];
  const score = async (candidates: readonly Candidate[]) => {
    asked.push(candidates.map(({ text }) => text));
    return candidates.map(({ text }) => {
      const value = table[text];
      if (value === undefined) throw new Error(`"${text}" has no score`);
      return value;
    });
  };
  return { score, asked };
}
