import { openDevice } from "../backend/device.js";
import { loadAdapter } from "../model/adapter-io.js";
import { type LanguageModel, loadModel } from "../model/load.js";
import type { Lora } from "../model/lora.js";

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
  const log = (line: string) => void process.stderr.write(`erpo: ${line}\n`);
  await openIn(precision, log);
  const model = await loadModel(name, { log });
  try {
    const lora = adapter === undefined ? null : await loadAdapter(adapter, model.config);
    const close = () => {
      lora?.dispose();
      model.dispose();
    };
    return { model, lora, close };
  } catch (error) {
    model.dispose();
    throw error;
  }
}
