import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { pushed } from "../../../src/methods/scpo/environments/cart-pole.js";
import { gae, nullifiedReward, type Path, safetyTargets } from "../../../src/methods/scpo/returns.js";

type Recorded = Path & { states: number[][]; actions: number[]; next: number[][] } & Record<
    "targets" | "nullified" | "advantages",
    number[]
  >;
const { settings, paths } = JSON.parse(readFileSync(join(import.meta.dirname, "../../fixtures/scpo-numpy.json"), "utf8")) as {
  settings: Record<"limit" | "gammaSafety" | "gamma" | "lambda" | "power" | "penalty" | "bias", number>;
  paths: Recorded[];
};

const all = (got: readonly number[], wanted: readonly number[], digits: number) => {
  expect(got).toHaveLength(wanted.length);
  for (const [t, value] of got.entries()) expect(value, `step ${t}`).toBeCloseTo(wanted[t]!, digits);
};

describe.each(paths.map((path, i) => [`recorded path ${i + 1}`, path] as const))("%s, against NumPy", (_, path) => {
  const { limit, gammaSafety, gamma, lambda } = settings;

  test("the cart moves as there", () => {
    for (const [t, state] of path.states.entries()) all(pushed(state, path.actions[t]!), path.next[t]!, 12);
  });

  test("targets of the safety critic, the nullified reward and its advantages", () => {
    const targets = safetyTargets(path, limit, gammaSafety);
    all(targets, path.targets, 12);
    const nullified = path.rewards.map((reward, t) =>
      nullifiedReward(reward, path.costs[t]!, path.critic[t]!, targets[t]!, settings as never),
    );
    all(nullified, path.nullified, 12);
    const { advantages, returns } = gae(nullified, path.values, path.ends, path.lastValue, { gamma, lambda });
    all(advantages, path.advantages, 9);
    all(returns, path.advantages.map((advantage, t) => advantage + path.values[t]!), 9); // biome-ignore format: one thought
  });
});

describe("by hand", () => {
  const nullification = { power: 5, penalty: 3, bias: 0.25 };
  const ends = [false, false, true, false];

  test("an episode within the limit: Q = 1, and r' = r + b for a critic that knows", () => {
    const targets = safetyTargets({ spent: [0, 0, 0, 0], ends }, 0.5, 0.995);
    all(targets, [1, 1, 1, 1], 15);
    for (const target of targets) expect(nullifiedReward(1.5, 0, 1, target, nullification)).toBe(1.75);
    expect(safetyTargets({ spent: [0.5, 0.5], ends: [false, true] }, 0.5, 0.995)).toEqual([1, 1]); // the limit may be spent
  });

  test("beyond it: Q = 0, and r' = -lambda cost for a critic that knows", () => {
    const targets = safetyTargets({ spent: [1, 2, 3, 1], ends }, 0.5, 0.995);
    expect(targets).toEqual([0, 0, 0, 0]);
    for (const target of targets) expect(nullifiedReward(1.5, 1, 0, target, nullification)).toBe(-3);
    expect(nullifiedReward(1.5, 0, 0, 0, nullification)).toBeCloseTo(0, 15); // no cost, no penalty, no reward
  });

  test("a violation at an episode's last step counts before it, and not in the next episode", () => {
    expect(safetyTargets({ spent: [0, 0, 1, 0], ends }, 0.5, 0.5)).toEqual([0.5, 0, 0, 1]); // Q_0 = 0.5 safe_1 + 0.5 Q_1
  });

  test("without discount of safety Q is whether the episode ends within its limit", () => {
    expect(safetyTargets({ spent: [0, 0, 1, 0], ends }, 0.5, 1)).toEqual([0, 0, 0, 1]);
  });

  test("a way with more reward and too much cost is worth less than a safe one, once the critic knows", () => {
    const worth = (rewards: number[], costs: number[], spent: number[]) => {
      const path = { spent, ends: [false, false, true] };
      const targets = safetyTargets(path, 0.5, 0.995);
      return rewards.reduce(
        (sum, r, t) => sum + nullifiedReward(r, costs[t]!, targets[t]!, targets[t]!, { power: 4, penalty: 0, bias: 0 }),
        0,
      );
    };
    expect(worth([5, 5, 5], [0, 1, 0], [0, 1, 1])).toBeLessThan(worth([0, 1, 1], [0, 0, 0], [0, 0, 0]));
  });
});

test("targets are in [0, 1], fall with the limit, and depend on nothing behind an episode's end", () => {
  const steps = fc.array(fc.record({ cost: fc.integer({ min: 0, max: 2 }), end: fc.boolean() }), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(steps, fc.double({ min: 0, max: 5, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }), (path, limit, gamma) => {
      let sum = 0;
      const spent = path.map(({ cost, end }) => {
        sum += cost;
        const now = sum;
        if (end) sum = 0;
        return now;
      });
      const ends = path.map(({ end }) => end);
      const targets = safetyTargets({ spent, ends }, limit, gamma);
      const looser = safetyTargets({ spent, ends }, limit + 1, gamma);
      for (const [t, target] of targets.entries()) {
        expect(target).toBeGreaterThanOrEqual(0);
        expect(target).toBeLessThanOrEqual(1 + 1e-12);
        expect(looser[t]!).toBeGreaterThanOrEqual(target - 1e-12);
      }
      const first = ends.indexOf(true) + 1;
      if (first > 0)
        expect(safetyTargets({ spent: spent.slice(0, first), ends: ends.slice(0, first) }, limit, gamma)).toEqual(targets.slice(0, first));
    }),
  );
});
