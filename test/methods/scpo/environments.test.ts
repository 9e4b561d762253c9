import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createRng } from "../../../src/backend/random.js";
import { cartPole, cartSafe } from "../../../src/methods/scpo/environments/cart-pole.js";
import { lanes, lanesCmdp, placeOf, tabularEnvironment } from "../../../src/methods/scpo/environments/lanes.js";
import { cmdpOptimum } from "../../../src/methods/scpo/linear-program.js";

const scipy = JSON.parse(readFileSync(join(import.meta.dirname, "../../fixtures/scpo-numpy.json"), "utf8")) as {
  lanes: string[];
  optima: Record<string, number>;
};

test("the optimum of the lanes under several limits is SciPy's", async () => {
  expect(scipy.lanes).toEqual(lanes);
  for (const [limit, value] of Object.entries(scipy.optima)) {
    const optimum = await cmdpOptimum(lanesCmdp, Number(limit));
    expect(optimum.value, `limit ${limit}`).toBeCloseTo(value, 6);
    expect(optimum.cost).toBeLessThanOrEqual(Number(limit) + 1e-9);
  }
});

test("a limit of whole tiles has an optimum without chance: the best of all ways that keep it in every episode", async () => {
  /** By dynamic programming over what may still be spent. */
  const best = (state: number, steps: number, left: number): number =>
    steps === 0
      ? 0
      : Math.max(
          ...lanesCmdp.next[state]!.map((to) =>
            lanesCmdp.cost[to]! > left ? Number.NEGATIVE_INFINITY : lanesCmdp.reward[to]! + best(to, steps - 1, left - lanesCmdp.cost[to]!),
          ),
        );
  for (const limit of [1, 2, 3]) expect((await cmdpOptimum(lanesCmdp, limit)).value).toBeCloseTo(best(0, 12, limit), 6);
}, 60_000);

test("a limit that cannot be kept is said", async () => {
  await expect(cmdpOptimum({ start: 0, next: [[0]], reward: [1], cost: [1], horizon: 3 }, 2)).rejects.toThrow(/limit 2 cannot be kept/);
});

test("lanes as an environment: states seen one by one, coins and heat of the tile that is reached", () => {
  const environment = tabularEnvironment("lanes", lanesCmdp, 2);
  const start = environment.reset(createRng(1));
  const down = environment.step(start, 2);
  expect(placeOf(down.state[0]!)).toEqual({ lane: 2, column: 0 });
  expect(down).toMatchObject({ reward: 1, cost: 0, done: false });
  const hot = environment.step(environment.step(start, 1).state, 1); // the C behind the middle lane's 0
  expect(hot).toMatchObject({ reward: 3, cost: 1 });
  expect(environment.observe(hot.state).reduce((a, b) => a + b)).toBe(1);
  expect(environment.observe(hot.state)).toHaveLength(environment.observed);
});

test("CartPole-v1 ends where the pole leans by 12 degrees, or the track ends; CartSafe has cost beyond 1 m and 2 for an upright pole", () => {
  const degrees = (angle: number) => [0, 0, (angle * Math.PI) / 180, 0];
  expect(cartPole.step(degrees(11.9), 0)).toMatchObject({ reward: 1, cost: 0, done: false });
  expect(cartPole.step([0, 0, 0.2, 2], 0).done).toBe(true);
  expect(cartPole.step([2.39, 1, 0, 0], 1).done).toBe(true);
  expect(cartSafe.step([1.01, 0, Math.PI, 0], 1)).toMatchObject({ cost: 1, done: false });
  expect(cartSafe.step([0.5, 0, 0, 0], 1)).toMatchObject({ reward: 2, cost: 0 });
  const [x, , theta] = cartSafe.reset(createRng(3));
  expect([Math.abs(x!), Math.abs(theta! - Math.PI)].every((off) => off <= 0.05)).toBe(true);
});
