import type { Tokenizer as HfTokenizer } from "@huggingface/tokenizers";

/** A character that Unicode keeps for use inside programs. A text that has it all the same is quoted as well. */
const MARK = "\ufdd0";
const [ITSELF, INSIDE] = [`${MARK}0`, `${MARK}1`];

/** The strings that a tokenizer.json calls special; none where it is broken, which is said elsewhere. */
export function specialStrings({ added_tokens }: Record<string, unknown>): string[] {
  if (!Array.isArray(added_tokens)) return [];
  const specials = (added_tokens as ({ content?: unknown; special?: unknown } | null)[]).filter((token) => token?.special === true);
  return specials.flatMap((token) => (typeof token?.content === "string" && token.content !== "" ? [token.content] : []));
}

/**
 * Puts a mark behind the first character of each special string of a text, wherever one begins, so that none is found there when the text has become a part of another one,
 * such as a rendered chat.
 */
export function quoter(specials: readonly string[]): (text: string) => string {
  if (specials.length === 0) return (text) => text.replaceAll(MARK, ITSELF);
  const any = specials.map((special) => special.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&")).join("|");
  const beginning = new RegExp(`(?=${any})(.)`, "gsu");
  return (text) => text.replaceAll(MARK, ITSELF).replace(beginning, `$1${INSIDE}`);
}

const unquoted = (text: string): string => text.replaceAll(INSIDE, "").replaceAll(ITSELF, MARK);

/**
 * A tokenizer that reads quoted text. Special strings are looked for while the marks are there, and the marks are gone before the rest is split into words: as in
 * transformers with `split_special_tokens`, for the quoted parts of a text alone. It shares the vocabulary of `inner`.
 */
export function readingQuoted(inner: HfTokenizer): HfTokenizer {
  const split = inner.pre_tokenizer;
  const pre_tokenizer = (text: string, options: object) => (split ? split.pre_tokenize(unquoted(text), options) : [unquoted(text)]);
  return Object.assign(Object.create(Object.getPrototypeOf(inner)), inner, { pre_tokenizer });
}

/** Whether a quoted text holds marks. */
export const isMarked = (text: string): boolean => text.includes(MARK);
