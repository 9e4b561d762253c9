import type { Rng } from "../../../backend/random.js";

/** A constrained Markov decision process with episodes: each step has a reward and a cost, and an episode's costs may add up to `limit`. */
export interface Environment {
  name: string;
  /** Numbers of an observation. */
  observed: number;
  actions: number;
  /** Steps after which an episode ends. */
  horizon: number;
  /** d, the cost that an episode may have. */
  limit: number;
  /** A state to begin with. */
  reset(rng: Rng): number[];
  /**
   * One step.
   * @param action a whole number in [0, actions)
   */
  step(state: readonly number[], action: number): Outcome;
  /** What networks see of a state: `observed` numbers, of a size of about 1. */
  observe(state: readonly number[]): number[];
}

/** What a step leads to. */
export interface Outcome {
  state: number[];
  reward: number;
  cost: number;
  /** Whether the episode ends here, before its horizon. */
  done: boolean;
}
