import { Template } from "@huggingface/jinja";
import { Tokenizer as HfTokenizer } from "@huggingface/tokenizers";
import { DataError } from "../data/errors.js";
import type { ChatMessage } from "../data/types.js";
import { WeightsError } from "./errors.js";
import { isMarked, quoter, readingQuoted, specialStrings } from "./quote.js";
import type { TokenizerFiles } from "./tokenizer-files.js";

export type { ChatMessage } from "../data/types.js";

/** Text to token ids and back, and the model's chat template. */
export interface Tokenizer {
  /**
   * Token ids. Special strings in the text, such as `<|im_end|>`, become their tokens.
   * @param options.addSpecialTokens puts around the text what the tokenizer's post-processor does, such as a beginning-of-text token: for a text by itself,
   *   as transformers' `tokenizer(text)` does; not for a rendered chat, whose template has written them. Default false.
   * @param options.quoted special strings in the parts of the text that `quote` has made stay text. Default false.
   */
  encode(text: string, options?: { addSpecialTokens?: boolean; quoted?: boolean }): number[];
  /** A text in which special strings are meant as text: for `encode` with `quoted`, by itself or inside a rendered chat. Nobody else reads it. */
  quote(text: string): string;
  /** Text without the special tokens, untrimmed. */
  decode(ids: readonly number[]): string;
  /** A token's id by its exact string. */
  id(token: string): number | undefined;
  /** The token that ends a completion. */
  readonly eosId: number;
  /**
   * The conversation as text through the model's template, with its default system turn, or through another template (Jinja).
   * @param options.addGenerationPrompt puts the opening of the model's turn behind it; default false
   * @throws WeightsError when the model has no template, or it refuses these messages; DataError when the other one is broken or does
   */
  chat(messages: readonly ChatMessage[], options?: { addGenerationPrompt?: boolean; template?: string }): string;
  /** The parsed tokenizer.json and tokenizer_config.json, as a saved model has them. */
  readonly files: TokenizerFiles;
}

/**
 * A tokenizer from its definition.
 * @param source the file or directory it came from, for errors
 * @throws WeightsError when the definition is broken
 */
export function createTokenizer(files: TokenizerFiles, source: string): Tokenizer {
  let inner: HfTokenizer;
  try {
    inner = new HfTokenizer({ ...files.tokenizer, pre_tokenizer: digitsAsInRust(files.tokenizer.pre_tokenizer) }, files.config);
    inner.encode("a", { add_special_tokens: false }); // some parts are looked at in use only
  } catch (error) {
    throw new WeightsError(source, `broken tokenizer: ${(error as Error).message}`, "download tokenizer.json again");
  }
  const eosId = inner.token_to_id(files.config.eos_token);
  if (eosId === undefined) throw new WeightsError(source, `the tokenizer has no token ${files.config.eos_token}`, `correct "eos_token"`);
  let template: Template | undefined;
  try {
    if (files.config.chat_template !== undefined) template = new Template(files.config.chat_template);
  } catch (error) {
    throw new WeightsError(source, `broken chat template: ${(error as Error).message}`, 'correct "chat_template"');
  }
  const quoting = readingQuoted(inner);
  return {
    files,
    eosId,
    encode(text, { addSpecialTokens = false, quoted = false } = {}) {
      if (text === "" && !addSpecialTokens) return [];
      return (quoted && isMarked(text) ? quoting : inner).encode(text, { add_special_tokens: addSpecialTokens }).ids;
    },
    quote: quoter(specialStrings(files.tokenizer)),
    decode: (ids) => (ids.length === 0 ? "" : inner.decode([...ids], { skip_special_tokens: true, clean_up_tokenization_spaces: false })),
    id: (token) => inner.token_to_id(token),
    chat(messages, { addGenerationPrompt = false, template: other } = {}) {
      const used = other === undefined ? template : parseTemplate(other, "the template that was given");
      if (!used) throw new WeightsError(source, "the model has no chat template", "give prompts as strings");
      const { bos_token = "", eos_token } = files.config;
      try {
        return used.render({ messages: [...messages], add_generation_prompt: addGenerationPrompt, bos_token, eos_token });
      } catch (error) {
        const roles = messages.map(({ role }) => role).join(", "); // a template may refuse a system turn, or an order of turns
        const problem = `does not take messages of ${roles}: ${(error as Error).message}`;
        if (other !== undefined) throw new DataError(`the template that was given ${problem}`);
        throw new WeightsError(source, `the chat template ${problem}`);
      }
    },
  };
}

/**
 * A chat template in Jinja.
 * @param whose begins the error
 * @throws DataError when it is broken
 */
export function parseTemplate(text: string, whose: string): Template {
  try {
    return new Template(text);
  } catch (error) {
    throw new DataError(`${whose}: broken chat template: ${(error as Error).message}`);
  }
}

/**
 * The pre-tokenizer with every "Digits" step written out as a split at \p{N}, which is what the Rust library's step does; @huggingface/tokenizers 0.2
 * splits at ASCII digits only, so that "\u00bd" or "\u2167" would be encoded otherwise.
 */
function digitsAsInRust(step: unknown): unknown {
  if (typeof step !== "object" || step === null) return step;
  const { type, individual_digits, pretokenizers } = step as { type?: string; individual_digits?: boolean; pretokenizers?: unknown[] };
  if (type === "Sequence" && Array.isArray(pretokenizers)) return { ...step, pretokenizers: pretokenizers.map(digitsAsInRust) };
  if (type !== "Digits") return step;
  return { type: "Split", pattern: { Regex: individual_digits ? "\\p{N}" : "\\p{N}+" }, behavior: "Isolated", invert: false };
}
