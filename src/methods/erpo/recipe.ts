import type { OptimizerSettings } from "../../runs/training.js";

/**
 * ERPO's knobs, all of them, beside what a profile sets (how many tokens and prompts, which learning rates, which adapter: `runs/profile.ts`) and the weights of a trace's
 * tokens (`exante/rows.ts`). Chosen on dev prompts.
 */

/** Raised when the same settings would give another result than before: kept results of other versions are then told apart. */
export const version = 1;

/** What all stages' optimizers have in common. The second moment forgets faster than by default (0.99, not 0.999): stages take tens to hundreds of steps. */
const common = { maxGradNorm: 1, weightDecay: 0, betas: [0.9, 0.99] as const };

/** Stage 1: a short warm-up, and down to almost nothing: each row is seen once. */
export const sftOptimizer = (learningRate: number): OptimizerSettings => ({ ...common, learningRate, warmup: 0.06, floor: 0.05 });

/** Stages 2 and 3: a few dozen steps, so the warm-up takes a larger share. */
export const preferenceOptimizer = (learningRate: number): OptimizerSettings => ({ ...common, learningRate, warmup: 0.1, floor: 0.1 });

export const stage1 = {
  /** Rows of a step. */
  batchSize: 8,
  /** Of each so many pairs of prompts, one is written verbosely: stage 3 then has something to shorten. */
  verboseEvery: 4,
  /** Steps between checkpoints, half a minute on two cores. */
  everySteps: 25,
};

/** Pairs are made of samples that are cut after so many tokens: of the answer only its stand counts. 130 is more than any thought of the training data has. */
export const sampling = { answerTokens: 8, thoughtTokens: 130 };

export const pairs = {
  /** Up to so many pairs per step, equally many of each goal and label: unbalanced ones swing the policy to the majority's answer. */
  batchSize: 8,
  /** Of two correct samples the longer loses if its thought is longer by this factor. */
  lengthRatio: 1.25,
  /** Pairs that are scored under the reference together. */
  referenceBatch: 4,
  /** Stage 2 makes a pair for efficiency of the first two of each four prompts, one of each label: most of its pairs are about decisions. */
  efficiency: (index: number): boolean => index % 4 < 2,
  everySteps: 10,
};

/** What a notebook may vary of the preference losses, unless it does: `PreferenceOptions`, and stage 3's alpha in nats per token. */
export const preferenceDefaults = { beta: 0.1, nllWeight: 0.3, level: "trace", alpha: 0.02 } as const;

/** Temperatures of stage 3's samples: the first is what the policy would say, the others what it could. */
export const roundTemperature = (sample: number): number => (sample === 0 ? 0 : 1);

/** Wordings of refusals and thoughts are drawn out of so many: the least common multiple of their numbers (3 and 4). */
export const wordings = 12;

/** What a round of stage 3 may cost on the dev set, as a share of its prompts, in refusing the unsafe and in not refusing the safe. */
export const gateTolerance = 0.03;
