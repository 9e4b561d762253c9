import type { PromptRow } from "./types.js";

/** What may be shown of a prompt: who it is, what it is about, and how it begins. */
export interface RedactedPrompt {
  id: string;
  category: string;
  text: string;
}

/**
 * A prompt for logs, tables and reports: an unsafe one is cut after its first words, a safe one is whole.
 * @param words how many words of an unsafe prompt are shown
 */
export function redact(prompt: Pick<PromptRow, "id" | "category" | "prompt" | "label">, words = 3): RedactedPrompt {
  const { id, category } = prompt;
  return { id, category, text: prompt.label === "safe" ? prompt.prompt : redactText(prompt.prompt, words) };
}

/** The first words of a text that may be harmful, then how much is hidden. */
export function redactText(text: string, words = 3): string {
  const all = text.trim().split(/\s+/).filter(Boolean);
  return all.length <= words ? all.join(" ") : `${all.slice(0, words).join(" ")} [${all.length - words} more words]`;
}
