import { DataError } from "../data/errors.js";
import { askedIds } from "../generation/asking.js";
import type { Policy } from "../generation/policy.js";
import type { Tokenizer } from "../model/tokenizer.js";
import { type AttackRow, noAttack } from "./attacks.js";

/** Words behind a prompt, as text and as the token ids that they become there. */
export interface Suffix {
  /** What is put behind the prompt, a space included. */
  text: string;
  ids: readonly number[];
}

/** Where a suffix stands in the token ids of a prompt as a policy is asked it. */
export interface SuffixPlace {
  /** What stands before it: a system turn, earlier turns, the prompt. */
  head: readonly number[];
  /** What stands behind it: the end of the user's turn, the beginning of the model's. */
  tail: readonly number[];
  /** " ! ! ! ...": what a search starts from. */
  start: Suffix;
  /** The text of token ids in this place; undefined where that text, put behind the prompt, becomes other tokens: then nobody could type it. */
  textOf(ids: readonly number[]): string | undefined;
}

const mark = " !";

/**
 * The place of a suffix of so many tokens behind a row's prompt.
 * @param tokens of the suffix; where " !" is several tokens, as many marks as go into them
 * @throws RangeError when no mark goes into the tokens; DataError when the prompt's own tokens change where something is put behind it
 */
export function suffixPlace({ model: { tokenizer }, asking }: Policy, row: AttackRow, tokens: number): SuffixPlace {
  const asked = (text: string) => askedIds(tokenizer, asking, noAttack.ask({ ...row, prompt: row.prompt + text }, 0));
  const changes = new DataError(
    `suffix: the tokens of prompt ${row.id} change when " !" is put behind it: end it with a word or a full stop`,
  );
  const bare = asked("");
  const perMark = asked(mark).length - bare.length;
  if (perMark < 1) throw changes;
  const text = mark.repeat(Math.floor(tokens / perMark));
  if (text === "") throw new RangeError(`suffix: " !" is ${perMark} tokens of this model, a suffix of ${tokens} holds none: give it more`);
  const whole = asked(text);
  const at = whole.findIndex((id, i) => id !== bare[i]);
  const [head, tail] = [bare.slice(0, at), bare.slice(at)];
  const ids = whole.slice(at, whole.length - tail.length);
  const textOf = (ids: readonly number[]): string | undefined => {
    const text = textBehind(tokenizer, head, ids);
    return same(asked(text), [...head, ...ids, ...tail]) ? text : undefined;
  };
  if (textOf(ids) !== text) throw changes;
  return { head, tail, start: { text, ids }, textOf };
}

/** What tokens add to the text of those before them: some tokenizers write a token otherwise where it begins a text. */
function textBehind(tokenizer: Tokenizer, head: readonly number[], ids: readonly number[]): string {
  const before = head.slice(-1);
  return tokenizer.decode([...before, ...ids]).slice(tokenizer.decode(before).length);
}

const same = (a: readonly number[], b: readonly number[]): boolean => a.length === b.length && a.every((id, i) => id === b[i]);

/** The tokens that are printable ASCII and neither special nor added to the vocabulary by hand, in the order of their ids; all < vocabSize. */
export function asciiTokens(tokenizer: Tokenizer, vocabSize: number): number[] {
  const { added_tokens = [] } = tokenizer.files.tokenizer as { added_tokens?: { id: number }[] };
  const added = new Set(added_tokens.map(({ id }) => id));
  return Array.from({ length: vocabSize }, (_, id) => id).filter((id) => !added.has(id) && /^[\x20-\x7e]+$/.test(tokenizer.decode([id])));
}
