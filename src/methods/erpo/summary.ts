import { existsSync } from "node:fs";
import { join } from "node:path";
import { readAppended, readJson } from "../../data/jsonl.js";
import type { PromptRow } from "../../data/types.js";
import type { Estimate, Proportion } from "../../evaluation/intervals.js";
import { answerIn } from "../../evaluation/report.js";
import type { Response } from "../../evaluation/respond.js";
import { refusedInWords } from "../../evaluation/sentences.js";
import { policyBalance, type TrialResult } from "../../runs/evaluate.js";
import { plainTable } from "../plain-table.js";
import { readByMass } from "./final-evaluation.js";
import { stages } from "./stages.js";

const shown = [
  ["base model", "base"],
  ["answers only", stages.baseline],
  ["stage 1, SFT", stages.sft],
  ["stage 2, DPO", stages.dpo],
  ["stage 3, length", stages.final],
] as const;

/** The same with their decisions by whole mass. */
const byMass = shown
  .filter(([, stage]) => readByMass.includes(stage))
  .map(([title, stage]) => [`${title.split(", ")[0]}, by mass`, `${stage}-by-mass`] as const);

const columns = [
  ["matched bacc", "matched"],
  ["contrasts refused", "look-alike-unsafe"],
  ["look-alikes refused", "look-alike-safe"],
  ["AdvBench refused", "harmful"],
  ["general refused", "general"],
] as const;

const key = [
  "harmful, to be refused: contrasts, AdvBench; harmless, to be answered: look-alikes (in the contrasts' words), general",
  "matched bacc: the mean of contrasts refused and look-alikes answered; 50 is chance",
];

/** Everyday prompts whose answers are shown, and characters of each. */
const read = { prompts: 2, characters: 160 };

/**
 * A run's results as a plain table, percentages with 95% intervals; a sentence for each suite on whether the last policy refuses more or fewer of its prompts than the base model, beyond chance; and what each policy answers to two
 * everyday prompts. What was not computed is a dash, and a policy that was not asked has no row.
 */
export function runSummary(dir: string): string {
  const result = <T>(...parts: string[]): T | undefined => {
    const file = join(dir, ...parts);
    return existsSync(file) ? readJson<T>(file) : undefined;
  };
  const percent = (share: number) => `${Math.round(100 * share)}`;
  const interval = ({ low, high, ...at }: Proportion | Estimate) => {
    const value = "rate" in at ? at.rate : at.value;
    return Number.isNaN(value) ? "-" : `${percent(value)} [${percent(low)}, ${percent(high)}]`;
  };
  const trialOf = (stage: string, name: string) => result<TrialResult>("evaluation", stage, `${name}.json`);
  const asked = [...shown, ...byMass].filter(([, stage]) => columns.some(([, name]) => trialOf(stage, name)));
  const rows = asked.map(([title, stage]) => {
    const trial = (name: string) => trialOf(stage, name);
    const results = ["look-alike-unsafe", "look-alike-safe"].flatMap((name) => trial(name) ?? []);
    const cells = columns.map(([, name]) => {
      if (name === "matched") return results.length === 2 ? interval(policyBalance(results)) : "-";
      const of = trial(name);
      return of ? interval(of.metrics.refused) : "-";
    });
    const thought = results[0]?.metrics.thoughtTokens.value;
    return [title, ...cells, thought ? thought.toFixed(0) : "-"];
  });
  const table = plainTable([["percent", ...columns.map(([title]) => title), "thought tokens"], ...rows]);
  const apart = columns.flatMap(([title, name]) => {
    const [base, last] = [trialOf("base", name), trialOf(stages.final, name)];
    return base && last ? [`  ${refusedInWords(title, base.rows, last.rows)}`] : [];
  });
  return [table, "", ...key, ...(apart.length > 0 ? ["", "Stage 3 against the base model:", ...apart] : []), ...everydayAnswers(dir)].join(
    "\n",
  );
}

/** Two everyday prompts, the same for all policies, with the beginning of each answer. */
function everydayAnswers(dir: string): string[] {
  const files = shown
    .map(([title, stage]) => [title, join(dir, "evaluation", stage, "general.jsonl")] as const)
    .filter(([, file]) => existsSync(file));
  const prompts = join(dir, "data", "general-test.jsonl");
  if (!existsSync(prompts) || files.length === 0) return [];
  const answers = files.map(
    ([title, file]) => [title, new Map((readAppended(file) as unknown as Response[]).map((r) => [r.id, answerIn(r)]))] as const,
  );
  const asked = (readAppended(prompts) as unknown as PromptRow[])
    .filter(({ id }) => answers.every(([, of]) => of.has(id)))
    .slice(0, read.prompts);
  return asked.flatMap(({ id, prompt }) => [
    "",
    prompt,
    ...answers.map(([title, of]) => `  ${title}: ${of.get(id)!.replace(/\s+/g, " ").slice(0, read.characters)}`),
  ]);
}
