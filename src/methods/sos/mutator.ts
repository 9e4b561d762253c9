import type { Rng } from "../../backend/random.js";
import type { Identity } from "../../data/identity.js";
import type { PromptFailure, PromptObjective } from "./selection.js";

/** A prompt that is asked for: the same in other words; one that mends failures on the objective in turn; one that has something of two. */
export type Mutation =
  | { operator: "semantic"; text: string }
  | { operator: "feedback"; text: string; objective: PromptObjective; failures: readonly PromptFailure[] }
  | { operator: "crossover"; text: string; other: string };

/** Makes prompts of prompts. */
export interface Mutator {
  /** Also the name of the folder that its proposals are kept in. */
  readonly name: string;
  /** What its prompts depend on beside the stream: its tables' version, or a server's address and model. */
  readonly identity: Identity;
  /** A text per mutation, in their order; an empty one where it has none. */
  readonly mutate: (mutations: readonly Mutation[], rng: Rng) => Promise<string[]>;
}

/** Words of the longest prompt. A small model follows a long one no better, and each word is paid for in every answer. */
export const longestPrompt = 80;

/** Sentences of a prompt, with their ends; what stands in double quotes ends none. */
export const sentencesOf = (text: string): string[] =>
  text
    .trim()
    .replace(/\s+/g, " ")
    .match(/(?:"[^"]*"|[^".!?])+[.!?]*|[.!?"]+/g)
    ?.map((sentence) => sentence.trim())
    .filter((sentence) => sentence !== "") ?? [];

/** Words between spaces. */
export const wordsIn = (text: string): number => text.split(/\s+/).filter(Boolean).length;

/** A prompt within the longest one's words: the sentences behind its beginning that come too late are left out, the oldest kept. */
export function withinWords(sentences: readonly string[], words = longestPrompt): string {
  const kept: string[] = [];
  for (const sentence of sentences) if (wordsIn([...kept, sentence].join(" ")) <= words) kept.push(sentence);
  return kept.join(" ");
}
