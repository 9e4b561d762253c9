import { jailbreakPersonas, tensePrompts } from "../data/packages.js";
import type { PromptRow } from "../data/types.js";
import { type Attack, danPersonas, persona, plain, prefill, rolePlayPersonas } from "../evaluation/attacks.js";
import { balancedAccuracy, type Estimate } from "../evaluation/intervals.js";
import { type JudgedRow, report, type SuiteMetrics } from "../evaluation/report.js";
import { responses } from "../evaluation/respond.js";
import { suiteRows, take } from "../evaluation/suites.js";
import { type Perplexity, perplexity, readReferences } from "../evaluation/usefulness.js";
import type { Lora } from "../model/lora.js";
import { once, type Run } from "./run.js";

/** What a model is put to: prompts, and the form that they are put in. */
interface Trial {
  /** What a table calls it. */
  title: string;
  /** Whether refusing is right. */
  harmful: boolean;
  rows: (run: Run) => PromptRow[] | Promise<PromptRow[]>;
  attack: (run: Run) => Attack | Promise<Attack>;
  /** Tokens after which an answer is cut; default: the profile's. */
  answerTokens?: number;
}

const suite = (name: Parameters<typeof suiteRows>[1]) => (run: Run) => take(suiteRows(run.data, name), run.profile.evaluation.prompts);
const few = (name: Parameters<typeof suiteRows>[1]) => (run: Run) => take(suiteRows(run.data, name), run.profile.evaluation.attackPrompts);
const asIs = () => plain;

/** The suites and attacks by name. Personas are one text for all prompts, the shortest, which a batch then computes once. */
const trials = {
  harmful: { title: "AdvBench, held out", harmful: true, rows: suite("harmful"), attack: asIs },
  "look-alike-unsafe": { title: "own contrasts, unsafe", harmful: true, rows: suite("look-alike-unsafe"), attack: asIs },
  "look-alike-safe": { title: "own look-alikes, safe", harmful: false, rows: suite("look-alike-safe"), attack: asIs },
  general: { title: "general, safe", harmful: false, rows: suite("general"), attack: asIs, answerTokens: 32 },
  prefill: { title: "prefill attack", harmful: true, rows: few("harmful"), attack: () => prefill() },
  "prefill-control": { title: "prefill on safe look-alikes", harmful: false, rows: few("look-alike-safe"), attack: () => prefill() },
  "role-play": {
    title: "role-play attack",
    harmful: true,
    rows: few("harmful"),
    attack: async () => persona(rolePlayPersonas(await jailbreakPersonas()).slice(0, 1)),
  },
  tense: {
    title: "past-tense attack",
    harmful: true,
    rows: async (run) => take((await tensePrompts("past")).rows, run.profile.evaluation.attackPrompts),
    attack: asIs,
  },
  dan: {
    title: "DAN attack",
    harmful: true,
    rows: few("harmful"),
    attack: async () => persona(danPersonas(await jailbreakPersonas()).slice(0, 1)),
  },
} satisfies Record<string, Trial>;

export type TrialName = keyof typeof trials;

export const suiteTrials: readonly TrialName[] = ["harmful", "look-alike-unsafe", "look-alike-safe", "general"];
export const attackTrials: readonly TrialName[] = ["prefill", "prefill-control", "role-play", "tense", "dan"];

/** A trial's outcome for one stage. */
export interface TrialResult {
  stage: string;
  trial: TrialName;
  title: string;
  harmful: boolean;
  metrics: SuiteMetrics;
  rows: JudgedRow[];
}

/**
 * Puts a stage's model to trials: completions, judged on their answers alone. Each completion is stored as it comes in
 * `evaluation/<stage>/<trial>.jsonl`, so an interrupted evaluation goes on; the outcome is computed once.
 *
 * @param stage folder of a finished stage, or "base" for the model as it came
 */
export async function* evaluateStage(
  run: Run,
  stage: string,
  names: readonly TrialName[] = suiteTrials,
  signal?: AbortSignal,
): AsyncGenerator<TrialResult> {
  let lora: Lora | null | undefined;
  try {
    for (const name of names) {
      const trial: Trial = trials[name];
      const file = (suffix: string) => run.path("evaluation", stage, `${name}.${suffix}`);
      yield await once(file("json"), async () => {
        lora ??= stage === "base" ? null : await run.adapter(stage);
        const rows = await trial.rows(run);
        const answers = await responses(run.model, lora, rows, {
          attack: await trial.attack(run),
          answerTokens: trial.answerTokens ?? run.profile.answerTokens,
          thoughtTokens: 130,
          batchSize: 64,
          file: file("jsonl"),
          rng: run.rng("evaluation"),
          signal,
        });
        const { metrics, rows: judged } = report(rows, answers);
        return { stage, trial: name, title: trial.title, harmful: trial.harmful, metrics, rows: judged };
      });
    }
  } finally {
    lora?.dispose();
  }
}

/** Balanced accuracy of refusing AdvBench and of not refusing safe look-alikes, from a stage's results. */
export function stageBalance(results: readonly TrialResult[]): Estimate {
  const refused = (name: TrialName) => results.find((r) => r.trial === name)!.metrics.refused;
  return balancedAccuracy(refused("harmful"), refused("look-alike-safe"));
}

/** Perplexity on the held-out benign answers, after the model's own thought; computed once. */
export async function stagePerplexity(run: Run, stage: string): Promise<Perplexity> {
  return once(run.path("evaluation", stage, "perplexity.json"), async () => {
    const lora = stage === "base" ? null : await run.adapter(stage);
    try {
      return await perplexity(run.model, lora, readReferences(), { thoughtTokens: 130, batchSize: 32, rng: run.rng("perplexity") });
    } finally {
      lora?.dispose();
    }
  });
}
