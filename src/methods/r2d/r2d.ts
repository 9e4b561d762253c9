import type { TokenRow } from "../../data/tokens.js";
import type { PromptRow } from "../../data/types.js";
import type { Trial } from "../../evaluation/trial.js";
import { type LabelledPrompt, promptIds } from "../../exante/rows.js";
import type { Policy } from "../../generation/policy.js";
import { addTokens } from "../../model/added-tokens.js";
import { devPrompts } from "../../runs/dev.js";
import type { Profile } from "../../runs/profile.js";
import { inTurns, labelled, withinTokens } from "../../runs/prompts.js";
import { withOpenings } from "../../runs/reference-answers.js";
import type { Run } from "../../runs/run.js";
import { trainKept } from "../../runs/training.js";
import { builtInTrial, suiteTrials, type TrialName } from "../../runs/trials.js";
import type { StepMetrics } from "../../training/metrics.js";
import { pivotObjective } from "../../training/pivot-objective.js";
import type { PlannedWork } from "../erpo/plan.js";
import { wordings } from "../erpo/recipe.js";
import { sftTraining, stage1Prompts } from "../erpo/stage1.js";
import { cutAfter, devFirstWords, firstWords } from "../first-words.js";
import type { RelatedMethod } from "../method.js";
import { pivotIds } from "./pivots.js";
import { pivots, reasoningRow } from "./traces.js";

export * from "./claims.js";
export * from "./pivots.js";
export * from "./traces.js";

/** What is trained: R2D, the same rows with cross-entropy alone, and the same reasoning without pivots. */
export const variants = ["r2d", "no-cpo", "no-pivots"] as const;

/** One of `variants`. */
export type Variant = (typeof variants)[number];

/** Folder of a variant's adapter in a run. */
export const stageOf = (variant: Variant): string => `methods/r2d/${variant}`;

/** The recipe's knobs, beside the adapter, which is the profile's. */
export interface R2dSettings {
  /** Of the pivot terms beside cross-entropy: 1, as the authors have it. */
  weight: number;
  /** Of the prompts, in pairs of one frame, the share whose reading is suspicious at first ([RETHINK]): of safe and unsafe ones alike, so that it tells nothing. */
  suspicious: number;
  /** Rows of each step. The authors have 32 of some 10,000 and more; here a budget reaches a few hundred. */
  batchSize: number;
  /** Peak. The authors' 2e-4 is for models of 7 billion parameters and more; this is what ERPO's traces are learned with. */
  learningRate: number;
  /** Tokens of each variant's rows, as a share of the budget of ERPO's stage 1b. */
  budget: number;
  /** Tokens after which an answer is cut. */
  answerTokens: number;
}

/** The recipe's own. */
export const settings: R2dSettings = { weight: 1, suspicious: 0.3, batchSize: 4, learningRate: 1e-3, budget: 0.58, answerTokens: 15 };

/** Raised when the same settings would give something else than before. */
const version = 1;

/** The run with pivots in its tokenizer and embedding: everything else is the run's own. */
export function withPivots(run: Run): Run {
  const model = addTokens(run.model, pivots);
  return { ...run, model, writer: { ...run.writer, tokenizer: model.tokenizer } };
}

/**
 * R2D, Reasoning-to-Defend (Zhu et al. 2025): reasoning whose every step ends in a pivot token, and contrastive pivot optimisation beside cross-entropy,
 *
 *     L = CE  +  mean_{t in P_S} -log sigmoid(l_t[SAFE] - l_t[UNSAFE])  +  mean_{t in P_U} -log sigmoid(l_t[UNSAFE] - l_t[SAFE])
 *
 * over the places P_S and P_U of the pivots [SAFE] and [UNSAFE]; [RETHINK] is learned by cross-entropy alone. The authors distil the reasoning from a large model; here it is written by template from the rules.
 * "no-cpo" has the weight 0 for the pivot terms; "no-pivots" learns the same text without pivots. All see the same prompts in the same batches.
 *
 * @throws KeptError when the variant was trained otherwise
 */
export async function* r2d(run: Run, variant: Variant, knobs = settings, signal?: AbortSignal): AsyncGenerator<StepMetrics> {
  const groups = await r2dRows(run, knobs, signal);
  const own = variant === "no-pivots" ? run : withPivots(run);
  const [safe, unsafe, rethink] = pivotIds(withPivots(run).model.tokenizer) as [number, number, number];
  const tokens = variant === "no-pivots" ? undefined : [safe, unsafe, rethink];
  const start = { stream: "R2D adapter", tokens }; // the same matrices for all
  const lengths = groups.map((group) => group.r2d); // batches go by the rows with pivots, in all variants
  const { rows, ...training } = sftTraining(run, `R2D, ${variant}`, start, lengths, knobs.learningRate, knobs.batchSize);
  const objective = pivotObjective({ safe, unsafe, weight: variant === "r2d" ? knobs.weight : 0 });
  yield* trainKept(
    own,
    stageOf(variant),
    { ...training, version, objective, rows: groups.flatMap((group) => rowsOf(group, variant)) },
    signal,
  );
}

/** Two prompts and their rows, with pivots and without. */
export interface R2dGroup {
  prompts: LabelledPrompt[];
  suspicious: boolean;
  r2d: TokenRow[];
  plain: TokenRow[];
}

/** What a variant learns of a group. */
export const rowsOf = (group: R2dGroup, variant: Variant): TokenRow[] => (variant === "no-pivots" ? group.plain : group.r2d);

/** Prompts of train1, ERPO's: pairs of one frame, and everyday prompts by two, spread evenly, within the budget; safe ones with the base model's own first words. */
export async function r2dRows(run: Run, knobs = settings, signal?: AbortSignal): Promise<R2dGroup[]> {
  const { tokenizer } = run.model;
  const { pairs, single } = stage1Prompts(run);
  const everyday = single.filter(({ family }) => family === "general");
  const twos = Array.from({ length: Math.floor(everyday.length / 2) }, (_, i) => everyday.slice(2 * i, 2 * i + 2));
  const all = inTurns([...pairs.map(({ safe, unsafe }) => [safe, unsafe]), ...twos], ([first]) =>
    first!.family === "general" ? "general" : "",
  );
  const tokensOf = (group: LabelledPrompt[]) =>
    group.reduce((sum, { prompt }) => sum + promptIds(prompt, tokenizer).length + planned.reasoning + knobs.answerTokens, 0);
  const reached = withinTokens(all, tokensOf, knobs.budget * run.profile.stage1.traceTokens);
  const answered = await withOpenings(run, "r2d", reached.flat(), signal);
  const answers = new Map(answered.map((prompt) => [prompt.id, prompt]));
  const rng = run.rng("R2D, rows");
  const larger = withPivots(run).model.tokenizer;
  return reached.map((group) => {
    const suspicious = group[0]!.family !== "general" && rng.uniform() < knobs.suspicious;
    const prompts = group.map(({ id }) => answers.get(id)!);
    const written = prompts.map((prompt) => ({
      prompt,
      options: { suspicious, variant: rng.integer(0, wordings - 1), answerTokens: knobs.answerTokens },
    }));
    return {
      prompts,
      suspicious,
      r2d: written.map(({ prompt, options }) => reasoningRow(prompt, run.rules, larger, options)),
      plain: written.map(({ prompt, options }) => reasoningRow(prompt, run.rules, tokenizer, { ...options, withPivots: false })),
    };
  });
}

/** The policy of a variant that is trained, under a name of its own. */
export async function policyOf(run: Run, variant: Variant): Promise<Policy> {
  return { ...(await run.policy(stageOf(variant))), name: variant === "r2d" ? variant : `r2d-${variant}` };
}

/** Reasoning of dev prompts as training writes it, none of it suspicious: what pivots are read on behind given words. */
export function devRows(run: Run): { prompts: PromptRow[]; rows: TokenRow[]; labels: PromptRow["label"][] } {
  const prompts = devPrompts(run, devCount(run.profile)).map(labelled);
  const { tokenizer } = withPivots(run).model;
  const options = { suspicious: false, variant: 0, answerTokens: 0 }; // a dev prompt has no answer
  const rows = prompts.map((prompt) => reasoningRow(prompt, run.rules, tokenizer, options));
  return { prompts, rows, labels: prompts.map(({ label }) => label) };
}

/** The suites and the prefill attack with its control, their answers cut after `firstWords`. */
export async function r2dTrials(run: Run): Promise<Trial[]> {
  const names: TrialName[] = [...suiteTrials, "prefill", "prefill-control"];
  const trials = await Promise.all(names.map((name) => builtInTrial(run, name)));
  return trials.map((trial) => cutAfter(firstWords(run.profile), trial));
}

/** Dev prompts: what a variant is chosen by. */
export const devTrial = (run: Run): Trial => devFirstWords(run, devCount(run.profile));

export { refusalBalance } from "../claims.js"; // what a variant is chosen by, on dev

const devCount = ({ evaluation }: Profile): number => evaluation.gatePrompts;

/** R2D on the base model. */
export const method: RelatedMethod = {
  name: "r2d",
  title: "R2D: reasoning with safety pivots",
  references: ["zhu2025r2d"],
  needs: [],
  plan(profile) {
    const budget = settings.budget * profile.stage1.traceTokens;
    const answerTokens = firstWords(profile);
    const { row, plain, prompt, thought, longest } = planned;
    const rows = budget / row;
    const sample = (name: string, prompts: number, completion: number, tokens: number): PlannedWork => ({
      ...{ name, kind: "sample", rows: Math.min(96, Math.ceil(prompts)), prompt, completion, tokens: Math.round(tokens) },
    });
    const train = (variant: Variant, tokens: number): PlannedWork => ({
      ...{ name: stageOf(variant), kind: "train", rows: settings.batchSize, prompt, completion: longest, tokens: Math.round(tokens) },
    });
    const { evaluation } = profile;
    const prompts = suiteTrials.length * evaluation.prompts + 2 * evaluation.attackPrompts;
    const dev = 2 * devCount(profile);
    const answers = (count: number) => variants.length * count * (thought + answerTokens);
    return [
      sample("answers", rows / 2, settings.answerTokens + 1, (rows / 2) * (settings.answerTokens + 1)),
      train("r2d", planned.deep * budget),
      train("no-cpo", planned.deep * budget),
      train("no-pivots", (plain / row) * budget),
      { name: "pivots", kind: "score", rows: 48, prompt, completion: longest, tokens: 2 * dev * row },
      sample("dev prompts", dev, longest + answerTokens, answers(dev)),
      sample("suites and prefills", prompts, longest + answerTokens, answers(prompts) + prompts * answerTokens),
    ];
  },
};

/**
 * On SmolLM2: tokens of a row with its reasoning and of one without pivots, of the longest prompt, of a reasoning and of the longest; and what a step costs that also goes back through the
 * layers below the adapter, to rows of the embedding, and scores the other pivot at each place.
 */
const planned = { row: 114, plain: 110, prompt: 60, reasoning: 52, thought: 52, longest: 70, deep: 1.6 };
