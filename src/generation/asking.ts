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
  /**
   * Whether special strings in messages, system turn and prefill, such as `<|im_end|>`, are text; then only the template writes special tokens. Default: they are tokens, as
   * servers and transformers read them; in evaluations they are text unless this is false.
   */
  literal?: boolean;
}

/** The token ids that a question becomes: the conversation through the chat template, the opening of the model's turn, the prefill. */
export function askedIds(tokenizer: Tokenizer, asking: Asking, { messages, prefill = "" }: Question): number[] {
  const { chat, encode } = askingTokenizer(tokenizer, asking);
  return encode(chat(quotedText(tokenizer, asking, messages), { addGenerationPrompt: true }) + quotedText(tokenizer, asking, prefill));
}

/** The token ids of a text that gets no chat template, with what the tokenizer itself adds. */
export const textIds = (tokenizer: Tokenizer, asking: Asking, text: string): number[] =>
  askingTokenizer(tokenizer, asking).encode(quotedText(tokenizer, asking, text), { addSpecialTokens: true });

/** The tokenizer with its chats put in the given way. Where that is literal, texts and messages are given to it as `quotedText` makes them. */
export const askingTokenizer = (tokenizer: Tokenizer, asking: Asking): Tokenizer => ({
  ...tokenizer,
  encode: (text, options) => tokenizer.encode(text, { ...options, quoted: asking.literal }),
  chat(messages, options) {
    const { template, system } = asking;
    return tokenizer.chat(withSystem(messages, system && quotedText(tokenizer, asking, system)), { template, ...options });
  },
});

/** A text, or messages, quoted where the way of asking is literal, else as they are. */
export function quotedText<T extends string | readonly ChatMessage[]>(tokenizer: Tokenizer, asking: Asking, text: T): T;
export function quotedText({ quote }: Tokenizer, { literal = false }: Asking, text: string | readonly ChatMessage[]) {
  if (!literal) return text;
  return typeof text === "string" ? quote(text) : text.map(({ role, content }) => ({ role, content: quote(content) }));
}

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
