import type { Tokenizer } from "../model/tokenizer.js";
import { type Asking, askedIds, isIds, type Prompt, promptTokens } from "./asking.js";
import type { AskedPrompt, StateRules } from "./decoding.js";
import type { Policy } from "./policy.js";

/** A policy's ways of asking, one for each of its contexts, its own first. A context without a chat template has the policy's; special strings are read alike in all. */
export const waysOf = ({ asking, decoding }: Pick<Policy, "asking" | "decoding">): Asking[] => [
  asking,
  ...decoding.contexts.map((way) => ({ ...way, template: way.template ?? asking.template, literal: asking.literal })),
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

/** A prompt as the model gets it when it is asked in this way, and where its instruction ends. */
export function askedPrompt(tokenizer: Tokenizer, way: Asking, prompt: Prompt): AskedPrompt {
  const ids = promptTokens(tokenizer, way, prompt);
  if (isIds(prompt)) return { ids, instruction: ids.length };
  const { prefill: _, ...question } = prompt;
  const opened = askedIds(tokenizer, way, question);
  const apart = opened.findIndex((id, t) => id !== ids[t]); // a prefill may join the opening's last token
  return { ids, instruction: apart < 0 ? opened.length : apart };
}

/**
 * The edits of hidden states of a call: the decoding's own, or those that it makes from the prompts; null without.
 * @param caller begins the error
 * @throws RangeError where edits are made from prompts that stand in several contexts
 */
export async function promptEdits(
  { model, asking, decoding: { edits, contexts } }: Policy,
  prompts: readonly Prompt[],
  caller: string,
): Promise<StateRules | null> {
  if (typeof edits !== "function") return edits;
  if (contexts.length > 0) throw new RangeError(`${caller}: edits that are made from the prompts need a decoding without other contexts`);
  return edits(prompts.map((prompt) => askedPrompt(model.tokenizer, asking, prompt)));
}
