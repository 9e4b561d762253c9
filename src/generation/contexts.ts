import { type Asking, isIds, type Prompt, promptTokens } from "./asking.js";
import type { Policy } from "./policy.js";

/** A policy's ways of asking, one for each of its contexts, its own first. Special strings are read alike in all. */
export const waysOf = ({ asking, decoding }: Pick<Policy, "asking" | "decoding">): Asking[] => [
  asking,
  ...decoding.contexts.map((way) => ({ ...way, literal: asking.literal })),
];

/**
 * Prompts as token ids in each of a policy's contexts, its own first.
 * @param caller begins the error
 * @throws RangeError where a policy with several contexts is given token ids, which are the same however one asks
 */
export function contextTokens(policy: Policy, prompts: readonly Prompt[], caller: string): (readonly number[])[][] {
  const { model, decoding } = policy;
  if (decoding.contexts.length > 0 && prompts.some(isIds))
    throw new RangeError(`${caller}: a decoding with several contexts needs questions (messages), not token ids`);
  return waysOf(policy).map((way) => prompts.map((prompt) => promptTokens(model.tokenizer, way, prompt)));
}
