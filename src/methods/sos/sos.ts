import type { Identity } from "../../data/identity.js";
import { keep } from "../../runs/keep.js";
import type { Profile } from "../../runs/profile.js";
import type { Run } from "../../runs/run.js";
import { suiteTrials } from "../../runs/trials.js";
import type { PlannedWork } from "../erpo/plan.js";
import { firstWords } from "../first-words.js";
import type { RelatedMethod } from "../method.js";
import { devCounts, devScorer } from "./dev-score.js";
import { type EvolutionSettings, evolve, type Generation, type KeepProposals, type Scorer } from "./evolve.js";
import type { Mutator } from "./mutator.js";
import { ruleMutator } from "./rule-mutator.js";

export * from "./dev-score.js";
export * from "./evolve.js";
export * from "./held-out.js";
export * from "./llm-mutator.js";
export * from "./mutator.js";
export * from "./rule-mutator.js";
export * from "./selection.js";

/** What evolution begins with: helpful, and silent about safety. */
export const seedPrompt = "You are a helpful assistant. Answer questions clearly.";

/** The recipe's own: no source says the paper's. Eight prompts, five generations of eight children; parents may be a tenth below the incumbent on the other objective. */
export const settings: EvolutionSettings = {
  population: 8,
  generations: 5,
  children: 8,
  parents: 4,
  delta: 0.1,
  weight: 0.5,
  weightings: [0.25, 0.5, 0.75],
  tries: 6,
};

/** Evolutions of a run, each with a stream of its own: three where a profile evaluates at length, else one. */
export const repetitions = ({ evaluation }: Profile): number => (evaluation.prompts > 100 ? 3 : 1);

/** Raised when the same settings would give something else than before. */
const version = 1;

/** What an evolution in a run is told. */
export interface RunEvolution {
  /** Which of the run's evolutions, from 1; default 1. */
  repetition?: number;
  /** Default: by rules. */
  mutator?: Mutator;
  /** Default: on the base model's answers to dev prompts. */
  score?: Scorer;
  /** Default: the recipe's own. */
  knobs?: EvolutionSettings;
  signal?: AbortSignal;
}

/**
 * SoS on a run's base model. Proposals are kept a generation at a time in `methods/sos/MUTATOR-REPETITION/`, answers to each prompt beside them (`promptAnswers`); so an evolution that was
 * killed goes on, and comes to the same prompts.
 * @throws KeptError when proposals of other settings, prompts or scores are kept there
 */
export function evolution(run: Run, told: RunEvolution = {}): AsyncGenerator<Generation> {
  const { repetition = 1, mutator = ruleMutator, knobs = settings, signal, score = devScorer(run, signal) } = told;
  const { generations: _, ...chosen } = knobs; // more generations go on from those that are there
  const stream = `SoS, evolution ${repetition}`;
  const keepProposals: KeepProposals = (generation, basis, make) => {
    const identity: Identity = {
      ...{ recipe: "SoS, proposals", version, generation, settings: chosen, mutator: mutator.identity, seed: run.seed, stream },
      ...basis,
    };
    return keep(run, `methods/sos/${mutator.name}-${repetition}/generation-${generation}.json`, identity, make);
  };
  return evolve(knobs, { seeds: [seedPrompt], score, mutator, rng: run.rng(stream), keep: keepProposals });
}

/** SoS on the base model. */
export const method: RelatedMethod = {
  name: "sos",
  title: "SoS: evolution of system prompts",
  references: ["sinha2024sos"],
  needs: [],
  plan(profile) {
    const { evaluation } = profile;
    const answerTokens = firstWords(profile);
    const { labelled, general } = devCounts(profile);
    const evolutions = repetitions(profile);
    const prompts = evolutions * (settings.population + settings.generations * settings.children);
    const policies = 3 + evolutions * settings.weightings.length; // the model as it came, the seed and a prompt by hand beside the pools
    const work = (name: string, rows: number, completion: number, tokens: number): PlannedWork => ({
      ...{ name, kind: "sample", rows: Math.min(96, rows), prompt: 130 + 40, completion, tokens }, // behind a system turn
    });
    const dev = (2 * labelled + 2 * general) * answerTokens;
    const heldOut = (suiteTrials.length + 1) * answerTokens * evaluation.prompts; // general prompts' answers are twice as long
    return [
      work("dev prompts", 2 * labelled + general, 2 * answerTokens, prompts * dev),
      work("suites", suiteTrials.length * evaluation.prompts, 2 * answerTokens, policies * heldOut),
    ];
  },
};
