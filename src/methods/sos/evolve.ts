import type { Rng } from "../../backend/random.js";
import { digestOf, type Identity } from "../../data/identity.js";
import type { Mutation, Mutator } from "./mutator.js";
import {
  best,
  type Operator,
  objectiveOf,
  operators,
  otherObjective,
  type PromptCandidate,
  type PromptFailure,
  type PromptObjective,
  type PromptScores,
  parentsFor,
  promptId,
  type SelectionSettings,
  survivors,
} from "./selection.js";

/** How much is evolved, and how. */
export interface EvolutionSettings extends SelectionSettings {
  /** Generations behind the initial pool. */
  generations: number;
  /** Children of a generation. Fewer where the mutator has no new prompt. */
  children: number;
  /** Rounds of asking the mutator, at most: from the second on for what was no new prompt. */
  tries: number;
}

/** Puts a prompt to the dev prompts. Of the same text it must say the same. */
export type Scorer = (text: string) => Promise<{ scores: PromptScores; failures: readonly PromptFailure[] }>;

/** A prompt that is to be evaluated. */
export interface Proposal {
  text: string;
  operator: Operator | "seed";
  /** Ids of prompts. */
  parents: string[];
}

/**
 * Keeps a generation's proposals, so that a mutator is asked once: what it returned then counts, also where it would not say the same again.
 * @param basis what the proposals depend on, beside mutator and stream
 */
export type KeepProposals = (
  generation: number,
  basis: Identity,
  make: () => Promise<{ proposals: Proposal[] }>,
) => Promise<{ proposals: Proposal[] }>;

/** A generation that is through. */
export interface Generation {
  generation: number;
  /** The objective in turn; null for the initial pool. */
  objective: PromptObjective | null;
  /** What was evaluated in it. */
  evaluated: readonly PromptCandidate[];
  /** Who survives, the best by weighted score first. */
  population: readonly PromptCandidate[];
}

/** What an evolution is made of. */
export interface EvolutionParts {
  /** Prompts that it begins with; the rest of the initial pool are semantic mutations of these. */
  seeds: readonly string[];
  score: Scorer;
  mutator: Mutator;
  /** Each generation has a stream of its own. */
  rng: Rng;
  /** Default: nothing is kept. */
  keep?: KeepProposals;
}

/**
 * SoS, Survival of the Safest (arXiv 2410.09652): interleaved evolution of system prompts for p* = argmax_p w1 K(p) + w2 S(p), w1 + w2 = 1.
 *
 *     P <- seeds and semantic mutations of them
 *     for g = 1, 2, ...:
 *       o <- usefulness if g is odd, else safety
 *       parents <- the best on o of those within delta of the incumbent on the other objective
 *       children <- semantic(p), feedback(p, failures of p on o), crossover(p, elite of the other objective), in turns
 *       P <- the elites (best of each weighting and each objective) and the best by weighted score of P and the children
 *
 * The operators, that objectives are interleaved, and the pool are the paper's abstract's; the weighted score is a review's of it, and that its weights sum to 1 is remembered. Sizes, delta, turns by
 * generation, who is a parent and who survives are this project's: no source of them could be read. No prompt is scored twice.
 *
 * @throws RangeError for no seed, and as `survivors`
 */
export async function* evolve(settings: EvolutionSettings, parts: EvolutionParts): AsyncGenerator<Generation> {
  const { seeds, score, mutator, rng, keep = (_, __, make) => make() } = parts;
  if (seeds.length === 0) throw new RangeError("evolve: give at least one seed prompt");
  const seen = new Map<string, PromptCandidate>();
  let population: PromptCandidate[] = [];

  for (let generation = 0; generation <= settings.generations; generation++) {
    const objective = objectiveOf(generation);
    const stream = rng.fork(`generation ${generation}`);
    const plan = objective ? planned(population, objective, settings) : firstPlan(seeds, settings);
    const { proposals } = await keep(generation, basisOf(population, seeds), () => propose(plan, mutator, settings.tries, seen, stream));
    const evaluated: PromptCandidate[] = [];
    for (const { text, operator, parents } of proposals) {
      const { scores, failures } = await score(text);
      const candidate: PromptCandidate = { id: promptId(text), text, operator, parents, generation, order: seen.size, scores, failures };
      seen.set(candidate.id, candidate);
      evaluated.push(candidate);
    }
    population = survivors([...population, ...evaluated], settings);
    yield { generation, objective, evaluated, population };
  }
}

/** What is asked of a mutator and of which prompts; a seed is there already. */
interface PlannedChild {
  parents: string[];
  mutation: Mutation | { operator: "seed"; text: string };
}

/** Seeds, and semantic mutations of them in turn. */
function firstPlan(seeds: readonly string[], { population }: EvolutionSettings): PlannedChild[] {
  const distinct = [...new Set(seeds)];
  const mutants = Math.max(0, population - distinct.length);
  return [
    ...distinct.map((text): PlannedChild => ({ parents: [], mutation: { operator: "seed", text } })),
    ...Array.from({ length: mutants }, (_, i): PlannedChild => {
      const text = distinct[i % distinct.length]!;
      return { parents: [promptId(text)], mutation: { operator: "semantic", text } };
    }),
  ];
}

/** The children of a generation: operators and parents in turns. A crossover's mate is the best on the other objective, or where that is the parent another prompt. */
function planned(population: readonly PromptCandidate[], objective: PromptObjective, settings: EvolutionSettings): PlannedChild[] {
  const parents = parentsFor(population, objective, settings);
  const elite = best(population, otherObjective(objective) === "usefulness" ? 1 : 0);
  return Array.from({ length: settings.children }, (_, i) => {
    const parent = parents[i % parents.length]!;
    const { id, text } = parent;
    const operator = operators[i % operators.length]!;
    const mate = elite === parent ? [...parents, ...population].find((other) => other !== parent) : elite;
    if (operator === "crossover" && mate) return { parents: [id, mate.id], mutation: { operator, text, other: mate.text } };
    const failures = parent.failures.filter((failure) => failure.objective === objective);
    if (operator === "feedback") return { parents: [id], mutation: { operator, text, objective, failures } };
    return { parents: [id], mutation: { operator: "semantic", text } };
  });
}

/**
 * Asks for the planned children, and again for those that are no new prompts, `tries` times in all; in the later half of them for semantic mutations of their parents, of which there are
 * most. In the order of the plan.
 */
async function propose(
  plan: readonly PlannedChild[],
  mutator: Mutator,
  tries: number,
  seen: ReadonlyMap<string, PromptCandidate>,
  rng: Rng,
): Promise<{ proposals: Proposal[] }> {
  const made: (Proposal | undefined)[] = plan.map(() => undefined);
  const known = new Set(seen.keys());
  const take = (i: number, { parents, mutation: { operator } }: PlannedChild, text: string) => {
    if (text === "" || known.has(promptId(text))) return;
    known.add(promptId(text));
    made[i] = { text, operator, parents };
  };
  for (const [i, child] of plan.entries()) if (child.mutation.operator === "seed") take(i, child, child.mutation.text);
  for (let round = 1; round <= tries; round++) {
    const left = [...plan.entries()].filter(([i, { mutation }]) => !made[i] && mutation.operator !== "seed");
    if (left.length === 0) break;
    const asked = left.map(([i, child]): [number, PlannedChild] => [i, 2 * round > tries + 1 ? semantic(child) : child]);
    const texts = await mutator.mutate(
      asked.map(([, { mutation }]) => mutation as Mutation),
      rng.fork(`round ${round}`),
    );
    for (const [at, [i, child]] of asked.entries()) take(i, child, texts[at]!.trim());
  }
  return { proposals: made.filter((proposal) => proposal !== undefined) };
}

const semantic = ({ parents, mutation: { text } }: PlannedChild): PlannedChild => ({
  parents: parents.slice(0, 1),
  mutation: { operator: "semantic", text },
});

/** What a generation's proposals follow from; texts of failures as their digest. */
const basisOf = (population: readonly PromptCandidate[], seeds: readonly string[]): Identity =>
  population.length === 0
    ? { seeds }
    : {
        population: population.map(({ id, scores }) => ({ id, ...scores })),
        failures: digestOf(population.map(({ failures }) => failures.map((failure) => ({ ...failure })))),
      };
