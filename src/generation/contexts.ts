import { isIds, type Prompt, promptTokens } from "./asking.js";
import type { Policy } from "./policy.js";

/**
 * Prompts as token ids in each of a policy's contexts, its own first.
 * @param caller begins the error
 * @throws RangeError where a policy with several contexts is given token ids, which are the same however one asks
 */
export function contextTokens({ model, asking, decoding }: Policy, prompts: readonly Prompt[], caller: string): (readonly number[])[][] {
  if (decoding.contexts.length > 0 && prompts.some(isIds))
    throw new RangeError(`${caller}: a decoding with several contexts needs questions (messages), not token ids`);
  return [asking, ...decoding.contexts].map((way) => prompts.map((prompt) => promptTokens(model.tokenizer, way, prompt)));
}
