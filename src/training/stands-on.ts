import { join } from "node:path";
import { digestOf, type IdentityValue } from "../data/identity.js";
import { sha256 } from "../model/files.js";
import type { RunSettings } from "./checkpoint.js";
import type { RunConfig } from "./run-config.js";

/**
 * What the numbers of a RUN.json's run depend on beside its rows and options, for its checkpoints: the bytes of the adapters that it starts from and is measured
 * against, the log-probs under a reference that rows came with, and the held-out rows. What a run has none of is left out.
 * @param rows as they were read
 */
export async function runStandsOn(
  { init_adapter, reference_adapter }: Pick<RunConfig, "init_adapter" | "reference_adapter">,
  rows: readonly unknown[],
  held: readonly unknown[] | null,
): Promise<RunSettings> {
  const references = (rows as readonly { reference?: IdentityValue }[]).map(({ reference }) => reference ?? null);
  return {
    ...(init_adapter && { init_adapter: await ofAdapter(init_adapter) }),
    ...(reference_adapter && { reference_adapter: await ofAdapter(reference_adapter) }),
    ...(references.some((reference) => reference !== null) && { ref_logps: { sha256: digestOf(references) } }),
    ...(held && { eval_data: { sha256: digestOf(held as readonly IdentityValue[]) } }),
  };
}

const ofAdapter = async (dir: string) => ({
  sha256: digestOf(await Promise.all(["adapter_config.json", "adapter_model.safetensors"].map((file) => sha256(join(dir, file))))),
});
