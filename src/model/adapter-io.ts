import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { z } from "zod";
import { writeAtomic } from "../setup/atomic.js";
import type { DecoderConfig } from "./config.js";
import { WeightsError } from "./errors.js";
import { openRanges } from "./files.js";
import { type LinearName, Lora, linearNames, linearShape, MODULE_NAMES, modulePath } from "./lora.js";
import { readSafetensors, safetensorsBytes, writeSafetensors } from "./safetensors.js";
import { readJson } from "./tokenizer-files.js";
import type { WritableTensor } from "./weights.js";

/** What erpo needs of PEFT's adapter_config.json; variants of LoRA that change the formula are refused by name. */
const adapterConfig = z.looseObject({
  peft_type: z.literal("LORA"),
  r: z.number().int().positive(),
  lora_alpha: z.number().positive(),
  base_model_name_or_path: z.string().nullish(),
  bias: z.literal("none").default("none"),
  fan_in_fan_out: z.literal(false).default(false),
  use_dora: z.literal(false).default(false),
  use_rslora: z.literal(false).default(false),
  lora_bias: z.literal(false).default(false),
  rank_pattern: z.record(z.string(), z.never()).nullish(),
  alpha_pattern: z.record(z.string(), z.never()).nullish(),
  modules_to_save: z.array(z.never()).nullish(),
  trainable_token_indices: z.union([z.array(z.never()), z.record(z.string(), z.never())]).nullish(),
});

/**
 * Saves an adapter in PEFT's format: adapter_config.json, then adapter_model.safetensors, each whole or not at all.
 * @param base name or path of the model that it adapts
 */
export async function saveAdapter(dir: string, lora: Lora, base: string): Promise<void> {
  const { r, alpha } = lora.config;
  const config = {
    peft_type: "LORA",
    task_type: "CAUSAL_LM",
    base_model_name_or_path: base,
    r,
    lora_alpha: alpha,
    lora_dropout: 0,
    target_modules: MODULE_NAMES.filter((m) => lora.config.targetModules.includes(m)),
    layers_to_transform: [...new Set(lora.config.layers)].sort((a, b) => a - b),
    layers_pattern: "layers",
    bias: "none",
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    modules_to_save: null,
    use_dora: false,
    use_rslora: false,
  };
  writeAtomic(join(dir, "adapter_config.json"), [`${JSON.stringify(config, null, 2)}\n`]);
  await writeSafetensors(join(dir, "adapter_model.safetensors"), storedTensors(lora));
}

/** The bytes of the adapter_model.safetensors that `saveAdapter` writes. */
export const adapterBytes = (lora: Lora): AsyncGenerator<Uint8Array> => safetensorsBytes(storedTensors(lora));

function storedTensors(lora: Lora): WritableTensor[] {
  const variables = lora.variables();
  return lora.names().map((name, i) => ({ name, shape: variables[i]!.shape, data: () => variables[i]!.data() as Promise<Float32Array> }));
}

const KEY = new RegExp(
  `^base_model\\.model\\.model\\.layers\\.(\\d+)\\.(?:self_attn|mlp)\\.(${MODULE_NAMES.join("|")})\\.lora_(A|B)\\.weight$`,
);

/**
 * Loads an adapter that PEFT or `saveAdapter` wrote.
 * @param config of the decoder that it is for
 * @throws WeightsError when a file is missing or broken, a key is unknown or missing, a shape does not fit the decoder, or a number is not finite
 */
export async function loadAdapter(dir: string, config: DecoderConfig): Promise<Lora> {
  const configFile = join(dir, "adapter_config.json");
  const parsed = adapterConfig.safeParse(
    await readJson(configFile, "an adapter is a folder with adapter_config.json and adapter_model.safetensors"),
  );
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw new WeightsError(configFile, `field "${issue.path.join(".")}": ${issue.message}`, "erpo reads plain LoRA adapters");
  }
  const { r, lora_alpha: alpha } = parsed.data;
  const weightsFile = join(dir, "adapter_model.safetensors");
  const file = openRanges(weightsFile);
  try {
    const stored = readSafetensors(file);
    const layers = new Set<number>();
    const modules = new Set<LinearName>();
    for (const name of stored.names) {
      const [, layer, module, matrix] = KEY.exec(name) ?? [];
      if (!layer || !linearNames(config).includes(module as LinearName))
        throw new WeightsError(weightsFile, `unknown key ${name}`, "erpo adapts the linear layers of decoders only");
      if (Number(layer) >= config.numLayers)
        throw new WeightsError(weightsFile, `key ${name}: the model has ${config.numLayers} layers`, "use the adapter's own base model");
      const [out, input] = linearShape(config, module as LinearName);
      const want = matrix === "A" ? [r, input] : [out, r];
      if (stored.shape(name).join() !== want.join()) {
        throw new WeightsError(
          weightsFile,
          `key ${name} is [${stored.shape(name)}], the model and r = ${r} need [${want}]`,
          "use the adapter's own base model",
        );
      }
      if (!stored.read(name).data.every(Number.isFinite))
        throw new WeightsError(weightsFile, `key ${name} holds a number that is not finite`, "use another adapter");
      layers.add(Number(layer));
      modules.add(module as LinearName);
    }
    const targetModules = MODULE_NAMES.filter((m) => modules.has(m));
    const known = new Set(stored.names);
    const key = (layer: number, module: LinearName, matrix: "A" | "B") =>
      `base_model.model.model.layers.${layer}.${modulePath(module)}.lora_${matrix}.weight`;
    const chosen = { r, alpha, targetModules, layers: [...layers].sort((a, b) => a - b) };
    for (const layer of chosen.layers) {
      for (const module of targetModules) {
        for (const matrix of ["A", "B"] as const) {
          if (!known.has(key(layer, module, matrix)))
            throw new WeightsError(weightsFile, `key ${key(layer, module, matrix)} is missing`, "get the adapter again");
        }
      }
    }
    return new Lora(chosen, (layer, module, matrix) => {
      const { data, shape } = stored.read(key(layer, module, matrix));
      return tf.tensor2d(data, shape as [number, number]);
    });
  } finally {
    file.close();
  }
}
