import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { DataError } from "../data/errors.js";
import { readAppended, readJson } from "../data/jsonl.js";
import { loadDatasets } from "../data/store.js";
import type { AnsweredPrompt } from "../evaluation/annotation.js";
import { answerIn } from "../evaluation/report.js";
import type { Response } from "../evaluation/respond.js";
import { suiteRows } from "../evaluation/suites.js";
import type { TrialResult } from "./evaluate.js";
import { readRunRecord } from "./record.js";
import { currentSha256 } from "./stale.js";

/** Answers of some policies of a run to the same everyday prompts. */
export interface GeneralAnswers {
  /** The prompts that all of the policies were asked, in the suite's order; answers by policy, without thoughts. */
  items: AnsweredPrompt[];
  /** The kept outcomes that the answers belong to, by path in the run's folder, with their SHA-256. */
  from: Record<string, string>;
}

/**
 * What a run keeps of its policies' answers to the general suite. No model is loaded.
 * @param policies as `evaluation/` names them: "base", "1-sft", ...
 * @throws KeptError when a policy's outcome is stale; DataError when the folder is no run's, a policy's outcome is missing, its prompts have changed, or a completion is missing
 */
export function generalAnswers(dir: string, policies: readonly string[]): GeneralAnswers {
  readRunRecord(dir);
  const there = answered(dir);
  const absent = policies.find((policy) => !there.includes(policy));
  if (absent !== undefined)
    throw new DataError(
      `${dir}: keeps no answers of "${absent}" to everyday prompts; there is: ${there.join(", ") || "none, before notebook 05 has run"}`,
    );
  const outcomes = policies.map((policy) => `evaluation/${policy}/general.json`);
  const from = Object.fromEntries(outcomes.map((path) => [path, currentSha256({ dir, parents: [] }, path)]));
  const answers = outcomes.map((path) => answersOf(dir, path));
  const rows = suiteRows(loadDatasets(join(dir, "data")), "general").filter(({ id }) => answers.every((of) => of.has(id)));
  const items = rows.map(({ id, prompt }) => ({
    ...{ id, prompt },
    answers: Object.fromEntries(policies.map((policy, i) => [policy, answers[i]!.get(id)!])),
  }));
  return { items, from };
}

/** The policies whose answers to the general suite are there. */
const answered = (dir: string): string[] =>
  (existsSync(join(dir, "evaluation")) ? readdirSync(join(dir, "evaluation")) : []).filter((policy) =>
    existsSync(join(dir, "evaluation", policy, "general.json")),
  );

/** The answers of an outcome's rows by id; the completions stand beside it. */
function answersOf(dir: string, outcome: string): Map<string, string> {
  const file = join(dir, outcome.replace(/\.json$/, ".jsonl"));
  const responses = new Map((readAppended(file) as unknown as Response[]).map((response) => [response.id, response]));
  return new Map(
    readJson<TrialResult>(join(dir, outcome)).rows.map(({ id }) => {
      const response = responses.get(id);
      if (!response) throw new DataError(`${file}: has no completion of ${id}: remove it and ${outcome}, and evaluate again`);
      return [id, answerIn(response)];
    }),
  );
}
