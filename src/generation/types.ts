import type { Rng } from "../backend/random.js";
import type { Prompt } from "./asking.js";

export type { Prompt } from "./asking.js";

/** How completions are sampled, whatever the policy. */
export interface SampleOptions {
  /** Upper bound of new tokens per completion, the end token included; >= 1. */
  maxNewTokens: number;
  /** Prompts that are decoded together at most. */
  batchSize: number;
  /** Each prompt gets its own stream, forked by the name that `stream` gives: what is sampled does not depend on the others. */
  rng: Rng;
  /** The name of a prompt's stream, such as its id; default: its index. Prompts of one name draw the same numbers. */
  stream?: (index: number) => string;
  /** Ends a completion early: called with its tokens so far after each one. */
  stop?: (ids: readonly number[], index: number) => boolean;
  /** Once it is aborted, the call throws its reason. */
  signal?: AbortSignal;
}

/** A completion that has ended. */
export interface Completion {
  /** Which prompt, counted from 0. */
  index: number;
  /** New tokens, the end token included. */
  ids: number[];
  /** Whether the model or `stop` ended it, rather than `maxNewTokens` or the end of the model's positions. */
  finished: boolean;
  /** From when its prompt was taken into the batch to its last token. */
  seconds: number;
}

/** Samples one completion per prompt with a given way of drawing tokens: what a search is made of. */
export type Sampler = (prompts: readonly Prompt[], options: SampleOptions) => AsyncGenerator<Completion>;
