import type { ChatMessage, Tokenizer } from "../model/tokenizer.js";

/** A conversation that a model is to answer, and how its own turn is made to begin. */
export interface Question {
  messages: readonly ChatMessage[];
  prefill?: string;
}

/** How a question is put to a model. */
export interface Asking {
  /** A system turn before the conversation; before the conversation's own where it has one. Default: the chat template's. */
  system?: string;
  /** A chat template in Jinja, in the place of the model's own. */
  template?: string;
}

/** The token ids that a question becomes: the conversation through the chat template, the opening of the model's turn, the prefill. */
export function askedIds(tokenizer: Tokenizer, asking: Asking, { messages, prefill = "" }: Question): number[] {
  return tokenizer.encode(askingTokenizer(tokenizer, asking).chat(messages, { addGenerationPrompt: true }) + prefill);
}

/** The tokenizer with its chats put in the given way. */
export const askingTokenizer = (tokenizer: Tokenizer, { system, template }: Asking): Tokenizer => ({
  ...tokenizer,
  chat: (messages, options) => tokenizer.chat(withSystem(messages, system), { template, ...options }),
});

/** What is gone on from: token ids as they are, or a question; `begun` are tokens of the model's turn that are there already. */
export type Prompt = readonly number[] | (Question & { begun?: readonly number[] });

/** Whether a prompt is token ids, which are the same however one asks. */
export const isIds = (prompt: Prompt): prompt is readonly number[] => Array.isArray(prompt);

/** A prompt as token ids, a question asked in the given way. */
export const promptTokens = (tokenizer: Tokenizer, asking: Asking, prompt: Prompt): readonly number[] =>
  isIds(prompt) ? prompt : [...askedIds(tokenizer, asking, prompt), ...(prompt.begun ?? [])];

function withSystem(messages: readonly ChatMessage[], system: string | undefined): ChatMessage[] {
  if (system === undefined) return [...messages];
  const [first, ...rest] = messages;
  return first?.role === "system"
    ? [{ role: "system", content: `${system}\n\n${first.content}` }, ...rest]
    : [{ role: "system", content: system }, ...messages];
}
