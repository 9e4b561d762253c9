import type { Tokenizer } from "../model/tokenizer.js";

/** When completions are done, token by token. */
export interface AnswerStop {
  /** Whether a completion has nothing more that is waited for. It is followed from call to call where its list of tokens is the same one that grows, else read anew. */
  stop(ids: readonly number[]): boolean;
  /** Tokens of a completion up to and including `<answer>`; 0 where there is none. */
  thoughtTokens(ids: readonly number[]): number;
}

/** Tokens after which a thought is given up wherever policies answer: more than any thought of the training data has. */
export const longestThought = 130;

/** Tokens that a tag may take. */
const tagTokens = 8;

/** What is known of a completion's first tokens. */
interface Followed {
  tokens: number;
  /** A thought was begun. */
  begun: boolean;
  /** Tokens up to and including `<answer>`; 0 before. */
  answerAt: number;
  /** `</answer>` was reached. */
  closed: boolean;
}

/** Whether a beginning that is put before completions leaves a thought to go on with. */
export const leavesThoughtOpen = (beginning: string): boolean => beginning.includes("<assess>") && !beginning.includes("<answer>");

/**
 * Follows completions token by token. One ends at `</answer>`, `answerTokens` after `<answer>`, or after `thoughtTokens` of a thought
 * that is still open; where no thought was begun, the whole completion is an answer.
 *
 * @param limits where completions end
 * @param limits.thinking the thought was begun in the prompt
 */
export function answerStop(
  tokenizer: Tokenizer,
  { answerTokens, thoughtTokens, thinking = false }: { answerTokens: number; thoughtTokens: number; thinking?: boolean },
): AnswerStop {
  const completions = new WeakMap<readonly number[], Followed>(); // a search has several of one prompt
  const follow = (ids: readonly number[]): Followed => {
    const known = completions.get(ids) ?? { tokens: 0, begun: thinking, answerAt: 0, closed: false };
    while (known.tokens < ids.length) {
      const end = ++known.tokens;
      const tail = tokenizer.decode(ids.slice(Math.max(0, end - tagTokens), end));
      if (tail.includes("</answer>")) known.closed = true;
      else if (known.answerAt === 0 && tail.includes("<answer>")) known.answerAt = end;
      else if (tail.includes("<assess>")) known.begun = true;
    }
    completions.set(ids, known);
    return known;
  };
  return {
    thoughtTokens: (ids) => follow(ids).answerAt,
    stop(ids) {
      const { begun, answerAt, closed } = follow(ids);
      const thoughtOpen = begun && answerAt === 0;
      return closed || (thoughtOpen ? ids.length >= thoughtTokens : ids.length - answerAt >= answerTokens);
    },
  };
}
