import type { Identity } from "../data/identity.js";
import type { Question } from "../generation/asking.js";
import { waysOf } from "../generation/contexts.js";
import { literally, type Policy } from "../generation/policy.js";

/**
 * What an evaluation's identity says of special strings: whether they were read as text, where a question or a system turn holds one. Elsewhere nothing: the model is given the
 * same token ids both ways, and equal results have equal identities.
 */
export function literalIdentity(policy: Policy, questions: readonly Question[]): Identity {
  const { quote } = policy.model.tokenizer;
  const texts = questions.flatMap(({ messages, prefill = "" }) => [...messages.map(({ content }) => content), prefill]);
  const systems = waysOf(policy).map(({ system = "" }) => system);
  return [...texts, ...systems].some((text) => quote(text) !== text) ? { literal: literally(policy).asking.literal } : {};
}
