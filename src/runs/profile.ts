/** How much of everything a run does. Budgets are counted in tokens and prompts, never in seconds, so that a run is the same on every machine. */
export interface Profile {
  name: "quick" | "full" | "tiny";
  /** LoRA rank and the first of the adapted layers as a share of the depth; alpha is twice the rank. */
  rank: number;
  firstLayer: number;
  /** Tokens (prompt and completion, all rows together) of each phase of stage 1. */
  stage1: { decisionTokens: number; decisionRate: number; traceTokens: number; traceRate: number };
  /** Prompts of each label that pairs are made from. */
  stage2: { prompts: number; rate: number };
  stage3: { rounds: number; prompts: number; samples: number; rate: number };
  /** Prompts of each suite and of each attack; of the dev set, of each label, for its read-out and for the answers that the gate judges. */
  evaluation: { prompts: number; attackPrompts: number; devPrompts: number; gatePrompts: number };
  /** Completions are cut after this many answer tokens. */
  answerTokens: number;
}

/** For two CPU cores. */
const quick: Profile = {
  name: "quick",
  rank: 16,
  firstLayer: 1 / 3,
  stage1: { decisionTokens: 48_000, decisionRate: 2e-3, traceTokens: 96_000, traceRate: 1e-3 },
  stage2: { prompts: 40, rate: 1e-4 },
  stage3: { rounds: 2, prompts: 24, samples: 2, rate: 5e-5 },
  evaluation: { prompts: 60, attackPrompts: 20, devPrompts: 100, gatePrompts: 50 },
  answerTokens: 16,
};

/** The recipe at the size of its trials: for a GPU of 16 GB and up, or three quarters of an hour of two CPU cores. */
const full: Profile = {
  ...quick,
  name: "full",
  stage1: { decisionTokens: 140_000, decisionRate: 2e-3, traceTokens: 150_000, traceRate: 1e-3 },
  stage2: { prompts: 150, rate: 1e-4 },
  stage3: { rounds: 3, prompts: 56, samples: 2, rate: 5e-5 },
  evaluation: { prompts: 100, attackPrompts: 60, devPrompts: 122, gatePrompts: 122 },
  answerTokens: 32,
};

/** For tests: every stage runs, nothing is learned. */
const tiny: Profile = {
  ...quick,
  name: "tiny",
  rank: 2,
  firstLayer: 0,
  stage1: { decisionTokens: 3_000, decisionRate: 1e-3, traceTokens: 4_000, traceRate: 1e-3 },
  stage2: { prompts: 8, rate: 1e-4 },
  stage3: { rounds: 2, prompts: 8, samples: 2, rate: 1e-4 },
  evaluation: { prompts: 4, attackPrompts: 2, devPrompts: 4, gatePrompts: 4 },
  answerTokens: 8,
};

/** @throws RangeError for a name that no profile has */
export function profile(name: string): Profile {
  const found = [quick, full, tiny].find((p) => p.name === name);
  if (!found) throw new RangeError(`profile "${name}" does not exist: choose quick, full or tiny`);
  return found;
}
