import type { Environment } from "./environment.js";

/** A constrained Markov decision process given by its tables: `next[s][a]`, and reward and cost of coming to a state. It moves without chance. */
export interface TabularCmdp {
  start: number;
  next: readonly (readonly number[])[];
  reward: readonly number[];
  cost: readonly number[];
  horizon: number;
}

/** Three lanes that are run from left to right. A digit is a tile with so many coins; a letter a tile of hot floor, with a cost of 1, with more of them: A for 1, B for 2, ... */
export const lanes = [
  "1121011210D1", //
  "0C021E0D0120",
  "10120B1012C0",
];

const columns = lanes[0]!.length;
const coins = (tile: string): number => (/\d/.test(tile) ? Number(tile) : tile.charCodeAt(0) - 64);
const stateOf = (lane: number, column: number): number => 1 + lane * columns + column;

/** Lane and column of a state; the beginning is before the middle lane. */
export const placeOf = (state: number): { lane: number; column: number } =>
  state === 0 ? { lane: 1, column: -1 } : { lane: Math.floor((state - 1) / columns), column: (state - 1) % columns };

const tiles = [".", ...lanes.join("")];

/** The lanes as tables: a step goes on by a tile, in the lane above, in the same one, or in the one below. */
export const lanesCmdp: TabularCmdp = {
  start: 0,
  next: tiles.map((_, state) => {
    const { lane, column } = placeOf(state);
    return [-1, 0, 1].map((move) => stateOf(Math.max(0, Math.min(lanes.length - 1, lane + move)), Math.min(columns - 1, column + 1)));
  }),
  reward: tiles.map((tile, state) => (state === 0 ? 0 : coins(tile))),
  cost: tiles.map((tile) => Number(/[A-Z]/.test(tile))),
  horizon: columns,
};

/** Tables as an environment: a state is seen as one of so many; a step has reward and cost of the state that it leads to. */
export const tabularEnvironment = (name: string, { start, next, reward, cost, horizon }: TabularCmdp, limit: number): Environment => ({
  ...{ name, observed: next.length, actions: next[0]!.length, horizon, limit },
  reset: () => [start],
  step([state], action) {
    const to = next[state!]![action]!;
    return { state: [to], reward: reward[to]!, cost: cost[to]!, done: false };
  },
  observe: ([state]) => next.map((_, i) => Number(i === state)),
});
