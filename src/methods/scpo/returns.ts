/** What a policy has met in one copy of the environment over T steps: episodes one after the other, the last one perhaps not at its end. Every list has T numbers. */
export interface Path {
  rewards: readonly number[];
  costs: readonly number[];
  /** C_t, what the episode has cost so far, this step included. */
  spent: readonly number[];
  /** Whether the episode ends with this step. */
  ends: readonly boolean[];
  /** V(s_t) in units of the reward, and what the critic says of s_t. */
  values: readonly number[];
  critic: readonly number[];
  /** The same of the state behind the last step. */
  lastValue: number;
  lastCritic: number;
}

/**
 * The safety critic's targets (Mhamed and Gu 2023), in [0, 1]: how safe what follows is, with nearer steps weighing more.
 *
 *     Q_T = safe_T,    Q_t = safe_t at an episode's end, else (1 - gamma_s) safe_{t+1} + gamma_s Q_{t+1},    safe_t = 1[C_t <= d]
 *
 * @param limit d
 * @param gamma gamma_s, in [0, 1]
 * @returns [T]
 */
export function safetyTargets({ spent, ends }: Pick<Path, "spent" | "ends">, limit: number, gamma: number): number[] {
  const safe = spent.map((cost) => Number(cost <= limit));
  const targets = [...safe]; // right for the last step and for ends
  for (let t = safe.length - 2; t >= 0; t--) if (!ends[t]) targets[t] = (1 - gamma) * safe[t + 1]! + gamma * targets[t + 1]!;
  return targets;
}

/** How the reward is nullified. */
export interface Nullification {
  /** k, which sharpens the critic. */
  power: number;
  /** lambda, the weight of the cost where it is unsafe. */
  penalty: number;
  /** b, added to the reward, so that it is positive where safety is to be worth something. */
  bias: number;
}

/**
 * The nullified reward: r' = (r + b) Qhat - lambda (1 - Qhat) cost, with Qhat = ((V_s(s) + Q) / 2)^k. What was earned on an unsafe way is worth nothing.
 * @param critic V_s(s), in [0, 1]
 * @param target Q, in [0, 1]
 */
export function nullifiedReward(reward: number, cost: number, critic: number, target: number, nullification: Nullification): number {
  const { power, penalty, bias } = nullification;
  const safety = ((critic + target) / 2) ** power;
  return (reward + bias) * safety - penalty * (1 - safety) * cost;
}

/**
 * Generalized advantage estimation (Schulman et al. 2016, equation 16): A_t = sum_l (gamma lambda)^l delta_{t+l}, delta_t = r_t + gamma V(s_{t+1}) - V(s_t), up to the episode's end.
 * @param values V(s_t) [T], in units of the reward
 * @param lastValue V of the state behind the last step
 * @returns advantages and returns (advantage + value), [T] each
 */
export function gae(
  rewards: readonly number[],
  values: readonly number[],
  ends: readonly boolean[],
  lastValue: number,
  { gamma, lambda }: { gamma: number; lambda: number },
): { advantages: number[]; returns: number[] } {
  const advantages = rewards.map(() => 0);
  let after = 0;
  for (let t = rewards.length - 1; t >= 0; t--) {
    const goesOn = ends[t] ? 0 : 1;
    const delta = rewards[t]! + gamma * goesOn * (values[t + 1] ?? lastValue) - values[t]!;
    after = delta + gamma * lambda * goesOn * after;
    advantages[t] = after;
  }
  return { advantages, returns: advantages.map((advantage, t) => advantage + values[t]!) };
}
