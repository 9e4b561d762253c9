import { longestThought } from "../../exante/answer-stop.js";
import type { OptimizerSettings } from "../../runs/training.js";
import { stages } from "./stages.js";

/**
 * ERPO's knobs, all of them, beside what a profile sets (how many tokens and prompts, which learning rates, which adapter: `runs/profile.ts`) and the weights of a trace's
 * tokens (`exante/rows.ts`). Chosen on dev prompts.
 */

/** Raised when the same settings would give another result than before: kept results of other versions are then told apart. */
export const version = 4;
/** The same of pairs: what is trained on them is told apart by the pairs themselves. */
export const pairsVersion = 7;

/** What all stages' optimizers have in common. The second moment forgets faster than by default (0.99, not 0.999): stages take tens to hundreds of steps. */
const common = { maxGradNorm: 1, weightDecay: 0, betas: [0.9, 0.99] as const };

/** Stage 1: a short warm-up, and down to almost nothing: a prompt is seen once or twice. */
export const sftOptimizer = (learningRate: number): OptimizerSettings => ({ ...common, learningRate, warmup: 0.06, floor: 0.05 });

/** Stages 2 and 3: a few dozen steps, so the warm-up takes a larger share. */
export const preferenceOptimizer = (learningRate: number): OptimizerSettings => ({ ...common, learningRate, warmup: 0.1, floor: 0.1 });

/** How stage 1 batches its rows. */
export const stage1 = {
  /** Rows of a step: of decisions, and of whole traces, which are long and few: more steps teach them more than larger ones. */
  batchSize: 8,
  traceBatch: 4,
  /** Tokens of an answer in the first phase of the baseline, as many as 1a has of a trace, and behind a thought that corrects itself. */
  openingTokens: 8,
  /** Tokens of a short row of 1a, and of 1b, from which follows how many may be needed. */
  shortestDecision: 52,
  shortestRow: 145,
  /** Steps between checkpoints, half a minute on two cores. */
  everySteps: 25,
};

/** Pairs are made of samples that are cut after so many tokens: of the answer only its stand counts. */
export const sampling = { answerTokens: 8, thoughtTokens: longestThought };
/** For pairs of answers they go on for longer: of 18 answers that open a thought again 4 do so behind their eighth token (quick, seed 1). */
export const answerSampling = { answerTokens: 16, thoughtTokens: longestThought };

/** How stages 2 and 3 make their pairs and batch them. */
export const pairs = {
  /** Up to so many pairs per step, equally many of each goal and label: unbalanced ones swing the policy to the majority's answer. */
  batchSize: 8,
  /** Of two correct samples the longer loses if its thought is longer by this factor. */
  lengthRatio: 1.25,
  /** Pairs that are scored under the reference together. */
  referenceBatch: 4,
  /** Prompts that are decided together when stage 2 looks for its policy's errors. */
  mineBatch: 32,
  /** It looks at so many prompts for each one that it takes. */
  mineFactor: 10,
  /** A right first word is uncertain by less than so many nats; at least this share of the prompts is drawn of all that the others leave. */
  uncertain: 1,
  easyShare: 0.25,
  /** How often stage 2 goes through its pairs. What pairs of the first word alone did beside them stands in `notebooks/how-to/what-was-tried.md`. */
  epochs: 1,
  /** Of samples for pairs: at 1 many quote a rule wrongly, which no pair is about. */
  temperature: 0.8,
  /** Samples of what follows a wrong and a right assessment, beside the likeliest. */
  verifySamples: 1,
  /**
   * Stage 2 also looks at the policy's own traces of so many safe prompts for each prompt of a label that it takes, and samples so many answers behind a thought that the answer goes against. Of 383 thoughts
   * that say "comply" 22 were followed by a refusal, and of 378 that say "refuse" none by help (quick, seed 1): so harmful prompts are not looked at.
   */
  answerFactor: 5,
  answerSamples: 4,
  /** For each prompt of a label that it takes so many answers that go against their thought, at most, since a step has room for few, and so many form pairs, at least. */
  againstShare: 1 / 3,
  /** Tokens of an answer's beginning that is put into the model's mouth, at most. */
  longestBeginning: 12,
  /** Pairs of what answers do, of their form, and of thoughts behind their beginnings, that stand beside the decisions of a step. */
  beside: { answer: 1, form: 2, late: 2 },
  /** Steps that a stage takes at least: the learning rate is 0 at the first. Where sampling gives too few pairs for them, a rule writes the others. */
  leastSteps: 2,
  everySteps: 10,
};

/** Files of several samples of the same prompts. */
export const numbered = (name: string, count: number): string[] => Array.from({ length: count }, (_, k) => `${name}-${k + 1}`);

/** What stage 2 samples, as its files are called. */
export const stage2Samples: readonly string[] = ["wrong", "right"].flatMap((first) => [
  first,
  ...numbered(`after-${first}`, pairs.verifySamples),
]);
/** And for pairs of answers: whole traces by the policy alone, and answers behind some of them. */
export const stage2AnswerSamples: readonly string[] = ["own", "terse", "answers", "closed", "late", "late-thoughts"];

/** What a notebook may vary of stage 2's loss: it compares the step in which two traces part, where a few tokens decide, so beta is large. */
export const stage2Defaults = { beta: 0.5, nllWeight: 1, level: "step" } as const;
/**
 * And of stage 3's: it compares whole thoughts, whose sums of log-probs are large. Alpha is in nats per token. With an NLL weight of 0.3 a thought that has become short goes on with the wrong path
 * or with none (`notebooks/how-to/what-was-tried.md`).
 */
export const stage3Defaults = { beta: 0.1, nllWeight: 3, level: "verdict", alpha: 0.02 } as const;

/** Those of a stage, by its folder. */
export const preferenceDefaults = (stage: string): typeof stage2Defaults | typeof stage3Defaults =>
  stage.startsWith(stages.final) ? stage3Defaults : stage2Defaults;

/** Wordings of refusals. */
export const wordings = 4;

/**
 * What stage 2 or a round of stage 3 may cost on the dev set, as a share of its prompts: in refusing the unsafe, in not refusing the safe, in traces that are whole, in answers that are none; and in
 * everyday answers that are to the point, which flip by more without being worse. A loss with a p of McNemar's test above `chance` is taken for noise: of 40 prompts, two that
 * are lost while none is gained have p = 0.5, three have 0.25.
 */
export const gateTolerance = { decisions: 0.03, form: 0.03, degenerate: 0.03, onTopic: 0.05, chance: 0.25 };
