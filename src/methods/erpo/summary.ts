import { existsSync } from "node:fs";
import { join } from "node:path";
import { readJson } from "../../data/jsonl.js";
import type { DevScore } from "../../runs/dev.js";
import type { TrialResult } from "../../runs/evaluate.js";
import { plainTable } from "../plain-table.js";
import { stages } from "./stages.js";

const shown = [
  ["base model", "base"],
  ["answers only", stages.baseline],
  ["stage 1, SFT", stages.sft],
  ["stage 2, DPO", stages.dpo],
  ["stage 3, length", stages.final],
] as const;

const columns = [
  ["AdvBench refused", "harmful"],
  ["contrasts refused", "look-alike-unsafe"],
  ["look-alikes refused", "look-alike-safe"],
  ["general refused", "general"],
] as const;

/** A run's results as a plain table, percentages with 95% Wilson intervals; what was not computed is a dash. */
export function runSummary(dir: string): string {
  const read = <T>(...parts: string[]): T | undefined => {
    const file = join(dir, ...parts);
    return existsSync(file) ? readJson<T>(file) : undefined;
  };
  const percent = (share: number) => `${Math.round(100 * share)}`;
  const rows = shown.map(([title, stage]) => {
    const results = columns.map(([, trial]) => read<TrialResult>("evaluation", stage, `${trial}.json`));
    const dev = read<DevScore>(stage, "dev.json");
    const thought = results[0]?.metrics.thoughtTokens.value;
    return [
      title,
      ...results.map((r) =>
        r ? `${percent(r.metrics.refused.rate)} [${percent(r.metrics.refused.low)}, ${percent(r.metrics.refused.high)}]` : "-",
      ),
      dev ? dev.auc.value.toFixed(3) : "-",
      thought ? thought.toFixed(0) : "-",
    ];
  });
  return plainTable([["percent", ...columns.map(([title]) => title), "dev AUC", "thought tokens"], ...rows]);
}
