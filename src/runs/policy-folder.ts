import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { DataError } from "../data/errors.js";
import { digestOf, type Identity, type IdentityValue } from "../data/identity.js";
import { readJson } from "../data/jsonl.js";
import { contrast, type Decoding, plain } from "../generation/decoding.js";
import { adapterIdentity, type Policy, policy } from "../generation/policy.js";
import { loadAdapter, saveAdapter } from "../model/adapter-io.js";
import { adaptedModel, saveAddedTokens } from "../model/added-tokens.js";
import type { LanguageModel } from "../model/load.js";
import { parseTemplate } from "../model/tokenizer.js";
import { writeJson } from "../setup/atomic.js";

const choice = { temperature: z.number().min(0), topK: z.int().min(1).optional(), topP: z.number().positive().max(1).optional() };

const decodingSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("plain"), ...choice }),
  z.strictObject({
    kind: z.literal("contrast"),
    against: z.string(),
    alpha: z.number().min(0),
    plausible: z.number().min(0).max(1).default(0),
    ...choice,
  }),
]);

const policySchema = z.strictObject({
  format: z.literal(1),
  name: z.string().min(1),
  /** The SHA-256 is that of its weights; a file that somebody writes by hand may leave the digest of all the rest out. */
  model: z.strictObject({ name: z.string(), sha256: z.string(), digest: z.string().optional() }),
  system: z.string().optional(),
  template: z.string().optional(),
  literal: z.boolean().optional(),
  /** Without it, as in a file that somebody writes by hand, an adapter that lies in the folder is the policy's. */
  adapter: z.looseObject({ sha256: z.string() }).nullable().optional(),
  decoding: z.looseObject({ kind: z.string() }),
});

/** Makes a decoding of its identity, as policy.json has it. @throws DataError for what is not such an identity */
export type DecodingReader = (identity: Identity, file: string) => Decoding;

/** Reads the decodings that are data through and through: `plain` and `contrast`. */
export const readDecoding: DecodingReader = (identity, file) => {
  const parsed = decodingSchema.safeParse(identity);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    const own =
      issue.code === "invalid_union"
        ? `: a decoding of kind "${identity.kind}" is made in code, with the function that made this policy`
        : "";
    throw new DataError(`${file}: decoding${issue.path.map((name) => `.${String(name)}`).join("")}: ${issue.message}${own}`);
  }
  const { kind, ...settings } = parsed.data;
  return kind === "plain"
    ? plain(settings as { temperature: number })
    : contrast(settings as { against: string; alpha: number; temperature: number });
};

/**
 * Stores a policy: policy.json, and where it has an adapter the adapter in PEFT's format beside it. policy.json is written last, so that a folder with one is whole.
 * What a decoding of an own kind needs beside its identity (vectors, prompts) is for its maker to store there before.
 */
export async function savePolicy(dir: string, { name, model, adapter, asking, decoding }: Policy): Promise<void> {
  saveAddedTokens(dir, model);
  if (adapter) await saveAdapter(dir, adapter, model.name);
  const record = {
    ...{ format: 1, name, model: { name: model.name, sha256: model.sha256, digest: model.digest }, ...asking },
    adapter: adapter && (await adapterIdentity(adapter)),
    decoding: decoding.identity,
  };
  writeJson(join(dir, "policy.json"), record);
}

/**
 * A policy from its folder; a folder that holds an adapter alone is the policy of that adapter, asked and decoded in the usual way.
 * @param base the model that it is of; where the folder names added tokens, the policy's model has them
 * @param read makes the decoding; for one of an own kind give a reader that knows it
 * @throws DataError when policy.json is broken, of another model or of another adapter; WeightsError when the adapter is
 */
export async function loadPolicy(dir: string, base: LanguageModel, read: DecodingReader = readDecoding): Promise<Policy> {
  const model = adaptedModel(dir, base);
  const file = join(dir, "policy.json");
  if (!existsSync(file)) return policy({ model, name: dir, adapter: await loadAdapter(dir, model.config), folder: dir });
  const parsed = policySchema.safeParse(readJson(file));
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw new DataError([file, issue.path.join("."), issue.message].filter(Boolean).join(": "));
  }
  const { name, model: made, system, template, literal, adapter: kept, decoding } = parsed.data;
  if (made.sha256 !== model.sha256)
    throw new DataError(
      `${file}: is a policy of ${made.name} (SHA-256 ${made.sha256.slice(0, 12)}), not of ${model.name} (${model.sha256.slice(0, 12)})`,
    );
  if (made.digest !== undefined && made.digest !== model.digest)
    throw new DataError(
      `${file}: ${model.name} has the weights of its model ${made.name}, and another configuration, tokenizer or chat template`,
    );
  if (template !== undefined) parseTemplate(template, `${file}: template`);
  const decoded = read(decoding as Identity, file);
  const hasAdapter = kept !== null && (kept !== undefined || existsSync(join(dir, "adapter_config.json")));
  const adapter = hasAdapter ? await loadAdapter(dir, model.config) : null;
  if (adapter && kept && digestOf((await adapterIdentity(adapter)) as IdentityValue) !== digestOf(kept as IdentityValue)) {
    adapter.dispose();
    throw new DataError(`${file}: the adapter beside it is another one than the policy was saved with: save the policy again`);
  }
  return policy({ model, name, adapter, system, template, literal, decoding: decoded, folder: dir });
}
