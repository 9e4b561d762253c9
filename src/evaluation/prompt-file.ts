import { z } from "zod";
import { DataError } from "../data/errors.js";
import { readJsonl } from "../data/jsonl.js";
import type { ChatMessage, Tokenizer } from "../model/tokenizer.js";

const messageSchema = z.object({ role: z.enum(["system", "user", "assistant"]), content: z.string() });
const promptSchema = z.union([z.string(), z.array(messageSchema).min(1)]);

/** A row of a prompt file: its prompt, and all of its fields. */
export interface PromptLine {
  line: number;
  prompt: string | ChatMessage[];
  fields: Record<string, unknown>;
}

/**
 * Rows {"prompt": string or messages, ...} of a JSON Lines file.
 * @throws DataError `FILE:LINE: cause`
 */
export function readPrompts(path: string): PromptLine[] {
  const rows = readJsonl(path).map(({ line, value }) => {
    if (!("prompt" in value)) throw new DataError(`${path}:${line}: missing field "prompt"`);
    const prompt = promptSchema.safeParse(value.prompt);
    if (!prompt.success) throw new DataError(`${path}:${line}: prompt: must be a string or a list of messages {role, content}`);
    return { line, prompt: prompt.data, fields: value };
  });
  if (rows.length === 0) throw new DataError(`${path}: there are no prompts in it`);
  return rows;
}

/**
 * What the model is given. A string gets what the tokenizer itself adds, such as a beginning-of-text token, and no template; messages go
 * through the model's template and open the assistant's turn, or, where the last message is the assistant's, go on with it.
 */
export function promptTokens(prompt: string | ChatMessage[], tokenizer: Tokenizer): number[] {
  if (typeof prompt === "string") return tokenizer.encode(prompt, { addSpecialTokens: true });
  const last = prompt.at(-1)!;
  const begun = last.role === "assistant" ? last.content : "";
  const turns = last.role === "assistant" ? prompt.slice(0, -1) : prompt;
  return tokenizer.encode(tokenizer.chat(turns, { addGenerationPrompt: true }) + begun);
}
