import { join } from "node:path";
import { z } from "zod";
import { DataError } from "../../data/errors.js";
import { digestOf, type Identity, type IdentityValue } from "../../data/identity.js";
import { readJson } from "../../data/jsonl.js";
import type { Policy } from "../../generation/policy.js";
import type { LanguageModel } from "../../model/load.js";
import { loadPolicy, readDecoding, savePolicy } from "../../runs/policy-folder.js";
import { writeAtomic } from "../../setup/atomic.js";
import { fromJson, type StoredDirections, toJson } from "./kept.js";
import { type Steering, steered } from "./steering.js";

const file = "directions.json";

const settingsSchema = z.strictObject({
  method: z.literal("SCANS"),
  directions: z.string(),
  layers: z.array(z.int().min(0)).min(1),
  strength: z.number().positive(),
  threshold: z.number(),
});

/** Stores a steered policy: policy.json, and beside it the directions. */
export async function saveSteered(dir: string, policy: Policy, { directions }: Pick<Steering, "directions">): Promise<void> {
  writeAtomic(join(dir, file), [`${JSON.stringify(toJson(directions))}\n`]);
  await savePolicy(dir, policy);
}

/**
 * A steered policy from its folder.
 * @throws DataError when policy.json is none of SCANS or broken, or the directions beside it are others than it was saved with
 */
export async function loadSteered(dir: string, model: LanguageModel): Promise<Policy> {
  let settings: z.infer<typeof settingsSchema> | undefined;
  const unsteered = await loadPolicy(dir, model, (identity, where) => {
    const parsed = settingsSchema.safeParse(identity.settings);
    if (!parsed.success) throw new DataError(`${where}: decoding.settings: no policy of SCANS: ${parsed.error.issues[0]!.message}`);
    settings = parsed.data;
    return readDecoding(identity.decoding as Identity, where);
  });
  const stored = readJson<StoredDirections>(join(dir, file));
  if (digestOf(stored as unknown as IdentityValue) !== settings!.directions)
    throw new DataError(`${join(dir, file)}: other directions than the policy was saved with: save the policy again`);
  const { layers, strength, threshold, directions: digest } = settings!;
  return steered(unsteered, { directions: fromJson(stored), digest, layers, strength, threshold }, unsteered.name);
}
