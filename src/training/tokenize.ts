import { DataError } from "../data/errors.js";
import type { CompletionRow } from "../data/tokens.js";
import type { ChatMessage, Tokenizer } from "../model/tokenizer.js";

/** A prompt or a completion: plain text, or the turns of a chat. */
export type Text = string | readonly ChatMessage[];

/**
 * Token ids of a prompt and its completions, with TRL 1.16's meaning. Prompt and completion are tokenised together; the completions start where the prompt's ids and any
 * of the joint sequences part, so that a token that grows over the seam belongs to the completion, and one completion moves the seam for all.
 * Strings get what the tokenizer itself adds, such as a beginning-of-text token, and the end-of-sequence token unless they end in it; chats go through the model's
 * template, whose end of turn belongs to the completion.
 *
 * @param completions at least one, all of the prompt's kind: strings or messages
 * @throws DataError when kinds are mixed
 */
export function tokenizeCompletions(
  tokenizer: Tokenizer,
  prompt: Text,
  completions: readonly Text[],
): { prompt: number[]; completions: number[][] } {
  const alone = promptIds(tokenizer, prompt);
  const joint = completions.map((completion) => jointIds(tokenizer, prompt, completion));
  const start = Math.min(...joint.map((ids) => sharedLength(alone, ids)));
  return { prompt: alone.slice(0, start), completions: joint.map((ids) => ids.slice(start)) };
}

/** Token ids of a prompt by itself: a string with what the tokenizer adds, a chat with the opening of the assistant's turn. */
export function promptIds(tokenizer: Tokenizer, prompt: Text): number[] {
  if (typeof prompt === "string") return tokenizer.encode(prompt, { addSpecialTokens: true });
  return tokenizer.encode(tokenizer.chat([...prompt], { addGenerationPrompt: true }));
}

/**
 * Keeps the first `maxLength` tokens of prompt and completion together, and the targets and weights of these.
 * @returns null when nothing of the completion would be left: such a row teaches nothing, and TRL leaves it out
 */
export function keepStart<T extends CompletionRow>(row: T, maxLength: number): T | null {
  const left = maxLength - row.prompt.length;
  if (left <= 0) return null;
  if (row.completion.length <= left) return row;
  const targets = row.targets && { targets: row.targets.slice(0, left) };
  const weights = row.weights && { weights: row.weights.slice(0, left) };
  return { ...row, completion: row.completion.slice(0, left), ...targets, ...weights };
}

function jointIds(tokenizer: Tokenizer, prompt: Text, completion: Text): number[] {
  if (typeof prompt === "string" && typeof completion === "string") {
    const end = tokenizer.files.config.eos_token;
    return tokenizer.encode(prompt + completion + (completion.endsWith(end) ? "" : end), { addSpecialTokens: true });
  }
  if (typeof prompt === "string" || typeof completion === "string") {
    throw new DataError("prompt and completion must both be strings, or both be messages");
  }
  return tokenizer.encode(tokenizer.chat([...prompt, ...completion]));
}

function sharedLength(a: readonly number[], b: readonly number[]): number {
  let n = 0;
  while (n < a.length && n < b.length && a[n] === b[n]) n++;
  return n;
}
