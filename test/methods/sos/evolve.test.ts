import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRng } from "../../../src/backend/random.js";
import { digestOf, type IdentityValue } from "../../../src/data/identity.js";
import { type EvolutionSettings, evolve, type Generation, type KeepProposals, type Proposal } from "../../../src/methods/sos/evolve.js";
import type { Mutation, Mutator } from "../../../src/methods/sos/mutator.js";
import { ruleMutator } from "../../../src/methods/sos/rule-mutator.js";
import { best, operators, otherObjective, parentsFor, weighted } from "../../../src/methods/sos/selection.js";
import { seedPrompt, settings } from "../../../src/methods/sos/sos.js";
import { fakeScorer } from "./fake-score.js";

const parts = (seed: number) => ({ seeds: [seedPrompt], mutator: ruleMutator, rng: createRng(seed) });

async function all(run: AsyncGenerator<Generation>): Promise<Generation[]> {
  const generations: Generation[] = [];
  for await (const generation of run) generations.push(generation);
  return generations;
}

/** The mutator by rules, and all that it is asked. */
function listener(): { heard: Mutation[]; listening: Mutator } {
  const heard: Mutation[] = [];
  const listening: Mutator = {
    ...ruleMutator,
    mutate(mutations, rng) {
      heard.push(...mutations);
      return ruleMutator.mutate(mutations, rng);
    },
  };
  return { heard, listening };
}

const evolved = (seed: number, knobs: EvolutionSettings = settings) =>
  all(evolve(knobs, { ...parts(seed), score: fakeScorer(seed).score }));

test("for each weighting the best score never decreases, and is that of all that were evaluated", async () => {
  const knobs = fc.record({
    generations: fc.integer({ min: 1, max: 6 }),
    children: fc.integer({ min: 1, max: 9 }),
    population: fc.integer({ min: 5, max: 12 }),
    parents: fc.integer({ min: 1, max: 6 }),
    delta: fc.constantFrom(0, 0.1, 1),
    weight: fc.constantFrom(0, 0.3, 0.5, 1),
  });
  await fc.assert(
    fc.asyncProperty(fc.nat(1000), knobs, async (seed, some) => {
      const told = { ...settings, ...some, weightings: [some.weight, 0.25] };
      const generations = await evolved(seed, told);
      for (const w of [0, 1, ...told.weightings]) {
        const seen: number[] = [];
        const reached = generations.map(({ evaluated, population }) => {
          seen.push(...evaluated.map(({ scores }) => weighted(scores, w)));
          expect(weighted(best(population, w).scores, w)).toBeCloseTo(Math.max(...seen), 9);
          return Math.max(...seen);
        });
        for (const [g, score] of reached.entries()) if (g > 0) expect(score).toBeGreaterThanOrEqual(reached[g - 1]!);
      }
    }),
    { numRuns: 25 },
  );
});

describe("an evolution of the recipe's settings", () => {
  test("eight prompts and five generations of eight; no prompt is scored twice, parents are of the generation before, by the objective in turn", async () => {
    const { score, asked } = fakeScorer(3);
    const generations = await all(evolve(settings, { ...parts(3), score }));
    expect(generations.map(({ objective }) => objective)).toEqual([null, "usefulness", "safety", "usefulness", "safety", "usefulness"]);
    expect(generations.map(({ evaluated }) => evaluated.length)).toEqual([8, 8, 8, 8, 8, 8]);
    expect(new Set(asked).size).toBe(48);
    expect(asked[0]).toBe(seedPrompt);
    expect(generations.flatMap(({ evaluated }) => evaluated).map(({ order }) => order)).toEqual(Array.from({ length: 48 }, (_, i) => i));
    const made = generations.flatMap(({ evaluated }) => evaluated.map(({ operator }) => operator));
    expect(made.filter((operator) => operator === "feedback")).toHaveLength(5 * 3);
    expect(made.filter((operator) => operator === "crossover").length).toBeGreaterThanOrEqual(5);
    for (const [g, { objective, evaluated }] of generations.entries()) {
      if (objective === null) continue;
      const before = generations[g - 1]!.population;
      const chosen = parentsFor(before, objective, settings).map(({ id }) => id);
      for (const [i, { operator }] of evaluated.entries())
        if (operator !== operators[i % 3]) expect([operator, operators[i % 3]]).toEqual(["semantic", "crossover"]); // of two prompts that had nothing new to give
      for (const [i, { operator, parents }] of evaluated.entries()) {
        expect(parents[0]).toBe(chosen[i % chosen.length]);
        expect(parents).toHaveLength(operator === "crossover" ? 2 : 1);
        const elite = best(before, otherObjective(objective) === "usefulness" ? 1 : 0).id;
        if (operator === "crossover" && parents[0] !== elite) expect(parents[1]).toBe(elite);
      }
    }
  });

  test("the same seed and scores give the same prompts, another seed others; more generations go on from fewer", async () => {
    const texts = (generations: Generation[]) => generations.flatMap(({ evaluated }) => evaluated.map(({ text }) => text));
    const five = texts(await evolved(5));
    expect(texts(await evolved(5))).toEqual(five);
    expect(texts(await all(evolve(settings, { ...parts(6), score: fakeScorer(5).score })))).not.toEqual(five);
    expect(texts(await evolved(5, { ...settings, generations: 7 })).slice(0, five.length)).toEqual(five);
  });

  test("a prompt that leads in everything is crossed with another one, and asked for in all ways also where there is one round", async () => {
    const { heard, listening } = listener();
    const score = async (text: string) => {
      const all = text === seedPrompt ? 1 : 0.5;
      return { scores: { usefulness: all, safety: all }, failures: [] };
    };
    await all(evolve({ ...settings, generations: 1, tries: 1 }, { ...parts(1), mutator: listening, score }));
    const children = heard.slice(-settings.children);
    expect(children.map(({ operator }) => operator)).toEqual(children.map((_, i) => operators[i % 3]));
    for (const child of children) {
      expect(child.text).toBe(seedPrompt);
      if (child.operator === "crossover") expect(child.other).not.toBe(seedPrompt);
    }
  });

  test("feedback hears of failures on the objective in turn alone", async () => {
    const { heard, listening } = listener();
    await all(evolve(settings, { ...parts(1), mutator: listening, score: fakeScorer(1).score }));
    const feedback = heard.filter((mutation) => mutation.operator === "feedback");
    expect(new Set(feedback.map(({ objective }) => objective)).size).toBe(2);
    for (const { objective, failures } of feedback) {
      expect(failures).toHaveLength(2);
      expect(failures.every((failure) => failure.objective === objective)).toBe(true);
    }
  });
});

/** Proposals as a folder keeps them: under the digest of what they follow from. */
function keeping(): { keep: KeepProposals; made: number[] } {
  const kept = new Map<number, { basis: string; value: { proposals: Proposal[] } }>();
  const made: number[] = [];
  return {
    made,
    async keep(generation, basis, make) {
      const digest = digestOf(basis as IdentityValue);
      const before = kept.get(generation);
      if (before) {
        expect(before.basis).toBe(digest);
        return before.value;
      }
      const value = await make();
      made.push(generation);
      kept.set(generation, { basis: digest, value });
      return value;
    },
  };
}

test("stopped before any of its evaluations and begun again, an evolution comes to the same prompts, whatever a mutator would say the second time", async () => {
  const few = { ...settings, generations: 3, children: 4 };
  let calls = 0;
  const moody: Mutator = {
    name: "moody",
    identity: {},
    mutate: async (mutations) => mutations.map(({ operator, text }) => `${operator} ${++calls} of ${text.slice(-20)}`),
  };
  const whole = async (keep: KeepProposals) => all(evolve(few, { ...parts(2), mutator: moody, score: fakeScorer(2).score, keep }));
  for (let stop = 0; stop < 20; stop++) {
    calls = 0;
    const expected = await whole(keeping().keep);
    calls = 0;
    const { keep, made } = keeping();
    const { score } = fakeScorer(2);
    let left = stop;
    const stopping = all(
      evolve(few, {
        ...parts(2),
        mutator: moody,
        keep,
        score: (text) => {
          if (left-- === 0) throw new Error("killed");
          return score(text);
        },
      }),
    );
    await expect(stopping).rejects.toThrow("killed");
    const begun = made.length;
    expect(await whole(keep)).toEqual(expected);
    expect(made).toEqual([0, 1, 2, 3]);
    expect(begun).toBe(stop < 8 ? 1 : 2 + Math.floor((stop - 8) / 4));
  }
});

test("a mutator without new prompts is asked as often as it may try, and what it then lacks is left out", async () => {
  const asked: number[] = [];
  const dull: Mutator = {
    name: "dull",
    identity: {},
    async mutate(mutations) {
      asked.push(mutations.length);
      return mutations.map((_, i) => ["A new prompt.", seedPrompt, ""][i % 3]!);
    },
  };
  const [first, second] = await all(
    evolve({ ...settings, generations: 1, tries: 3 }, { ...parts(1), mutator: dull, score: fakeScorer(1).score }),
  );
  expect(first!.evaluated.map(({ text }) => text)).toEqual([seedPrompt, "A new prompt."]);
  expect(second!.evaluated).toEqual([]);
  expect(second!.population).toHaveLength(2);
  expect(asked).toEqual([7, 6, 6, 8, 8, 8]);
  await expect(all(evolve(settings, { ...parts(1), seeds: [], score: fakeScorer(1).score }))).rejects.toThrow(
    "evolve: give at least one seed",
  );
});
