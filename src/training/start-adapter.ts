import type { Rng } from "../backend/random.js";
import { loadAdapter } from "../model/adapter-io.js";
import type { LanguageModel } from "../model/load.js";
import { createLora, type Lora, type LoraConfig, linearNames } from "../model/lora.js";
import { TrainingError } from "./errors.js";
import type { RunConfig } from "./run-config.js";

/** The adapter that training starts from: `init_adapter`, or a fresh one. */
export async function startAdapter(config: RunConfig, model: LanguageModel, rng: Rng): Promise<Lora> {
  const { r, alpha, target_modules, layers_to_transform } = config.lora ?? {
    r: 16,
    alpha: 32,
    target_modules: "all-linear",
    layers_to_transform: null,
  };
  const wanted: LoraConfig = {
    r,
    alpha,
    targetModules: target_modules === "all-linear" ? linearNames(model.config) : target_modules,
    layers: layers_to_transform ?? Array.from({ length: model.config.numLayers }, (_, i) => i),
  };
  const beyond = wanted.layers.find((layer) => layer >= model.config.numLayers);
  if (beyond !== undefined) {
    throw new TrainingError(`field "lora.layers_to_transform": the model's layers are 0 to ${model.config.numLayers - 1}, not ${beyond}`);
  }
  const names = linearNames(model.config);
  const unknown = wanted.targetModules.find((module) => !names.includes(module));
  if (unknown) throw new TrainingError(`field "lora.target_modules": the model's linear layers are ${names.join(", ")}, not ${unknown}`);
  if (config.init_adapter === null) return createLora(model.config, wanted, rng);
  const lora = await loadAdapter(config.init_adapter, model.config);
  if (config.lora && (lora.config.r !== r || lora.config.alpha !== alpha)) {
    const { r: storedR, alpha: storedAlpha } = lora.config;
    lora.dispose();
    throw new TrainingError(
      `${config.init_adapter}: has r ${storedR} and alpha ${storedAlpha}, the run says ${r} and ${alpha}: leave "lora" out to go on with the adapter as it is`,
    );
  }
  return lora;
}
