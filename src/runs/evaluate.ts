import { existsSync } from "node:fs";
import { readJson } from "../data/jsonl.js";
import { jailbreakPersonas, tensePrompts } from "../data/packages.js";
import type { PromptRow } from "../data/types.js";
import { type Attack, danPersonas, persona, plain, prefill, rolePlayPersonas } from "../evaluation/attacks.js";
import { balancedAccuracy, type Estimate } from "../evaluation/intervals.js";
import { type JudgedRow, report, type SuiteMetrics } from "../evaluation/report.js";
import { type QuestionSet, type Response, respond } from "../evaluation/respond.js";
import { suiteRows, take } from "../evaluation/suites.js";
import { type Perplexity, perplexity, readReferences } from "../evaluation/usefulness.js";
import { writeAtomic } from "../setup/atomic.js";
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
 * Puts a stage's model to trials, all at once: completions, judged on their answers alone; yields the outcomes in the order of the names. Each completion is
 * stored as it comes in `evaluation/<stage>/<trial>.jsonl`, so an interrupted evaluation goes on; the outcome is computed once.
 *
 * @param stage folder of a finished stage, or "base" for the model as it came
 */
export async function* evaluateStage(
  run: Run,
  stage: string,
  names: readonly TrialName[] = suiteTrials,
  signal?: AbortSignal,
): AsyncGenerator<TrialResult> {
  const file = (name: TrialName, suffix: string) => run.path("evaluation", stage, `${name}.${suffix}`);
  const open = names.filter((name) => !existsSync(file(name, "json")));
  const sets = await Promise.all(
    open.map(async (name): Promise<QuestionSet> => {
      const { rows, attack, answerTokens = run.profile.answerTokens }: Trial = trials[name];
      return { rows: await rows(run), attack: await attack(run), answerTokens, file: file(name, "jsonl") };
    }),
  );
  let next = 0; // the name whose outcome is yielded next
  function* ready(): Generator<TrialResult> {
    while (next < names.length && existsSync(file(names[next]!, "json"))) yield readJson<TrialResult>(file(names[next++]!, "json"));
  }
  yield* ready();
  if (open.length === 0) return;
  const lora = stage === "base" ? null : await run.adapter(stage);
  try {
    const answers = sets.map(() => new Map<string, Response>());
    const options = { thoughtTokens: 130, batchSize: 96, rng: run.rng("evaluation"), signal };
    for await (const { set, response } of respond(run.model, lora, sets, options)) {
      const [name, { rows }] = [open[set]!, sets[set]!];
      if (answers[set]!.set(response.id, response).size < rows.length) continue;
      const { title, harmful }: Trial = trials[name];
      const { metrics, rows: judged } = report(
        rows,
        rows.map(({ id }) => answers[set]!.get(id)!),
      );
      const result: TrialResult = { stage, trial: name, title, harmful, metrics, rows: judged };
      writeAtomic(file(name, "json"), [`${JSON.stringify(result)}\n`]);
      yield* ready();
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
      return await perplexity(run.model, lora, readReferences(), { thoughtTokens: 130, batchSize: 48, rng: run.rng("perplexity") });
    } finally {
      lora?.dispose();
    }
  });
}
