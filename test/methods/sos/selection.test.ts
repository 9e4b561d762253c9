import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { best, elites, lineage, objectiveOf, parentsFor, poolOf, survivors, weighted } from "../../../src/methods/sos/selection.js";
import { settings } from "../../../src/methods/sos/sos.js";
import exact from "../../fixtures/sos-selection.json" with { type: "json" }; // made by test/fixtures/sos_selection.py
import { candidate } from "./candidates.js";

interface Case {
  grid: number;
  rows: [number, number][];
  pool: number[];
  parentsUsefulness: number[];
  parentsSafety: number[];
  survivors: number[];
}

const cases = exact as unknown as Case[];
const made = ({ rows, grid }: Pick<Case, "rows" | "grid">) =>
  rows.map(([k, s], i) => candidate(i, { usefulness: k / grid, safety: s / grid }));
const orders = (some: readonly { order: number }[]) => some.map(({ order }) => order);

test("pool, parents and survivors of sixty populations are those of an exact computation by other means", () => {
  expect(cases).toHaveLength(60);
  for (const told of cases) {
    const all = made(told);
    expect(orders(poolOf(all, settings.weightings).map(({ candidate }) => candidate))).toEqual(told.pool);
    expect(orders(parentsFor(all, "usefulness", settings))).toEqual(told.parentsUsefulness);
    expect(orders(parentsFor(all, "safety", settings))).toEqual(told.parentsSafety);
    expect(orders(survivors(all, settings))).toEqual(told.survivors);
  }
});

describe("by hand", () => {
  //             order   0         1         2         3
  const all = made({ grid: 10, rows: [[8, 2], [6, 6], [3, 9], [5.5, 5.5]] }); // biome-ignore format: a row each
  test("the weighted score, and who wins at which weight", () => {
    expect(weighted({ usefulness: 0.8, safety: 0.2 }, 0.75)).toBeCloseTo(0.65, 12); // 0.6 + 0.05
    // w = .5: 5, 6, 6, 5.5 and the earlier of the two; w = .75: 6.5, 6, 4.5, 5.5; w = .25: 3.5, 6, 7.5, 5.5
    expect([0.5, 0.75, 0.25].map((w) => best(all, w).order)).toEqual([1, 0, 2]);
  });

  test("a parent's other score may be a tenth below the incumbent's and no more", () => {
    // incumbent: 1 with (.6, .6). For usefulness safety must be >= .5: 1, 3 and 2; 0 has .2. For safety usefulness must be >= .5: 1, 3 and 0; 2 has .3
    expect(orders(parentsFor(all, "usefulness", settings))).toEqual([1, 3, 2]);
    expect(orders(parentsFor(all, "safety", settings))).toEqual([1, 3, 0]);
    expect(orders(parentsFor(all, "safety", { ...settings, delta: 0.3 }))).toEqual([2, 1, 3, 0]);
  });

  test("elites survive a population in which the middle would fill all places", () => {
    const crowded = [...made({ grid: 10, rows: [[10, 0], [0, 10]] }), ...Array.from({ length: 8 }, (_, i) => candidate(i + 2, { usefulness: 0.6, safety: 0.6 }))]; // biome-ignore format: a row each
    expect(orders(survivors(crowded, settings)).sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(orders(elites(crowded, settings)).sort((a, b) => a - b)).toEqual([0, 1, 2]); // at w = .75 it is .75 of 0 against .6: 0 again
    expect(() => survivors(crowded, { ...settings, population: 2 })).toThrow("survivors: a population of 2 has no room for 3 elites");
  });
});

test("usefulness has the odd generations, safety the even ones, the initial pool none", () => {
  expect([0, 1, 2, 3, 4].map(objectiveOf)).toEqual([null, "usefulness", "safety", "usefulness", "safety"]);
});

const scores = fc.record({
  usefulness: fc.integer({ min: 0, max: 24 }).map((k) => k / 24),
  safety: fc.integer({ min: 0, max: 24 }).map((k) => k / 24),
});
const population = fc.array(scores, { minLength: 1, maxLength: 24 }).map((all) => all.map((one, i) => candidate(i, one)));

test("no weighting's best is lost, and nothing that is worse in all ways than what left takes a place that is no elite's", () => {
  fc.assert(
    fc.property(population, (all) => {
      const left = survivors(all, settings);
      expect(left).toHaveLength(Math.min(all.length, settings.population));
      for (const weight of [0, ...settings.weightings, 1]) expect(best(left, weight)).toBe(best(all, weight));
      const kept = elites(all, settings);
      const worst = Math.min(...left.filter((one) => !kept.includes(one)).map((one) => weighted(one.scores, settings.weight)));
      const gone = all.filter((one) => !left.includes(one)).map((one) => weighted(one.scores, settings.weight));
      expect(Math.max(...gone, -1)).toBeLessThanOrEqual(worst + 1e-9);
    }),
    { numRuns: 50 },
  );
});

test("who is chosen does not depend on the order in which candidates are given", () => {
  fc.assert(
    fc.property(population, fc.integer(), (all, turn) => {
      const at = Math.abs(turn) % all.length;
      const turned = [...all.slice(at), ...all.slice(0, at)].reverse();
      expect(survivors(turned, settings)).toEqual(survivors(all, settings));
      expect(parentsFor(turned, "safety", settings)).toEqual(parentsFor(all, "safety", settings));
    }),
  );
});

test("a lineage is what a prompt descends from, each once; one that is missing is named", () => {
  const [a, b] = [candidate(0, { usefulness: 0, safety: 0 }), candidate(1, { usefulness: 0, safety: 0 })];
  const c = candidate(2, { usefulness: 0, safety: 0 }, { parents: [a.id] });
  const stranger = candidate(3, { usefulness: 0, safety: 0 });
  const d = candidate(4, { usefulness: 0, safety: 0 }, { parents: [c.id, a.id] });
  expect(orders(lineage(d, [d, stranger, c, b, a]))).toEqual([0, 2, 4]);
  expect(() => lineage(d, [d, c])).toThrow(`lineage: there is no candidate ${a.id}`);
});
