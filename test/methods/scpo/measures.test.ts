import { expect, test } from "vitest";
import { ppo, scpo } from "../../../src/methods/scpo/algorithms.js";
import { lanesCmdp, tabularEnvironment } from "../../../src/methods/scpo/environments/lanes.js";
import { claimInWords, entryReturns, laggardsInWords, measures, optimumInWords } from "../../../src/methods/scpo/measures.js";

const environment = tabularEnvironment("lanes", lanesCmdp, 2);
const training = (algorithm: typeof ppo) => ({ environment, algorithm, seeds: 2, steps: 1, seed: 1 });
const episodes = (...seeds: [reward: number, cost: number][][]) => ({
  episodes: seeds.map((own) => own.map(([reward, cost]) => ({ reward, cost }))),
});
const safe = measures(training(scpo({ power: 2, penalty: 0, bias: 0 })), episodes([[20, 2], [22, 2]], [[20, 1], [22, 3]])); // biome-ignore format: a table
const bold = measures(training(ppo), episodes([[26, 4], [26, 4]], [[26, 4], [24, 3]])); // biome-ignore format: a table

test("measures by hand: means over episodes with their intervals, shares within the limit, means by seed", () => {
  expect(safe).toMatchObject({ reward: { value: 21 }, cost: { value: 2 }, within: { k: 3, n: 4 }, seeds: [{ reward: 21, cost: 2 }, { reward: 21, cost: 2 }] }); // biome-ignore format: one thought
  expect(safe.reward.high - 21).toBeCloseTo((1.959964 * Math.sqrt(4 / 3)) / 2, 5); // s^2 = 4/3, n = 4
});

test("the claim in words: less only where the interval and every seed say so", () => {
  expect(claimInWords(safe, bold)).toMatch(
    /^lanes, SCPO less PPO, 2 seeds: cost −1\.75 \[−2\.\d+, −0\.\d+\], return −4\.5 \[.*\] \(−18 percent\)\. It costs less in every seed, and it earns less in every seed\. Within the limit of 2 are 75 percent of its episodes and 0 of PPO's\. Lower cost at a return that is less by no more than 10 percent: the claim does not hold here\.$/,
  );
  const mixed = measures(training(ppo), episodes([[26, 9], [26, 9]], [[26, 1], [24, 1]])); // biome-ignore format: a table
  expect(claimInWords(safe, mixed)).toContain("That it costs less is not shown");
});

test("beside the optimum", () => {
  expect(optimumInWords(bold, 26)).toMatch(
    /^PPO earns 25\.5 \[.*\] at a cost of 3\.75 \[.*\], beyond the limit; at that cost nothing earns more than 26\.0: 98\.1 percent\.$/,
  );
  expect(optimumInWords(safe, 23)).toContain("at the limit, as far as episodes tell");
});

test("what each seed earned when it first kept the limit; an iteration in which no episode ended says nothing", () => {
  const at = (seed: number, reward: number, cost: number) => ({ algorithm: "ppo", seed, steps: 1, reward, cost, within: 0, multiplier: 0 });
  const none = null as unknown as number; // as it is stored
  const curve = [at(1, none, none), at(1, 15, 3), at(2, 4, 4), at(1, 17, 2), at(2, 5, 3), at(1, 18, 1)];
  expect(entryReturns(training(ppo), { curve })).toEqual([17, undefined]);
});

test("seeds that lag behind are named, and the others are compared without them", () => {
  expect(laggardsInWords(safe, [bold])).toBe("lanes, SCPO: every seed earns at least half of what the best one earns.");
  const stuck = measures(training(ppo), episodes([[20, 2]], [[0.1, 0]], [[24, 1]]));
  expect(laggardsInWords(stuck, [bold, safe])).toBe(
    "lanes, PPO: of 3 seeds these earn less than half of the best: 2 (0.1). Without them it earns 22.0, 86 percent of what PPO earns and 105 percent of what SCPO earns, at a cost of 1.50.",
  );
});
