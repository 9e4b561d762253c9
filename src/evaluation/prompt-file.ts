import { z } from "zod";
import { DataError } from "../data/errors.js";
import { readFirstJsonl, readJsonl } from "../data/jsonl.js";
import { begunTurn, messagesSchema } from "../data/messages.js";
import { type Prompt, promptTokens, type Question, textIds } from "../generation/asking.js";
import { waysOf } from "../generation/contexts.js";
import type { Policy } from "../generation/policy.js";

const promptSchema = z.union([z.string(), messagesSchema]);

/** A row of a prompt file: its prompt, and all of its fields. */
export interface PromptLine {
  line: number;
  /** A text that is gone on with, or a conversation that is to be answered. */
  prompt: string | Question;
  fields: Record<string, unknown>;
}

/**
 * Rows {"prompt": string or messages, "prefill"?, ...} of a JSON Lines file. `prefill` is the text with which the model's own turn begins: it is put right behind a
 * string; in messages an assistant's turn at the end says the same.
 * @param limit so many rows at most, from the first: only as much of the file is read
 * @throws DataError `FILE:LINE: cause`
 */
export function readPrompts(path: string, limit?: number): PromptLine[] {
  const rows = (limit === undefined ? readJsonl(path) : readFirstJsonl(path, limit)).map(({ line, value }) => {
    const where = `${path}:${line}`;
    if (!("prompt" in value)) throw new DataError(`${where}: missing field "prompt"`);
    const prompt = promptSchema.safeParse(value.prompt);
    if (!prompt.success) throw new DataError(`${where}: prompt: must be a string or a list of messages {role, content}`);
    const { prefill = "" } = value;
    if (typeof prefill !== "string") throw new DataError(`${where}: prefill: must be a string`);
    if (typeof prompt.data === "string") return { line, prompt: prompt.data + prefill, fields: value };
    const question = begunTurn(prompt.data);
    if (prefill !== "" && question.prefill !== undefined)
      throw new DataError(
        `${where}: prefill: the last message is the assistant's, which begins the model's turn already: give one of both`,
      );
    return { line, prompt: prefill === "" ? question : { ...question, prefill }, fields: value };
  });
  if (rows.length === 0) throw new DataError(`${path}: there are no prompts in it`);
  return rows;
}

/**
 * What a policy is given of each row. A string gets what the tokenizer itself adds, such as a beginning-of-text token, and no template; messages are asked in the
 * policy's way.
 * @throws DataError `FILE:LINE: prompt: cause`: empty, too long with `maxNewTokens` for the model's positions, or a string where the policy needs messages
 */
export function promptsFor(policy: Policy, rows: readonly PromptLine[], path: string, maxNewTokens: number): Prompt[] {
  const { tokenizer, config } = policy.model;
  const ways = waysOf(policy);
  return rows.map(({ line, prompt }) => {
    const where = `${path}:${line}: prompt`;
    const why = typeof prompt === "string" ? whyMessages(policy) : undefined;
    if (why) throw new DataError(`${where}: ${why}`);
    const given = typeof prompt === "string" ? textIds(tokenizer, policy.asking, prompt) : prompt;
    const tokens = Math.max(...ways.map((way) => promptTokens(tokenizer, way, given).length));
    if (tokens === 0) throw new DataError(`${where}: is empty`);
    if (tokens + maxNewTokens > config.maxPositions)
      throw new DataError(`${where}: ${tokens} tokens and ${maxNewTokens} new ones, but the model has ${config.maxPositions} positions`);
    return given;
  });
}

/** Why a policy cannot be given a string, which gets no chat template; undefined where it can. */
export function whyMessages({ name, asking, decoding }: Policy): string | undefined {
  const has = asking.system !== undefined ? "a system prompt" : decoding.contexts.length > 0 ? "a second way of asking" : undefined;
  return has && `is a string, which gets no chat template, but the policy "${name}" has ${has}: give messages`;
}
