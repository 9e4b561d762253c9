import { gae, type Nullification, nullifiedReward, type Path, safetyTargets } from "./returns.js";

/** Discounts: gamma and lambda of GAE, gamma_s of the safety critic (Mhamed and Gu's code). */
export const discounts = { gamma: 0.99, lambda: 0.95, safety: 0.995 };

/** PPO's knobs: epochs, clip and the largest norm as in the method's code; the rest is ours, for fewer and larger updates. */
export const ppoSettings = {
  /** E, copies of the environment of each seed, and T, steps of each of them in an iteration. */
  copies: 16,
  steps: 320,
  /** Steps of a seed in an update. */
  minibatch: 512,
  epochs: 5,
  clip: 0.2,
  /** The code has 0.01. With that SCPO learns in CartSafe to stand still, which is safe, before it has swung the pole, and some seeds never leave that. */
  entropy: 0.06,
  /** Of each network's gradient. */
  maxNorm: 0.8,
  /** Falls to 0 in a line. */
  learningRate: 1e-3,
  /** H, units of both hidden layers. */
  hidden: 64,
};

/** What the losses of a path's steps read, [T] each. */
export interface Targets {
  advantages: number[];
  /** Of the value, in units of the reward. */
  returns: number[];
  /** Of the critic. */
  critic: number[];
}

/** An algorithm on PPO: what it makes of what happened. All have the same three networks; what the third one, the critic, stands for differs. */
export interface Algorithm {
  name: string;
  title: string;
  /** What the critic estimates: safety in [0, 1], or discounted costs to come. */
  critic: "safety" | "cost";
  /**
   * What the losses read of a path.
   * @param limit d
   * @param multiplier lambda of a Lagrangian, 0 for others
   */
  targets(path: Path, limit: number, multiplier: number): Targets;
  /**
   * The next multiplier.
   * @param cost mean of the episodes that have ended
   */
  ascend(multiplier: number, cost: number, limit: number): number;
  /** What it depends on beside PPO, in readable form. */
  settings: Record<string, number>;
}

/** Safety Critic Policy Optimization: PPO on the nullified reward; the critic is fitted to how safe each way turned out to be. */
export const scpo = (nullification: Nullification): Algorithm => ({
  ...{ name: "scpo", title: "SCPO", critic: "safety", settings: { ...nullification } },
  targets(path, limit) {
    const safety = safetyTargets(path, limit, discounts.safety);
    const nullified = path.rewards.map((reward, t) => nullifiedReward(reward, path.costs[t]!, path.critic[t]!, safety[t]!, nullification));
    return { ...gae(nullified, path.values, path.ends, path.lastValue, discounts), critic: safety };
  },
  ascend: () => 0,
});

/**
 * PPO-Lagrangian (Ray et al. 2019): the advantage is (A - lambda A_c) / (1 + lambda), and lambda grows while episodes cost more than the limit.
 * @param rate the most that lambda moves by in an iteration; 0: it stays at 0, which is PPO
 */
const lagrangian = (name: string, title: string, rate: number): Algorithm => ({
  ...{ name, title, critic: "cost", settings: { rate } },
  targets({ rewards, costs, values, critic, ends, lastValue, lastCritic }, _, multiplier) {
    const reward = gae(rewards, values, ends, lastValue, discounts);
    const cost = gae(costs, critic, ends, lastCritic, discounts);
    const advantages = reward.advantages.map((advantage, t) => (advantage - multiplier * cost.advantages[t]!) / (1 + multiplier));
    return { advantages, returns: reward.returns, critic: cost.returns };
  },
  ascend: (multiplier, cost, limit) => Math.max(0, multiplier + rate * Math.max(-1, Math.min(1, cost / limit - 1))),
});

/** PPO (Schulman et al. 2017), which does not look at costs. */
export const ppo: Algorithm = lagrangian("ppo", "PPO", 0);

/** PPO-Lagrangian; the rate is ours, chosen so that the price of the lanes is reached within a quick run, and not for CartSafe. */
export const ppoLagrangian: Algorithm = lagrangian("ppo-lagrangian", "PPO-Lagrangian", 0.25);
