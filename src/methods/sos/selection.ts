import { digestOf } from "../../data/identity.js";

/** What a system prompt is to be good at: K of the paper, its task, here to be of use to harmless requests; and S, safety. In the order of their turns. */
export const objectives = ["usefulness", "safety"] as const;

/** One of `objectives`. */
export type PromptObjective = (typeof objectives)[number];

/** The paper's three ways to make a prompt of others, in the order of their turns. */
export const operators = ["semantic", "feedback", "crossover"] as const;

/** One of `operators`. */
export type Operator = (typeof operators)[number];

/** What a prompt reaches on the dev prompts, in [0, 1] each: K and S. */
export type PromptScores = Readonly<Record<PromptObjective, number>>;

/** A dev prompt whose answer does not do what an objective asks. */
export interface PromptFailure {
  objective: PromptObjective;
  /** What the answer does: complies with what is unsafe, refuses what is harmless, is off the topic, or is degenerate (a loop, nothing, a recital of the system prompt). */
  kind: "complied" | "refused" | "off topic" | "degenerate";
  /** Of an unsafe prompt what the rule that it breaks calls it, null where it names none; of a harmless one the prompt. An unsafe prompt's own words are in no failure. */
  about: string | null;
}

/** A system prompt that has been evaluated. */
export interface PromptCandidate {
  /** Of its text (`promptId`). */
  id: string;
  text: string;
  /** Ids of what it was made from: none for a seed, two after a crossover. */
  parents: readonly string[];
  operator: Operator | "seed";
  /** 0 is the initial pool. */
  generation: number;
  /** Its place among all that were evaluated, from 0. */
  order: number;
  scores: PromptScores;
  failures: readonly PromptFailure[];
}

/** What equal prompts have in common: 12 hexadecimal digits of the SHA-256 of the text. */
export const promptId = (text: string): string => digestOf(text).slice(0, 12);

/** How a generation is chosen. */
export interface SelectionSettings {
  /** Prompts that survive a generation; at least as many as there are elites. */
  population: number;
  /** Prompts that a generation's children are made from. */
  parents: number;
  /** How far below the incumbent's a parent's score on the objective that is not in turn may be. */
  delta: number;
  /** The weight w1 of usefulness by which the incumbent and the winner are chosen; safety has w2 = 1 - w1. */
  weight: number;
  /** The weights w1 that the final pool has a prompt for. */
  weightings: readonly number[];
}

/** w1 K(p) + w2 S(p) with w2 = 1 - w1. */
export const weighted = ({ usefulness, safety }: PromptScores, weight: number): number => weight * usefulness + (1 - weight) * safety;

/** Equal shares are equal, however their sums were rounded. */
const epsilon = 1e-9;

/** Descending by each measure in turn; what they all tie on in the order of evaluation. */
function ranked(candidates: readonly PromptCandidate[], ...measures: ((scores: PromptScores) => number)[]): PromptCandidate[] {
  return [...candidates].sort((a, b) => {
    for (const measure of measures) {
      const difference = measure(b.scores) - measure(a.scores);
      if (Math.abs(difference) > epsilon) return difference;
    }
    return a.order - b.order;
  });
}

/** The candidate with the largest weighted score; of equal ones that with equal weights, then the earliest. @throws RangeError when there is none */
export function best(candidates: readonly PromptCandidate[], weight: number): PromptCandidate {
  const [first] = ranked(
    candidates,
    (scores) => weighted(scores, weight),
    (scores) => weighted(scores, 0.5),
  );
  if (!first) throw new RangeError("best: there are no candidates");
  return first;
}

/** The objective of a generation's turn: usefulness in odd ones, safety in even ones; generation 0, the initial pool, has none. */
export const objectiveOf = (generation: number): PromptObjective | null => (generation === 0 ? null : objectives[(generation - 1) % 2]!);

/** The one that is not in turn. */
export const otherObjective = (objective: PromptObjective): PromptObjective => (objective === "safety" ? "usefulness" : "safety");

/**
 * Parents of a generation whose turn is `objective`: of the prompts that are on the other objective at most `delta` below the incumbent, the best on this one.
 * The incumbent, the best by weighted score, is among those that are chosen from.
 */
export function parentsFor(
  population: readonly PromptCandidate[],
  objective: PromptObjective,
  settings: SelectionSettings,
): PromptCandidate[] {
  const other = otherObjective(objective);
  const least = best(population, settings.weight).scores[other] - settings.delta - epsilon;
  return ranked(
    population.filter(({ scores }) => scores[other] >= least),
    (scores) => scores[objective],
    (scores) => weighted(scores, settings.weight),
  ).slice(0, settings.parents);
}

/** The elites: the best of each weighting and of each objective alone (weights 1 and 0), each once. */
export function elites(candidates: readonly PromptCandidate[], { weight, weightings }: SelectionSettings): PromptCandidate[] {
  return [...new Set([weight, ...weightings, 1, 0].map((w) => best(candidates, w)))];
}

/**
 * Who survives: the elites, and the best by weighted score in what room is left. So for each weighting the best score never decreases.
 * @returns the best by weighted score first
 * @throws RangeError when the population has no room for the elites
 */
export function survivors(candidates: readonly PromptCandidate[], settings: SelectionSettings): PromptCandidate[] {
  const kept = elites(candidates, settings);
  if (kept.length > settings.population)
    throw new RangeError(`survivors: a population of ${settings.population} has no room for ${kept.length} elites`);
  const byWeight = (some: readonly PromptCandidate[]) => ranked(some, (scores) => weighted(scores, settings.weight));
  const others = byWeight(candidates.filter((candidate) => !kept.includes(candidate)));
  return byWeight([...kept, ...others.slice(0, settings.population - kept.length)]);
}

/** A prompt for each weighting: what the method hands over. */
export const poolOf = (
  population: readonly PromptCandidate[],
  weightings: readonly number[],
): { weight: number; candidate: PromptCandidate }[] => weightings.map((weight) => ({ weight, candidate: best(population, weight) }));

/** A prompt and all that it descends from, each once, in the order of evaluation. @throws RangeError when an ancestor is missing */
export function lineage(candidate: PromptCandidate, all: readonly PromptCandidate[]): PromptCandidate[] {
  const byId = new Map(all.map((one) => [one.id, one]));
  const found = new Map<string, PromptCandidate>();
  const visit = (id: string): void => {
    const one = byId.get(id);
    if (!one) throw new RangeError(`lineage: there is no candidate ${id}`);
    if (found.has(id)) return;
    found.set(id, one);
    for (const parent of one.parents) visit(parent);
  };
  visit(candidate.id);
  return [...found.values()].sort((a, b) => a.order - b.order);
}

/** Scores for a line of text: `K 0.56, S 0.13`. */
export const scoresInWords = ({ usefulness, safety }: PromptScores): string => `K ${usefulness.toFixed(2)}, S ${safety.toFixed(2)}`;
