import type { Rng } from "../../backend/random.js";
import { needed, neededGeneral } from "../../data/dataset.js";
import type { TokenPair } from "../../data/tokens.js";
import type { PromptRow, Split } from "../../data/types.js";
import { take } from "../../evaluation/suites.js";
import { type LabelledPrompt, promptIds, thoughtFor, writeRefusal } from "../../exante/rows.js";
import type { Tokenizer } from "../../model/tokenizer.js";
import { labelled } from "../../runs/prompts.js";
import { withOpenings } from "../../runs/reference-answers.js";
import type { Run } from "../../runs/run.js";
import { attackPlaceholders, placeholder } from "../derta.js";
import { wordings } from "../erpo/recipe.js";
import { firstWords } from "../first-words.js";

/** What can be said to a prompt. */
export interface Answers {
  prompt: LabelledPrompt;
  /** Names a rule: the one that the prompt breaks or comes near to, or for everyday prompts any. */
  refusal: string;
  /** An affirmation and steps without content. To an unsafe prompt it stands for the harmful answer, which is written nowhere. */
  placeholder: string;
  /** The base model's first words to a safe prompt; undefined to an unsafe one, and where it apologises. */
  own?: string;
}

/** A prompt and an answer to it, as token ids. */
export type AnsweredIds = Pick<TokenPair, "prompt"> & { completion: number[] };

/** Two answers to one prompt and how likely the first one is the better one (Bradley and Terry 1952): 1 where it is, 0.5 for a tie. */
export interface Comparison {
  /** What is compared, in words. */
  kind: string;
  first: AnsweredIds;
  second: AnsweredIds;
  p: number;
}

/** Wordings of placeholders: those that scorers and policies are trained with, or others, which they have not seen. */
export type Wordings = "training" | "held out";

/**
 * Prompts with what can be said to them, in their order.
 * @param name what they are for: the name of their random streams, and of the base model's answers in `data/`
 */
export async function answersTo(
  run: Run,
  name: string,
  prompts: readonly PromptRow[],
  words: Wordings,
  signal?: AbortSignal,
): Promise<Answers[]> {
  const rng = run.rng(`C-DPO, ${name}`);
  const answered = await withOpenings(run, `cdpo-${name}`, prompts.map(labelled), signal);
  return answered.map((prompt, i) => ({
    prompt,
    refusal: writeRefusal(refusedRule(run, prompt, rng), rng.integer(0, wordings - 1)),
    placeholder: words === "training" ? placeholder(rng) : attackPlaceholders[i % attackPlaceholders.length]!,
    ...(prompt.label === "safe" && prompt.answer !== undefined ? { own: prompt.answer } : {}),
  }));
}

/** The rule whose refusal is written. An everyday prompt comes near to none: any will do, so that no refusal's topic gives the prompt's label away. */
function refusedRule(run: Run, prompt: LabelledPrompt, rng: Rng) {
  const any = rng.choice(run.rules.rules);
  const near = prompt.label === "unsafe" || prompt.nearRule !== undefined;
  return near ? run.rules.get(thoughtFor(prompt, run.rules, "unsafe").rule!.id) : any;
}

/** `count` prompts of each label of a split, unsafe and safe in turn, the safe ones look-alikes and everyday prompts in turn; fewer where there are fewer. @param skip of each label, the first so many are left out */
export function mixedPrompts(run: Run, split: Exclude<Split, "test">, count: number, skip = 0): PromptRow[] {
  const rng = run.rng(`C-DPO, ${split}`);
  const rows = needed(run.data, split);
  const of = (label: PromptRow["label"]) => rng.fork(label).shuffle(rows.filter((row) => row.label === label));
  const safe = alternating(of("safe"), rng.fork("general").shuffle(neededGeneral(run.data, split)));
  return alternating(of("unsafe").slice(skip, skip + count), safe.slice(skip, skip + count));
}

/** The same mixture of the test sets, which nothing is chosen on. */
export function heldOutPrompts(run: Run, count: number): PromptRow[] {
  const of = (label: PromptRow["label"], n: number) =>
    take(
      needed(run.data, "test").filter((row) => row.label === label),
      n,
    );
  const general = take(neededGeneral(run.data, "test"), Math.floor(count / 2));
  return alternating(of("unsafe", count), alternating(of("safe", Math.ceil(count / 2)), general));
}

/** Items of two lists in turn; of the longer one the rest goes to the end. */
function alternating<T>(a: readonly T[], b: readonly T[]): T[] {
  return Array.from({ length: Math.max(a.length, b.length) }, (_, i) => [...a.slice(i, i + 1), ...b.slice(i, i + 1)]).flat();
}

/** An answer's tokens as a policy would write them: cut after `answerTokens`, or with the end token. */
export function answeredIds(run: Run, prompt: string, answer: string): AnsweredIds {
  const { tokenizer } = run.model;
  return { prompt: promptIds(prompt, tokenizer), completion: cutIds(tokenizer, answer, firstWords(run.profile)) };
}

function cutIds(tokenizer: Tokenizer, answer: string, answerTokens: number): number[] {
  const ids = tokenizer.encode(answer);
  return ids.length >= answerTokens ? ids.slice(0, answerTokens) : [...ids, tokenizer.eosId];
}

/** Which of two answers helps more. To a harmful request the answer that does what is asked is the more helpful one: whether it should be given is the cost's matter. */
export function helpfulness(run: Run, answers: readonly Answers[]): Comparison[] {
  return answers.flatMap(({ prompt, refusal, placeholder, own }) => {
    const compare = (kind: string, first: string, second: string): Comparison => ({ kind, ...sides(run, prompt, first, second), p: 1 });
    if (prompt.label === "unsafe") return [compare("unsafe: placeholder over refusal", placeholder, refusal)];
    return own === undefined
      ? []
      : [compare("safe: own answer over refusal", own, refusal), compare("safe: own answer over placeholder", own, placeholder)];
  });
}

/** Which of two answers does more harm. To a safe prompt none does: those are ties, which teach the cost that it depends on the prompt. */
export function harmfulness(run: Run, answers: readonly Answers[]): Comparison[] {
  return answers.flatMap(({ prompt, refusal, placeholder, own }) => {
    const compare = (kind: string, first: string, p: number): Comparison => ({ kind, ...sides(run, prompt, first, refusal), p });
    if (prompt.label === "unsafe") return [compare("unsafe: placeholder over refusal", placeholder, 1)];
    return [
      compare("safe: placeholder and refusal tie", placeholder, 0.5),
      ...(own === undefined ? [] : [compare("safe: own answer and refusal tie", own, 0.5)]),
    ];
  });
}

/**
 * The pairs that policies are trained on: to an unsafe prompt a placeholder and a refusal; to a safe one the model's own answer, and in turn a refusal and a placeholder. Which of the two is better is
 * no part of them: r - lambda c says so.
 */
export function policyPairs(run: Run, answers: readonly Answers[]): { prompt: LabelledPrompt; first: AnsweredIds; second: AnsweredIds }[] {
  let safe = 0;
  return answers.flatMap(({ prompt, refusal, placeholder, own }) => {
    if (prompt.label === "unsafe") return [{ prompt, ...sides(run, prompt, placeholder, refusal) }];
    return own === undefined ? [] : [{ prompt, ...sides(run, prompt, own, safe++ % 2 === 0 ? refusal : placeholder) }];
  });
}

const sides = (run: Run, { prompt }: PromptRow, first: string, second: string) => ({
  first: answeredIds(run, prompt, first),
  second: answeredIds(run, prompt, second),
});
