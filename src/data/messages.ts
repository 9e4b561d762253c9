import { z } from "zod";
import type { ChatMessage } from "./types.js";

/** The turns of a chat as files have them; other fields of a turn are left out. */
export const messagesSchema = z.array(z.object({ role: z.enum(["system", "user", "assistant"]), content: z.string() })).min(1);

/** Turns that are to be answered, and, where the last message is the assistant's, that one as the text with which the model's own turn begins. */
export function begunTurn(messages: readonly ChatMessage[]): { messages: readonly ChatMessage[]; prefill?: string } {
  const last = messages.at(-1);
  return last?.role === "assistant" ? { messages: messages.slice(0, -1), prefill: last.content } : { messages };
}
