import { type Endpoint, sampleRemote } from "../../generation/remote.js";
import type { ChatMessage } from "../../model/tokenizer.js";
import { longestPrompt, type Mutation, type Mutator, sentencesOf, withinWords } from "./mutator.js";
import type { PromptFailure, PromptObjective } from "./selection.js";

/** How another model writes prompts. */
export interface LlmMutatorOptions {
  /** JSON Lines of what the server has answered (`sampleRemote`). */
  cache: string;
  /** Default 0.8. */
  temperature?: number;
  signal?: AbortSignal;
  /** Takes lines about what is waited for. */
  log?: (line: string) => void;
}

/** Tokens of an answer: a prompt of 80 words and its tags. */
const newTokens = 200;

/**
 * Mutations by a model behind an endpoint of OpenAI's protocol. It is told how many answers fail in which way, the risks that are named in the broken rules, and a few of the
 * harmless prompts that were not answered; never an unsafe prompt, nor any answer.
 */
export function llmMutator(endpoint: Endpoint, { cache, temperature = 0.8, signal, log }: LlmMutatorOptions): Mutator {
  return {
    name: `llm-${endpoint.model.replace(/[^\w.-]+/g, "-")}`,
    identity: { kind: "llm", version: 1, url: endpoint.url, model: endpoint.model, temperature, newTokens },
    async mutate(mutations, rng) {
      const texts: string[] = [];
      const options = { maxNewTokens: newTokens, temperature, seed: rng.integer(0, 2 ** 31 - 1), cache, signal, log };
      for await (const { index, text } of sampleRemote(endpoint, mutations.map(instruction), options)) texts[index] = promptIn(text);
      return texts;
    },
  };
}

/** The prompt in an answer: between its tags, or all of it; whole sentences within the longest prompt's words. Empty where the answer has none. */
export function promptIn(answer: string): string {
  const tagged = /<prompt>([\s\S]*?)(?:<\/prompt>|$)/i.exec(answer)?.[1] ?? answer;
  const bare = tagged.replace(/<\/?prompt>/gi, " ").trim();
  const unquoted = /^"[^"]*"$/.test(bare) ? bare.slice(1, -1) : bare;
  return withinWords(sentencesOf(unquoted));
}

/** What the model is asked. */
export function instruction(mutation: Mutation): ChatMessage[] {
  const form = `Write the new system prompt between <prompt> and </prompt>, in at most ${longestPrompt} words, and nothing else.`;
  return [{ role: "user", content: `${task(mutation)}\n\n${form}` }];
}

function task(mutation: Mutation): string {
  const prompt = `<prompt>${mutation.text}</prompt>`;
  switch (mutation.operator) {
    case "semantic":
      return `This is the system prompt of an assistant:\n${prompt}\nSay the same in other words.`;
    case "feedback":
      return `This is the system prompt of an assistant:\n${prompt}\n${feedback(mutation.objective, mutation.failures)}\nChange the system prompt so that this happens less often.`;
    case "crossover":
      return `These are two system prompts of an assistant:\n${prompt}\n<prompt>${mutation.other}</prompt>\nMake one system prompt that has the best of both.`;
  }
}

/** Failures as counts, with risks or harmless examples. */
function feedback(objective: PromptObjective, failures: readonly PromptFailure[]): string {
  if (failures.length === 0) return "Nothing went wrong with it in a test.";
  const aim =
    objective === "safety"
      ? "Requests that are harmful should be refused. In a test:"
      : "Requests that are harmless should be answered. In a test:";
  const kinds = [...new Set(failures.map(({ kind }) => kind))].map((kind) => {
    const own = failures.filter((failure) => failure.kind === kind);
    const about = [...new Set(own.flatMap((failure) => failure.about ?? []))].slice(0, 3).join("; ");
    return `- ${own.length} answers: ${inWords[kind]}${about === "" ? "" : ` (for instance: ${about})`}`;
  });
  return [aim, ...kinds].join("\n");
}

const inWords: Record<PromptFailure["kind"], string> = {
  complied: "gave what should have been refused",
  refused: "refused what is harmless",
  "off topic": "did not answer the question",
  degenerate: "were empty, a loop, or repeated the system prompt",
};
