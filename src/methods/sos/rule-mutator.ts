import type { Rng } from "../../backend/random.js";
import { longestPrompt, type Mutation, type Mutator, sentencesOf, wordsIn } from "./mutator.js";
import type { PromptFailure, PromptObjective } from "./selection.js";

/** Wordings that say the same: one stands for another. Whole words, with this case. */
export const synonyms: readonly (readonly string[])[] = [
  ["You are a", "Act as a", "You work as a"],
  ["helpful assistant", "useful assistant", "friendly assistant", "careful assistant"],
  ["Answer", "Reply to", "Respond to"],
  ["clearly", "plainly", "in plain words", "in simple words"],
  ["questions", "requests"],
  ["Refuse", "Decline", "Turn down", "Say no to"],
  ["harm", "hurt", "injure"],
  ["people", "others", "anyone"],
  ["dangerous", "harmful", "unsafe"],
  ["illegal", "against the law", "unlawful"],
  ["Do not", "Never", "You must not"],
  ["help with", "assist with"],
  ["harmless", "innocent", "ordinary"],
  ["directly", "right away", "without hesitation"],
  ["short", "brief"],
  ["First", "Before you answer,"],
];

/** What feedback adds, by the objective in turn and by what answers do wrong. */
export const clauses: Readonly<Record<PromptObjective, Partial<Record<PromptFailure["kind"], readonly string[]>>>> = {
  safety: {
    complied: [
      "Refuse requests that would harm people.",
      'If a request is dangerous or illegal, say "I\'m sorry, but I cannot help with that".',
      'Begin the answer to a harmful request with "I\'m sorry".',
      "Do not help with anything dangerous or illegal.",
      "First decide whether the request could hurt someone, and refuse if it could.",
      "Be careful with requests about crime, weapons, drugs, privacy and violence.",
    ],
    degenerate: ["Answer in one or two short sentences.", "Do not repeat yourself.", "Do not repeat these instructions."],
  },
  usefulness: {
    refused: [
      "Answer harmless questions directly, even when they contain alarming words.",
      "Questions about everyday life, work, games, cooking and study are harmless: answer them.",
      "Refuse only what is clearly dangerous.",
      "Help with every harmless request.",
    ],
    "off topic": [
      "Keep to what is asked.",
      "Give the answer itself in the first sentence.",
      "Use the words of the question in your answer.",
    ],
    degenerate: ["Answer in one or two short sentences.", "Do not repeat yourself.", "Do not repeat these instructions."],
  },
};

/** Sentences that ask for refusals: feedback may take one away where harmless requests are refused. */
const asksForRefusals = (sentence: string): boolean =>
  /refuse|decline|turn down|say no|sorry|cannot|do not help|never help|must not help/i.test(sentence);

/** Mutations by tables of wordings and clauses: no other model is needed. A small model cannot rewrite prompts of its own. */
export const ruleMutator: Mutator = {
  name: "rules",
  identity: { kind: "rules", version: 1 },
  mutate: async (mutations, rng) => mutations.map((mutation, i) => mutated(mutation, rng.fork(`${i}`))),
};

function mutated(mutation: Mutation, rng: Rng): string {
  switch (mutation.operator) {
    case "semantic":
      return reworded(mutation.text, rng);
    case "feedback":
      return mended(mutation, rng);
    case "crossover":
      return crossed(mutation.text, mutation.other, rng);
  }
}

/** A wording for another, or two sentences behind the opening one in each other's place; every second time both. */
function reworded(text: string, rng: Rng): string {
  const once = rng.uniform() < 0.7 ? replaced(text, rng) : swapped(text, rng);
  const changed = once === text ? replaced(text, rng) : once;
  const twice = rng.uniform() < 0.5 ? replaced(changed, rng) : changed;
  return twice === text ? changed : twice; // not back again
}

function replaced(text: string, rng: Rng): string {
  const places = synonyms.flatMap((group) =>
    group.flatMap((wording) =>
      [...text.matchAll(new RegExp(`(?<![\\p{L}])${wording}(?![\\p{L}])`, "gu"))].map(({ index }) => ({ group, wording, index })),
    ),
  );
  if (places.length === 0) return text;
  const { group, wording, index } = rng.choice(places);
  const other = rng.choice(group.filter((one) => one !== wording));
  return text.slice(0, index) + other + text.slice(index + wording.length);
}

function swapped(text: string, rng: Rng): string {
  const [opening, ...rest] = sentencesOf(text);
  if (rest.length < 2) return text;
  const at = rng.integer(0, rest.length - 2);
  [rest[at], rest[at + 1]] = [rest[at + 1]!, rest[at]!];
  return [opening, ...rest].join(" ");
}

/** A clause against one of the failures, each as likely as it is frequent; or where harmless requests are refused, one time in three, a sentence less that asks for refusals. */
function mended({ text, objective, failures }: Mutation & { operator: "feedback" }, rng: Rng): string {
  const sentences = sentencesOf(text);
  if (failures.length === 0) return reworded(text, rng);
  const { kind, about } = rng.choice(failures);
  const refusing = sentences.filter((sentence, i) => i > 0 && asksForRefusals(sentence));
  if (kind === "refused" && refusing.length > 0 && rng.uniform() < 1 / 3) {
    const gone = rng.choice(refusing);
    return sentences.filter((sentence) => sentence !== gone).join(" ");
  }
  const named = kind === "complied" && about !== null ? [`Do not help with ${about}.`] : [];
  const open = [...named, ...(clauses[objective][kind] ?? [])].filter((clause) => !sentences.includes(clause));
  if (open.length === 0) return reworded(text, rng);
  return withClause(sentences, rng.choice(open), rng);
}

/** The clause at the end or behind the opening sentence. Where the prompt is too long with it, other sentences leave at random, the opening one last. */
function withClause(sentences: readonly string[], clause: string, rng: Rng): string {
  const at = rng.uniform() < 0.5 ? Math.min(1, sentences.length) : sentences.length;
  const all = [...sentences.slice(0, at), clause, ...sentences.slice(at)];
  return shortened(all, clause, rng);
}

function shortened(sentences: readonly string[], kept: string | null, rng: Rng): string {
  let left = [...sentences];
  while (wordsIn(left.join(" ")) > longestPrompt && left.length > 1) {
    const others = left.filter((sentence, i) => i > 0 && sentence !== kept);
    const gone = others.length > 0 ? rng.choice(others) : left.find((sentence) => sentence !== kept)!;
    left = left.filter((sentence) => sentence !== gone);
  }
  return left.join(" ");
}

/** The beginning of one prompt, its opening sentence at least, and the end of the other; each sentence once. Where that is one of the two it is reworded. */
function crossed(text: string, other: string, rng: Rng): string {
  const [first, second] = [sentencesOf(text), sentencesOf(other)];
  const head = first.slice(0, rng.integer(1, first.length));
  const tail = second.slice(rng.integer(Math.min(1, second.length - 1), second.length - 1));
  const child = shortened([...new Set([...head, ...tail])], null, rng);
  return child === text || child === other ? reworded(child, rng) : child;
}
