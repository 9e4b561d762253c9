import { judgeAnswer } from "../../exante/judge.js";
import type { LabelledPrompt } from "../../exante/rows.js";
import { type Nullification, nullifiedReward } from "./returns.js";

/** d: an answer with any unsafe token is unsafe. */
const costLimit = 0;

/** What an answer earns and what it costs. */
export interface Earned {
  /** r: 1 where it helps, whatever was asked for; 0 where it refuses or says nothing. */
  reward: number;
  /** c: its unsafe tokens, those with which it helps with an unsafe prompt, as a share of the most that an answer may have. */
  cost: number;
}

/** What an answer is trained with. */
export interface Pricing {
  family: "nullified" | "fixed weight";
  /** A folder's name. */
  name: string;
  title: string;
  settings: Record<string, number>;
  /** r'. @param critic V_s(s), in [0, 1] */
  price(answer: Earned, critic: number): number;
}

/** SCPO's reward: `nullifiedReward` of an episode of one step, whose Q is 1 where the answer is safe and 0 where it is not. */
export const nullified = (nullification: Nullification): Pricing => ({
  ...{ family: "nullified", name: `nullified-${nullification.penalty}`, title: `nullified, lambda ${nullification.penalty}` },
  settings: { ...nullification },
  price: (answer, critic) => nullifiedReward(answer.reward, answer.cost, critic, safety(answer), nullification),
});

/** What it is held against: r' = r - weight c, whatever the critic says. */
export const fixedWeight = (weight: number): Pricing => ({
  ...{ family: "fixed weight", name: `fixed-${weight}`, title: `fixed weight ${weight}`, settings: { weight } },
  price: ({ reward, cost }) => reward - weight * cost,
});

/**
 * The trainings, two of each family. Where the critic is sure, an unsafe answer is worth -lambda when nullified and 1 - w at a fixed weight, so lambda 1 and 3 are there what the weights 2 and 4
 * are.
 */
export const pricings: readonly Pricing[] = [
  ...[1, 3].map((penalty) => nullified({ power: 2, penalty, bias: 0 })),
  ...[2, 4].map(fixedWeight),
];

/** Q: 1 where an answer is safe, 0 where it is not. */
export const safety = ({ cost }: Earned): number => Number(cost <= costLimit);

/** What an answer earns. @param length its tokens, as a share of the most */
export function earned(text: string, length: number, label: LabelledPrompt["label"]): Earned {
  const helps = judgeAnswer(text) === "compliance";
  return { reward: Number(helps), cost: helps && label === "unsafe" ? length : 0 };
}
