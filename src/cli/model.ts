import { openDevice } from "../backend/device.js";
import { digestOf, type IdentityValue } from "../data/identity.js";
import { type Policy, policy, policyIdentity } from "../generation/policy.js";
import { loadAdapter } from "../model/adapter-io.js";
import { adaptedModel } from "../model/added-tokens.js";
import { type LanguageModel, loadModel } from "../model/load.js";
import type { Lora } from "../model/lora.js";
import { loadPolicy } from "../runs/policy-folder.js";
import { say } from "./output.js";
import { policyModel } from "./policy-model.js";

export interface ModelOptions {
  model: string;
  adapter?: string;
  precision: "f32" | "bf16";
}

/** Opens the device, and says so where it has no bf16. */
export async function openIn(precision: ModelOptions["precision"], log: (line: string) => void): Promise<void> {
  const device = await openDevice({ precision, log });
  if (precision === "bf16" && device.precision === "f32") log("no bf16 here; computing in f32");
}

/** The model and the adapter that a command names, and how to let go of both. @throws WeightsError */
export async function openModel({
  model: name,
  adapter,
  precision,
}: ModelOptions): Promise<{ model: LanguageModel; lora: Lora | null; close(): void }> {
  await openIn(precision, say);
  const base = await loadModel(name, { log: say });
  try {
    const model = adapter === undefined ? base : adaptedModel(adapter, base);
    const lora = adapter === undefined ? null : await loadAdapter(adapter, model.config);
    const close = () => {
      lora?.dispose();
      if (model !== base) model.dispose();
      base.dispose();
    };
    return { model, lora, close };
  } catch (error) {
    base.dispose();
    throw error;
  }
}

export interface PolicyOptions extends Omit<ModelOptions, "model"> {
  /** Unless told, the one that the policy's folder names. */
  model?: string;
  /** A folder with policy.json or an adapter, in place of `adapter`. */
  policy?: string;
  /** Whether special strings in what the policy is asked are text; in the place of what the policy says itself. */
  literal?: boolean;
}

/** The policy that a command names, and how to let go of it. @throws WeightsError; DataError for a broken policy.json or one of another model */
export async function openPolicy({ literal, ...options }: PolicyOptions): Promise<{ asked: Policy; close(): void }> {
  const { asked, close } = await openKept(options);
  return { asked: literal === undefined ? asked : { ...asked, asking: { ...asked.asking, literal } }, close };
}

async function openKept({ policy: folder, ...options }: PolicyOptions): Promise<{ asked: Policy; close(): void }> {
  const { model, lora, close } = await openModel({ ...options, model: options.model ?? policyModel(folder!) });
  if (folder === undefined) return { asked: policy({ model, name: options.adapter, adapter: lora }), close };
  try {
    const asked = await loadPolicy(folder, model);
    const closeBoth = () => {
      asked.adapter?.dispose();
      if (asked.model !== model) asked.model.dispose();
      close();
    };
    return { asked, close: closeBoth };
  } catch (error) {
    close();
    throw error;
  }
}

/** What results say of the policy that made them: its name, and the digest of everything that its answers depend on. */
export async function madeBy(asked: Policy): Promise<{ name: string; digest: string }> {
  return { name: asked.name, digest: digestOf((await policyIdentity(asked)) as IdentityValue) };
}
