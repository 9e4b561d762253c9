import { longestThought } from "../../exante/answer-stop.js";
import type { Profile } from "../../runs/profile.js";
import type { SearchSettings } from "./mcts.js";

/**
 * The recipe's knobs, beside learning rates and the adapter's shape, which are the profile's. The paper's values stand behind ours where they differ: it has models of eight
 * billion parameters, 50,000 prompts and 200 iterations.
 */

/** Raised when the same settings would give something else than before. */
export const version = 1;

/** Of the search: n = 200 and m = 4 in the paper; c and the depth are its own. */
export const searchSettings: SearchSettings = { iterations: 16, children: 2, c: 1.5, maxDepth: 7 };

/**
 * How steps are drawn: 1.2 with top-p 0.9 and top-k 50 in the paper. A cut at 0.9 would leave one first word, "none" or "risk", wherever the policy is 90% sure of it, and there would be nothing to
 * search; without a cut, 1.2 breaks the steps' form.
 */
export const temperature = 1;

/** Where a trace is cut. Of an answer only its stand counts. */
export const limits = { answerTokens: 12, thoughtTokens: longestThought } as const;

/** Of pairs: the paper's thresholds. A loser's value is at least `margin` below the winner's, which is at least `good`; both have so many visits, unless they end a completion. */
export const pairThresholds = { margin: 0.5, good: 0.8, minVisits: 1 } as const;

/** Of step DPO; neither is in the paper's code. Pairs of each step, and epochs. */
export const dpoSettings = { beta: 0.5, nllWeight: 1, batchSize: 4, epochs: 2, leastPairs: 6, everySteps: 10 } as const;

/** Share of the trees whose nodes the value head is judged on, and the penalties that are chosen among by cross-validation over the other trees. */
export const headSettings = { heldOut: 0.25, folds: 4, penalties: [0.01, 0.1, 1, 10, 100] } as const;

/** At test time: N completions; the beam keeps `width` of `width x branches` candidates, as many as N. */
export const testTime = { n: 4, width: 2, branches: 2 } as const;

/** Of the structured steps' own SFT, where the run lacks ERPO's: share of the budget of its stage 1b, tokens of an answer, rows of a step. */
export const formatSettings = { budget: 0.4, answerTokens: 48, batchSize: 4, rowTokens: 125 } as const;

/** Prompts that trees are grown for: 32 in quick. */
export const treePrompts = ({ stage2 }: Profile): number => 2 * Math.ceil(stage2.prompts / 3);

/** Prompts of each suite that are searched for at test time: 12 in quick. */
export const searchedPrompts = ({ evaluation }: Profile): number => Math.ceil(evaluation.prompts / 5);

/** Prompts that are decoded together. */
export const batchSize = 96;
