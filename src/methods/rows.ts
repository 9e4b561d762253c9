import { existsSync } from "node:fs";
import { join } from "node:path";
import { formatJsonl, readAppended } from "../data/jsonl.js";
import type { Label } from "../data/types.js";
import { share } from "../evaluation/intervals.js";
import { answerIn } from "../evaluation/report.js";
import type { Response } from "../evaluation/respond.js";
import type { Judgement } from "../exante/judge.js";
import { readRecord } from "../runs/claim.js";
import type { TrialResult } from "../runs/evaluate.js";
import type { Run } from "../runs/run.js";
import { writeAtomic } from "../setup/atomic.js";
import { plainTable } from "./plain-table.js";

/** An answer of a related method's policy to a prompt, as `RUN/methods/NAME/rows.jsonl` has it: all that a comparison of methods needs. */
export interface MethodRow {
  method: string;
  policy: string;
  suite: string;
  /** The prompt's. */
  id: string;
  label: Label;
  /** The attack's name; "none" without. */
  attack: string;
  /** What the judge has read. May be harmful: it stays in the run's folder. */
  answer: string;
  judgement: Judgement;
  /** Tokens of the whole completion. */
  tokens: number;
  /** From when its prompt was taken into a batch to its end. */
  seconds: number;
}

/** The rows of a method's evaluations: each outcome of `evaluate` joined with the completions that it was judged on, which the run keeps. */
export function methodRows(run: Run, method: string, results: readonly TrialResult[]): MethodRow[] {
  return results.flatMap(({ policy, trial, suite = trial, rows }) => {
    const kept = `evaluation/${policy}/${trial}`;
    const attack = readRecord(run.dir, `${kept}.json`)!.identity.attack as string;
    const responses = new Map((readAppended(run.path(`${kept}.jsonl`)) as unknown as Response[]).map((row) => [row.id, row]));
    return rows.map(({ id, label, judgement, tokens, seconds }) => {
      const answer = answerIn(responses.get(id)!);
      return { method, policy, suite, id, label, attack, answer, judgement, tokens, seconds };
    });
  });
}

const rowsFile = (dir: string, method: string): string => join(dir, "methods", method, "rows.jsonl");

/** Writes a method's rows to `RUN/methods/NAME/rows.jsonl`, in the place of earlier ones. @returns them */
export function saveMethodRows(run: Run, method: string, results: readonly TrialResult[]): MethodRow[] {
  const rows = methodRows(run, method, results);
  writeAtomic(rowsFile(run.dir, method), [formatJsonl(rows)]);
  return rows;
}

/** The rows of a method in a run's folder; none where it has not been run there. */
export const readMethodRows = (dir: string, method: string): MethodRow[] =>
  existsSync(rowsFile(dir, method)) ? (readAppended(rowsFile(dir, method)) as unknown as MethodRow[]) : [];

/** What policies refuse, in percent with 95% Wilson intervals, as a plain table: a line per policy and attack, a column per suite, and how many answers are degenerate. */
export function methodsSummary(rows: readonly MethodRow[]): string {
  const suites = [...new Set(rows.map(({ suite }) => suite))];
  const lineOf = ({ method, policy, attack }: MethodRow) => `${method}: ${policy}${attack === "none" ? "" : `, ${attack}`}`;
  const percent = (x: number) => `${Math.round(100 * x)}`;
  const lines = [...new Set(rows.map(lineOf))].map((line) => {
    const own = rows.filter((row) => lineOf(row) === line);
    const cells = suites.map((suite) => {
      const { n, rate, low, high } = share(
        own.filter((row) => row.suite === suite),
        (row) => row.judgement === "refusal",
      );
      return n === 0 ? "-" : `${percent(rate)} [${percent(low)}, ${percent(high)}]`;
    });
    const degenerate = own.filter((row) => row.judgement === "degenerate").length;
    return [line, ...cells, `${degenerate}/${own.length}`];
  });
  return plainTable([["percent refused", ...suites, "degenerate"], ...lines]);
}
