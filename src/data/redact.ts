import type { PromptRow } from "./types.js";
import { UNSPACED } from "./unspaced.js";

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
  const line = text.trim().replace(/\s+/g, " ");
  const ends = wordEnds(line);
  return ends.length <= words ? line : `${line.slice(0, ends[words - 1] ?? 0)} [${ends.length - words} more words]`;
}

/** Where the words of a line end: at spaces, and where there are none as dictionaries know them. */
function wordEnds(line: string): number[] {
  return [...line.matchAll(/\S+/g)].flatMap(({ 0: run, index }) =>
    UNSPACED.test(run)
      ? [...new Intl.Segmenter("en", { granularity: "word" }).segment(run)].flatMap((part) =>
          part.isWordLike ? index + part.index + part.segment.length : [],
        )
      : [index + run.length],
  );
}
