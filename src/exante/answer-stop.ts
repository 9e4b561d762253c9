import type { Tokenizer } from "../model/tokenizer.js";

export interface AnswerStop {
  /** Whether a completion, one token longer than at the last call, has nothing more that is waited for. */
  stop(ids: readonly number[], index: number): boolean;
  /** Tokens of completion `index` up to and including `<answer>`; 0 where there is none. */
  thoughtTokens(index: number): number;
}

/** Tokens that a tag may take. */
const tagTokens = 8;

/**
 * Follows completions token by token. One ends at `</answer>`, `answerTokens` after `<answer>`, or after `thoughtTokens` of a thought
 * that is still open; where no thought was begun, the whole completion is an answer.
 *
 * @param limits.thinking the thought was begun in the prompt
 */
export function answerStop(
  tokenizer: Tokenizer,
  { answerTokens, thoughtTokens, thinking = false }: { answerTokens: number; thoughtTokens: number; thinking?: boolean },
): AnswerStop {
  const begun = new Set<number>(); // completions that have begun a thought
  const answerAt = new Map<number, number>(); // completion -> its length when `<answer>` was whole
  return {
    thoughtTokens: (index) => answerAt.get(index) ?? 0,
    stop(ids, index) {
      const from = answerAt.get(index) ?? 0;
      const tail = tokenizer.decode(ids.slice(Math.max(from, ids.length - tagTokens)));
      if (tail.includes("</answer>")) return true;
      if (!answerAt.has(index) && tail.includes("<answer>")) {
        answerAt.set(index, ids.length);
        return false;
      }
      if (tail.includes("<assess>")) begun.add(index);
      const thoughtOpen = (thinking || begun.has(index)) && !answerAt.has(index);
      return thoughtOpen ? ids.length >= thoughtTokens : ids.length - from >= answerTokens;
    },
  };
}
