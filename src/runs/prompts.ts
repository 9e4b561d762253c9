import type { Rng } from "../backend/random.js";
import { formatJsonl, readAppended } from "../data/jsonl.js";
import type { PromptRow } from "../data/types.js";
import { judgeAnswer } from "../exante/judge.js";
import { type LabelledPrompt, promptIds } from "../exante/rows.js";
import { sample } from "../generation/sample.js";
import { writeAtomic } from "../setup/atomic.js";
import type { Run } from "./run.js";

/** The base model's opening words of an answer, in tokens. */
const answerTokens = 16;

/** Safe and unsafe prompts in turn, each in random order, as long as there are some of both: every beginning is half benign. */
export function balancedPrompts(rows: readonly PromptRow[], rng: Rng): LabelledPrompt[] {
  const of = (label: PromptRow["label"]) => rng.fork(label).shuffle(rows.filter((row) => row.label === label));
  const [safe, unsafe] = [of("safe"), of("unsafe")];
  return Array.from({ length: 2 * Math.min(safe.length, unsafe.length) }, (_, i) => labelled((i % 2 === 0 ? safe : unsafe)[i >> 1]!));
}

/** @throws RangeError for a row without sense and target, which a trace cannot be written from */
function labelled(row: PromptRow): LabelledPrompt {
  const { sense, target } = row;
  if (sense === undefined || target === undefined) throw new RangeError(`prompt ${row.id} has no sense and target`);
  return { ...row, sense, target };
}

/**
 * Reference answers of safe prompts: the base model's own first words, so that training keeps its way to answer. Kept in the run's
 * data folder when a call is through.
 */
export async function withAnswers(run: Run, prompts: readonly LabelledPrompt[], signal?: AbortSignal): Promise<LabelledPrompt[]> {
  const { model } = run;
  const { tokenizer } = model;
  const file = run.path("data", "answers.jsonl");
  const rows = readAppended(file) as { id: string; text: string; finished: boolean }[];
  const known = new Map(rows.map((row) => [row.id, row]));
  const missing = prompts.filter((p) => p.label === "safe" && !known.has(p.id));
  const ids = missing.map((p) => promptIds(p.prompt, tokenizer));
  const options = { maxNewTokens: answerTokens, temperature: 0, batchSize: 96, rng: run.rng("answers"), signal };
  for await (const completion of sample(model, null, ids, options)) {
    const row = { id: missing[completion.index]!.id, text: tokenizer.decode(completion.ids).trim(), finished: completion.finished };
    rows.push(row);
    known.set(row.id, row);
  }
  if (missing.length > 0) writeAtomic(file, [formatJsonl(rows)]);
  return prompts.map((p) => {
    const answer = known.get(p.id);
    return answer && helps(answer.text) ? { ...p, answer: { text: answer.text, finished: answer.finished } } : p;
  });
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
