import { createHash } from "node:crypto";
import type { Identity } from "../data/identity.js";
import { adapterBytes } from "../model/adapter-io.js";
import type { LanguageModel } from "../model/load.js";
import type { Lora } from "../model/lora.js";
import { parseTemplate } from "../model/tokenizer.js";
import type { Asking } from "./asking.js";
import { type Decoding, plain } from "./decoding.js";

/** What answers: a model with or without an adapter, how it is asked, and how it decodes. Whatever samples, scores, evaluates or compares takes policies. */
export interface Policy {
  /** What tables call it. */
  readonly name: string;
  readonly model: LanguageModel;
  readonly adapter: Lora | null;
  readonly asking: Asking;
  readonly decoding: Decoding;
  /** Where it is kept, for one that was loaded. */
  readonly folder?: string;
}

/**
 * A policy of its parts: `policy({ model, system: "You are careful.", decoding: plain({ temperature: 0.7 }) })`.
 * @param parts what it is made of
 * @param parts.name default: the model's name
 * @param parts.adapter stays the caller's, who disposes of it
 * @param parts.decoding default: greedy
 * @throws DataError when the template is broken
 */
export function policy({
  model,
  name = model.name,
  adapter = null,
  system,
  template,
  literal,
  decoding = plain(),
  folder,
}: { model: LanguageModel; name?: string; adapter?: Lora | null; decoding?: Decoding; folder?: string } & Asking): Policy {
  if (template !== undefined) parseTemplate(template, `policy "${name}"`);
  return { name, model, adapter, asking: { system, template, literal }, decoding, folder };
}

/** The policy with special strings in what it is asked read as text, unless it says which it wants: how an evaluation asks. */
export const literally = (policy: Policy): Policy => ({ ...policy, asking: { ...policy.asking, literal: policy.asking.literal ?? true } });

/** Everything that a policy's answers depend on; neither its name nor a path. */
export async function policyIdentity({ model, adapter, asking, decoding }: Policy): Promise<Identity> {
  return {
    model: model.digest,
    adapter: adapter && (await adapterIdentity(adapter)),
    system: asking.system,
    template: asking.template,
    literal: asking.literal,
    decoding: decoding.identity,
  };
}

/** An adapter's weights, as the SHA-256 of the adapter_model.safetensors that `saveAdapter` writes of it, its scale and the tokens that it has rows for. */
export async function adapterIdentity(adapter: Lora): Promise<Identity> {
  const hash = createHash("sha256");
  for await (const chunk of adapterBytes(adapter)) hash.update(chunk);
  return { sha256: hash.digest("hex"), r: adapter.config.r, alpha: adapter.config.alpha, tokens: adapter.tokens?.ids };
}
