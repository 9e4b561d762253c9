import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { z } from "zod";
import { writeJson } from "../setup/atomic.js";
import type { DecoderConfig } from "./config.js";
import { WeightsError } from "./errors.js";
import { openRanges } from "./files.js";
import { type LinearName, Lora, linearNames, linearShape, MODULE_NAMES, modulePath, TOKEN_ROWS_KEY, wrongToken } from "./lora.js";
import { readSafetensors, safetensorsBytes, writeSafetensors } from "./safetensors.js";
import { readJson } from "./tokenizer-files.js";
import type { WritableTensor } from "./weights.js";

const tokenIds = z.array(z.number().int().nonnegative());

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
  trainable_token_indices: z.union([tokenIds, z.strictObject({ embed_tokens: tokenIds }).transform((of) => of.embed_tokens)]).nullish(),
});

/**
 * Saves an adapter in PEFT's format: adapter_config.json, then adapter_model.safetensors, each whole or not at all.
 * @param base name or path of the model that it adapts
 * @param trained how it was trained
 * @param trained.dropout on the adapter's inputs; default 0
 */
export async function saveAdapter(dir: string, lora: Lora, base: string, trained: { dropout?: number } = {}): Promise<void> {
  const { r, alpha } = lora.config;
  const config = {
    peft_type: "LORA",
    task_type: "CAUSAL_LM",
    base_model_name_or_path: base,
    r,
    lora_alpha: alpha,
    lora_dropout: trained.dropout ?? 0,
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
    ...(lora.tokens && { trainable_token_indices: lora.tokens.ids }),
  };
  writeJson(join(dir, "adapter_config.json"), config);
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

/** Layer, module and matrix of PEFT's key; null where it is none of this decoder's linear layers'. */
function parseKey(name: string, config: DecoderConfig): { layer: number; module: LinearName; matrix: "A" | "B" } | null {
  const [, layer, module, matrix] = KEY.exec(name) ?? [];
  if (!layer || !linearNames(config).includes(module as LinearName)) return null;
  return { layer: Number(layer), module: module as LinearName, matrix: matrix as "A" | "B" };
}

const OWN_BASE = "use the adapter's own base model";

/** Rank, alpha and trained tokens, as adapter_config.json says. */
async function readConfig(file: string, config: DecoderConfig): Promise<{ r: number; alpha: number; trainableTokens?: number[] }> {
  const parsed = adapterConfig.safeParse(
    await readJson(file, "an adapter is a folder with adapter_config.json and adapter_model.safetensors"),
  );
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw new WeightsError(file, `field "${issue.path.join(".")}": ${issue.message}`, "erpo reads plain LoRA adapters");
  }
  const { r, lora_alpha: alpha, trainable_token_indices: ids } = parsed.data;
  if (!ids || ids.length === 0) return { r, alpha };
  const wrong = wrongToken(config, ids);
  if (wrong === undefined) return { r, alpha, trainableTokens: ids };
  const cause = `field "trainable_token_indices": ${wrong} is named twice, or is not among the model's tokens 0..${config.vocabSize - 1}`;
  throw new WeightsError(file, cause, OWN_BASE);
}

/**
 * Loads an adapter that PEFT or `saveAdapter` wrote.
 * @param config of the decoder that it is for
 * @throws WeightsError when a file is missing or broken, a key is unknown or missing, a shape does not fit the decoder, or a number is not finite
 */
export async function loadAdapter(dir: string, config: DecoderConfig): Promise<Lora> {
  const { r, alpha, trainableTokens } = await readConfig(join(dir, "adapter_config.json"), config);
  const weightsFile = join(dir, "adapter_model.safetensors");
  const file = openRanges(weightsFile);
  try {
    const stored = readSafetensors(file);
    const layers = new Set<number>();
    const modules = new Set<LinearName>();
    /** The shape that a key's tensor must have. */
    const wanted = (name: string): [number, number] => {
      if (trainableTokens && name === TOKEN_ROWS_KEY) return [trainableTokens.length, config.hiddenSize];
      const key = parseKey(name, config);
      if (!key) throw new WeightsError(weightsFile, `unknown key ${name}`, "erpo adapts linear layers of decoders, and rows of tokens");
      if (key.layer >= config.numLayers)
        throw new WeightsError(weightsFile, `key ${name}: the model has ${config.numLayers} layers`, OWN_BASE);
      layers.add(key.layer);
      modules.add(key.module);
      const [out, input] = linearShape(config, key.module);
      return key.matrix === "A" ? [r, input] : [out, r];
    };
    for (const name of stored.names) {
      const want = wanted(name);
      if (stored.shape(name).join() !== want.join()) {
        const cause = `key ${name} is [${stored.shape(name)}], the model and r = ${r} need [${want}]`;
        throw new WeightsError(weightsFile, cause, OWN_BASE);
      }
      if (!stored.read(name).data.every(Number.isFinite))
        throw new WeightsError(weightsFile, `key ${name} holds a number that is not finite`, "use another adapter");
    }
    const known = new Set(stored.names);
    const present = (name: string): string => {
      if (!known.has(name)) throw new WeightsError(weightsFile, `key ${name} is missing`, "get the adapter again");
      return name;
    };
    const key = (layer: number, module: LinearName, matrix: "A" | "B") =>
      present(`base_model.model.model.layers.${layer}.${modulePath(module)}.lora_${matrix}.weight`);
    const read = (name: string): tf.Tensor2D => tf.tensor2d(stored.read(name).data, stored.shape(name) as [number, number]);
    const targetModules = MODULE_NAMES.filter((m) => modules.has(m));
    const chosen = { r, alpha, targetModules, layers: [...layers].sort((a, b) => a - b), ...(trainableTokens && { trainableTokens }) };
    for (const layer of layers) for (const module of modules) for (const matrix of ["A", "B"] as const) key(layer, module, matrix);
    const rows = trainableTokens ? read(present(TOKEN_ROWS_KEY)) : null;
    return new Lora(chosen, (layer, module, matrix) => read(key(layer, module, matrix)), rows);
  } finally {
    file.close();
  }
}
