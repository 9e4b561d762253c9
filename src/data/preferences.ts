import { isDeepStrictEqual } from "node:util";
import { DataError } from "./errors.js";
import { readJsonl } from "./jsonl.js";

/** One turn of a chat. */
export interface Message {
  role: "system" | "user" | "assistant";
  content: string;
}

/** A prompt and its completion with TRL's columns: strings, or messages. */
export interface PromptCompletionRow {
  prompt: string | Message[];
  completion: string | Message[];
}

/** A completion with a label with TRL's columns: whether it is a desirable one. */
export interface UnpairedRow extends PromptCompletionRow {
  label: boolean;
}

/** A preference pair with TRL's columns: strings, or messages. */
export interface PreferenceRow {
  prompt: string | Message[];
  chosen: string | Message[];
  rejected: string | Message[];
}

/** Rows {prompt, completion} of JSON Lines. @throws DataError `FILE:LINE: FIELD: cause` */
export const readCompletions = (path: string): PromptCompletionRow[] =>
  readJsonl(path).map(({ line, value }) => promptCompletion(value, `${path}:${line}`));

/** Rows {prompt, completion, label} of JSON Lines. @throws DataError `FILE:LINE: FIELD: cause` */
export function readUnpaired(path: string): UnpairedRow[] {
  return readJsonl(path).map(({ line, value }) => {
    const where = `${path}:${line}`;
    const row = promptCompletion(value, where);
    if (value.label === undefined) throw new DataError(`${where}: missing field "label"`);
    if (typeof value.label !== "boolean") throw new DataError(`${where}: label: must be true or false`);
    return { ...row, label: value.label };
  });
}

const promptCompletion = (value: Record<string, unknown>, where: string): PromptCompletionRow => ({
  prompt: turns(value.prompt, "prompt", where),
  completion: turns(value.completion, "completion", where),
});

/**
 * Preference pairs from JSON Lines of three kinds, told apart by their fields:
 * TRL (`prompt`, `chosen`, `rejected`; strings or messages), HH-RLHF (`chosen` and `rejected` are whole dialogues, "\n\nHuman: ...
 * \n\nAssistant: ..."), and PKU-SafeRLHF (`prompt`, `response_0`, `response_1`, `safer_response_id`).
 *
 * @throws DataError `FILE:LINE: FIELD: cause`
 */
export function readPreferences(path: string): PreferenceRow[] {
  return readJsonl(path).map(({ line, value }) => preference(value, `${path}:${line}`));
}

/** Preference pairs as `readPreferences` takes them and rows {prompt, completion}, in one file. @throws DataError `FILE:LINE: FIELD: cause` */
export function readTriples(path: string): (PreferenceRow | PromptCompletionRow)[] {
  return readJsonl(path).map(({ line, value }) =>
    "completion" in value && !("rejected" in value) ? promptCompletion(value, `${path}:${line}`) : preference(value, `${path}:${line}`),
  );
}

function preference(value: Record<string, unknown>, where: string): PreferenceRow {
  if ("response_0" in value) return saferOf(value, where);
  if (!("prompt" in value) && "chosen" in value) return dialogues(value, where);
  return {
    prompt: turns(value.prompt, "prompt", where),
    chosen: turns(value.chosen, "chosen", where),
    rejected: turns(value.rejected, "rejected", where),
  };
}

function saferOf(value: Record<string, unknown>, where: string): PreferenceRow {
  const responses = [turns(value.response_0, "response_0", where), turns(value.response_1, "response_1", where)];
  const safer = value.safer_response_id;
  if (safer !== 0 && safer !== 1) throw new DataError(`${where}: safer_response_id: must be 0 or 1`);
  return { prompt: turns(value.prompt, "prompt", where), chosen: responses[safer]!, rejected: responses[1 - safer]! };
}

/** The prompt of two dialogues is what they share up to the last assistant's turn of the chosen one. */
function dialogues(value: Record<string, unknown>, where: string): PreferenceRow {
  const [chosen, rejected] = [dialogue(value.chosen, "chosen", where), dialogue(value.rejected, "rejected", where)];
  const prompt = chosen.slice(0, -1);
  if (!isDeepStrictEqual(prompt, rejected.slice(0, -1))) throw new DataError(`${where}: rejected: does not share its prompt with chosen`);
  return { prompt, chosen: chosen.slice(-1), rejected: rejected.slice(-1) };
}

function dialogue(value: unknown, field: string, where: string): Message[] {
  if (typeof value !== "string")
    throw new DataError(
      `${where}: ${field}: must be a string where there is no prompt: take the turns that both share into a field "prompt"`,
    );
  const parts = value.split(/\n\n(Human|Assistant):/).slice(1);
  const messages: Message[] = [];
  for (let i = 0; i + 1 < parts.length; i += 2) {
    messages.push({ role: parts[i] === "Human" ? "user" : "assistant", content: parts[i + 1]!.trim() });
  }
  if (messages.length < 2 || messages.at(-1)!.role !== "assistant") {
    throw new DataError(`${where}: ${field}: must be a dialogue of "Human:" and "Assistant:" turns that ends with the assistant's`);
  }
  return messages;
}

function turns(value: unknown, field: string, where: string): string | Message[] {
  if (typeof value === "string") return value;
  if (value === undefined) throw new DataError(`${where}: missing field "${field}"`);
  const isMessage = (turn: unknown): turn is Message => {
    const { role, content } = (turn ?? {}) as Partial<Message>;
    return (role === "system" || role === "user" || role === "assistant") && typeof content === "string";
  };
  if (!Array.isArray(value) || value.length === 0 || !value.every(isMessage)) {
    throw new DataError(`${where}: ${field}: must be a string or a list of messages {role, content}`);
  }
  return value.map(({ role, content }) => ({ role, content }));
}
