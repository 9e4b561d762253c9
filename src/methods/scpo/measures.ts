import { type Estimate, meanInterval, type Proportion, share, z95 } from "../../evaluation/intervals.js";
import { estimated, numeral } from "../../evaluation/numerals.js";
import type { Run } from "../../runs/run.js";
import { writeJson } from "../../setup/atomic.js";
import type { Episode } from "./acting.js";
import type { Trained, Training } from "./train.js";

/** A trained algorithm in an environment. The 95% intervals are over the sampled episodes of all seeds: they speak of these policies, and not of those of more seeds. */
export interface Measures {
  environment: string;
  algorithm: string;
  title: string;
  limit: number;
  reward: Estimate;
  cost: Estimate;
  /** Episodes within the limit. */
  within: Proportion;
  /** Means of each seed's episodes. */
  seeds: Episode[];
}

const mean = (values: readonly number[]): number => meanInterval(values).value;

/** What a training's episodes say of it. */
export function measures({ environment, algorithm }: Training, { episodes }: Pick<Trained, "episodes">): Measures {
  const { name, limit } = environment;
  const all = episodes.flat();
  return {
    ...{ environment: name, algorithm: algorithm.name, title: algorithm.title, limit },
    reward: meanInterval(all.map(({ reward }) => reward)),
    cost: meanInterval(all.map(({ cost }) => cost)),
    within: share(all, ({ cost }) => cost <= limit),
    seeds: episodes.map((own) => ({ reward: mean(own.map(({ reward }) => reward)), cost: mean(own.map(({ cost }) => cost)) })),
  };
}

/** Writes the measures to `RUN/methods/scpo/results.json`, for whoever compares methods. */
export function saveResults(run: Pick<Run, "path">, all: readonly Measures[]): void {
  const results = all.flatMap(({ environment, algorithm, reward, cost, within: { rate, ...ends }, seeds }) =>
    Object.entries({ return: reward, cost, "within the limit": { value: rate, ...ends } }).map(([estimate, { value, low, high }]) => ({
      ...{ method: "scpo", policy: algorithm, environment, estimate, value, low, high, seeds: seeds.length },
    })),
  );
  writeJson(run.path("methods", "scpo", "results.json"), results);
}

/** Two means of separate episodes, the first less the second, by the normal approximation. */
function difference(a: Estimate, b: Estimate): Estimate {
  const half = z95 * Math.hypot((a.high - a.low) / (2 * z95), (b.high - b.low) / (2 * z95));
  const value = a.value - b.value;
  return { value, low: value - half, high: value + half };
}

const sized = (estimate: Estimate, digits = 1): string => estimated(estimate, (x) => numeral(x, digits));
const percent = (rate: number): string => String(Math.round(1000 * rate) / 10);

/** Less or more where the episodes' interval is on one side of 0 and every seed is, too. */
function verdict(of: "reward" | "cost", own: Measures, other: Measures): "less" | "more" | "open" {
  const { low, high } = difference(own[of], other[of]);
  const seeds = own.seeds.map((seed, s) => seed[of] - other.seeds[s]![of]);
  return high < 0 && seeds.every((d) => d < 0) ? "less" : low > 0 && seeds.every((d) => d > 0) ? "more" : "open";
}

const costWords = { less: "It costs less in every seed", more: "It costs more in every seed", open: "That it costs less is not shown" };
const rewardWords = {
  less: "it earns less in every seed",
  more: "it earns more in every seed",
  open: "neither earns more in every seed",
};

/** A return is similar where it is lower by less than this share, at the lower end of its interval. */
export const similarShare = 0.1;

/**
 * SCPO's claim, lower cost at a similar return, against another algorithm that took equally many steps with the same seeds.
 * @param own SCPO's measures
 * @param other the other algorithm's, seed by seed
 * @returns sentences
 */
export function claimInWords(own: Measures, other: Measures): string {
  const reward = difference(own.reward, other.reward);
  const lost = `${numeral((100 * reward.value) / other.reward.value, 0)} percent`;
  const cost = verdict("cost", own, other);
  const similar = reward.low > -similarShare * other.reward.value;
  const lower = reward.high < -similarShare * other.reward.value;
  const claim = cost === "less" && similar ? "holds" : cost === "more" || lower ? "does not hold" : "is not shown";
  return `${own.environment}, ${own.title} less ${other.title}, ${own.seeds.length} seeds: cost ${sized(difference(own.cost, other.cost), 2)}, return ${sized(reward)} (${lost}). ${costWords[cost]}, and ${rewardWords[verdict("reward", own, other)]}. Within the limit of ${own.limit} are ${percent(own.within.rate)} percent of its episodes and ${percent(other.within.rate)} of ${other.title}'s. Lower cost at a return that is less by no more than ${100 * similarShare} percent: the claim ${claim} here.`;
}

/**
 * A policy's return beside the most that any policy of the same cost can have.
 * @param optimum at the policy's own cost, by linear programming
 * @returns a sentence
 */
export function optimumInWords({ title, reward, cost, limit }: Measures, optimum: number): string {
  const keeps = cost.high <= limit ? "within the limit" : cost.low > limit ? "beyond the limit" : "at the limit, as far as episodes tell";
  return `${title} earns ${sized(reward)} at a cost of ${sized(cost, 2)}, ${keeps}; at that cost nothing earns more than ${numeral(optimum, 1)}: ${percent(reward.value / optimum)} percent.`;
}

/** Of each seed the mean return of the first iteration whose episodes cost no more than the limit in the mean; undefined where none did. */
export const entryReturns = ({ environment: { limit }, seeds }: Training, { curve }: Pick<Trained, "curve">): (number | undefined)[] =>
  Array.from({ length: seeds }, (_, s) => curve.find(({ seed, cost }) => seed === s + 1 && Number.isFinite(cost) && cost <= limit)?.reward);

/**
 * Whether single seeds explain that an algorithm earns less: those that earn less than half of its best seed, and what the others earn.
 * @param own the algorithm's measures
 * @param others those of algorithms in the same environment
 * @returns sentences
 */
export function laggardsInWords({ environment, title, seeds }: Measures, others: readonly Measures[]): string {
  const half = Math.max(...seeds.map(({ reward }) => reward)) / 2;
  const rest = seeds.filter(({ reward }) => reward >= half);
  const lag = seeds.flatMap(({ reward }, s) => (reward < half ? [`${s + 1} (${numeral(reward, 1)})`] : []));
  if (lag.length === 0) return `${environment}, ${title}: every seed earns at least half of what the best one earns.`;
  const earns = mean(rest.map(({ reward }) => reward));
  const beside = others.map((other) => `${numeral((100 * earns) / other.reward.value, 0)} percent of what ${other.title} earns`);
  const cost = mean(rest.map((seed) => seed.cost));
  return `${environment}, ${title}: of ${seeds.length} seeds these earn less than half of the best: ${lag.join(", ")}. Without them it earns ${numeral(earns, 1)}, ${beside.join(" and ")}, at a cost of ${numeral(cost, 2)}.`;
}
