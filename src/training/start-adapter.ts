import type { Rng } from "../backend/random.js";
import { loadAdapter } from "../model/adapter-io.js";
import type { LanguageModel } from "../model/load.js";
import { createLora, type Lora, type LoraConfig, linearNames, MODULE_NAMES } from "../model/lora.js";
import { TrainingError } from "./errors.js";
import type { RunConfig } from "./run-config.js";

/** The adapter that training starts from: `init_adapter`, or a fresh one. @throws TrainingError where `lora` names layers that the model lacks, or is not what `init_adapter` has */
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
  const differs = config.lora && difference(lora.config, wanted);
  if (!differs) return lora;
  lora.dispose();
  throw new TrainingError(`${config.init_adapter}: has ${differs}: leave "lora" out to go on with the adapter as it is`);
}

/** `r 4, and the run says 8`: the first setting in which an adapter is not the one that is wanted, by its name in RUN.json; undefined where there is none. */
function difference(stored: LoraConfig, wanted: LoraConfig): string | undefined {
  const named = ({ r, alpha, targetModules, layers }: LoraConfig) => ({
    r: String(r),
    alpha: String(alpha),
    target_modules: MODULE_NAMES.filter((name) => targetModules.includes(name)).join(", "),
    layers_to_transform: [...new Set(layers)].sort((a, b) => a - b).join(", "),
  });
  const own = named(stored);
  const differs = Object.entries(named(wanted)).find(([name, value]) => own[name as keyof typeof own] !== value);
  return differs && `${differs[0]} ${own[differs[0] as keyof typeof own]}, and the run says ${differs[1]}`;
}
