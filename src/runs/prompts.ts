import type { Rng } from "../backend/random.js";
import { digestOf } from "../data/identity.js";
import type { PromptRow } from "../data/types.js";
import { judgeAnswer } from "../exante/judge.js";
import { type LabelledPrompt, promptIds } from "../exante/rows.js";
import { policy } from "../generation/policy.js";
import { sample } from "../generation/sample.js";
import { keep } from "./keep.js";
import type { Run } from "./run.js";

/** Safe and unsafe prompts in turn, each in random order, as long as there are some of both: every beginning is half benign. */
export function balancedPrompts(rows: readonly PromptRow[], rng: Rng): LabelledPrompt[] {
  const of = (label: PromptRow["label"]) => rng.fork(label).shuffle(rows.filter((row) => row.label === label));
  const [safe, unsafe] = [of("safe"), of("unsafe")];
  return Array.from({ length: 2 * Math.min(safe.length, unsafe.length) }, (_, i) => labelled((i % 2 === 0 ? safe : unsafe)[i >> 1]!));
}

/** @throws RangeError for a row without sense and target, which a trace cannot be written from */
export function labelled(row: PromptRow): LabelledPrompt {
  const { sense, target } = row;
  if (sense === undefined || target === undefined) throw new RangeError(`prompt ${row.id} has no sense and target`);
  return { ...row, sense, target };
}

/** Tokens of the base model's opening words, and prompts that are asked together. */
const answers = { version: 1, tokens: 16, batchSize: 96 };

/**
 * Reference answers of safe prompts: the base model's own first words, so that training keeps its way to answer. Kept in `data/answers-NAME.json`.
 * @param name what the prompts are for
 */
export async function withAnswers(
  run: Run,
  name: string,
  prompts: readonly LabelledPrompt[],
  signal?: AbortSignal,
): Promise<LabelledPrompt[]> {
  const safe = [...new Map(prompts.filter((p) => p.label === "safe").map((p) => [p.id, p])).values()];
  const identity = {
    recipe: "reference answers",
    ...answers,
    prompts: digestOf(safe.map(({ id, prompt }) => [id, prompt])),
    model: run.model.digest,
    precision: run.device.precision,
  };
  const kept = await keep(run, `data/answers-${name}.json`, identity, async () => ({ answers: await firstWords(run, safe, signal) }));
  const known = new Map(kept.answers.map((answer) => [answer.id, answer]));
  return prompts.map((p) => {
    const answer = known.get(p.id);
    return answer && helps(answer.text) ? { ...p, answer: { text: answer.text, finished: answer.finished } } : p;
  });
}

interface FirstWords {
  id: string;
  text: string;
  finished: boolean;
}

async function firstWords(run: Run, prompts: readonly LabelledPrompt[], signal?: AbortSignal): Promise<FirstWords[]> {
  const { model } = run;
  const { tokenizer } = model;
  const words: FirstWords[] = [];
  const ids = prompts.map((p) => promptIds(p.prompt, tokenizer));
  const options = { maxNewTokens: answers.tokens, batchSize: answers.batchSize, rng: run.rng("answers"), signal };
  for await (const { index, ids: written, finished } of sample(policy({ model }), ids, options)) {
    words[index] = { id: prompts[index]!.id, text: tokenizer.decode(written).trim(), finished };
  }
  return words;
}

/** The base model apologises to many harmless prompts; such an answer must not become a reference. */
const helps = (answer: string): boolean =>
  judgeAnswer(answer) === "compliance" && !/sorry|apologi|as an? (ai|chatbot|language|text|bot|digital)/i.test(answer);

/** The first items that together stay within a budget of tokens; at least one. */
export function withinTokens<T>(items: readonly T[], tokensOf: (item: T) => number, budget: number): T[] {
  let tokens = 0;
  const end = items.findIndex((item) => {
    tokens += tokensOf(item);
    return tokens > budget;
  });
  return items.slice(0, end < 0 ? items.length : Math.max(1, end));
}
