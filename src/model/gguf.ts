import { type GGUFTensorInfo, gguf } from "@huggingface/gguf";
import type { DecoderConfig } from "./config.js";
import type { ModelFiles } from "./directory.js";
import { WeightsError } from "./errors.js";
import { type Family, traits } from "./families.js";
import { openRanges } from "./files.js";
import { dequantize, GGML_TYPES } from "./ggml-types.js";
import { checkHeader, readStrings } from "./gguf-check.js";
import { configFromGguf } from "./gguf-metadata.js";
import { tokenizerFromGguf } from "./tokenizer-gguf.js";
import { type StoredTensor, tensorShapes } from "./weights.js";

/** llama.cpp's names of a layer's tensors, by PyTorch's. */
const LAYER_NAMES: Record<string, string> = {
  "input_layernorm.weight": "attn_norm.weight",
  "self_attn.q_proj.weight": "attn_q.weight",
  "self_attn.k_proj.weight": "attn_k.weight",
  "self_attn.v_proj.weight": "attn_v.weight",
  "self_attn.qkv_proj.weight": "attn_qkv.weight",
  "self_attn.q_proj.bias": "attn_q.bias",
  "self_attn.k_proj.bias": "attn_k.bias",
  "self_attn.v_proj.bias": "attn_v.bias",
  "self_attn.q_norm.weight": "attn_q_norm.weight",
  "self_attn.k_norm.weight": "attn_k_norm.weight",
  "self_attn.o_proj.weight": "attn_output.weight",
  "post_attention_layernorm.weight": "ffn_norm.weight",
  "mlp.gate_proj.weight": "ffn_gate.weight",
  "mlp.up_proj.weight": "ffn_up.weight",
  "mlp.gate_up_proj.weight": "ffn_up.weight", // gate first
  "mlp.down_proj.weight": "ffn_down.weight",
};

/** Those of a layer whose attention's and MLP's outputs are normed. */
const OUTPUT_NORMS: Record<string, string> = {
  "post_attention_layernorm.weight": "post_attention_norm.weight",
  "pre_feedforward_layernorm.weight": "ffn_norm.weight",
  "post_feedforward_layernorm.weight": "post_ffw_norm.weight",
};

/** What the frequencies of rotary positions are divided by, [D / 2], where they are stretched. */
export const ROPE_FACTORS = "rope_freqs.weight";

/** llama.cpp's name of a family's tensor, by PyTorch's. */
export function ggufName(family: Family, name: string): string {
  if (name === "model.embed_tokens.weight") return "token_embd.weight";
  if (name === "model.norm.weight") return "output_norm.weight";
  if (name === "lm_head.weight") return "output.weight";
  const [, layer, rest] = /^model\.layers\.(\d+)\.(.+)$/.exec(name)!;
  const own = traits(family).outputNorms ? OUTPUT_NORMS[rest!] : undefined;
  return `blk.${layer}.${own ?? LAYER_NAMES[rest!]}`;
}

/** What a norm's weight in a GGUF file has more than in PyTorch's. */
export const ggufOffset = (family: Family, name: string): number => (name.endsWith("norm.weight") ? traits(family).normOffset : 0);

/**
 * Opens a GGUF file (architectures llama, qwen2, qwen3, phi3, gemma3; tensor types of `GGML_TYPES`), validated in full first: magic, version,
 * counts, every tensor's type and extent against the file's length, no overlap, all tensors of the model present, and no others, with the shapes that the metadata says.
 * The header is parsed by @huggingface/gguf once its counts and lengths are known to fit.
 * @throws WeightsError
 */
export async function openGguf(path: string): Promise<ModelFiles> {
  const file = openRanges(path);
  try {
    if (file.size < 24 || new TextDecoder("latin1").decode(file.read(0, 4)) !== "GGUF") {
      throw new WeightsError(path, "not a GGUF file: it does not start with the bytes GGUF", "give a .gguf file");
    }
    const { end: headerEnd, lists } = checkHeader(file);
    const header = await gguf(path, { allowLocalFile: true }).catch((error: Error) => {
      throw new WeightsError(path, `broken GGUF header: ${error.message}`, "get the file again");
    });
    const whole = Object.fromEntries([...lists].map(([key, list]) => [key, readStrings(file, list)]));
    const metadata: Record<string, unknown> = { ...(header.metadata as unknown as Record<string, unknown>), ...whole };
    const start = Number(header.tensorDataOffset);
    if (start < headerEnd) {
      throw new WeightsError(path, `metadata "general.alignment" is ${metadata["general.alignment"]}`, "convert the model again");
    }
    const extents = checkExtents(path, header.tensorInfos, start, file.size);
    const stored = (name: string): Float32Array => {
      const { type, offset, elements, bytes } = extents.get(name)!;
      return dequantize(type, file.read(start + offset, bytes), 0, elements);
    };
    const factors = extents.has(ROPE_FACTORS) ? stored(ROPE_FACTORS) : undefined;
    const config = configFromGguf(metadata, path, !extents.has("output.weight"), factors);
    const shapes = tensorShapes(config);
    const named = (name: string) => ggufName(config.family, name);
    const known = new Set([ROPE_FACTORS, ...[...shapes.keys()].map(named)]);
    const other = [...extents.keys()].find((name) => !known.has(name));
    for (const [name, shape] of shapes) {
      const extent = extents.get(named(name));
      if (!extent) throw new WeightsError(path, `tensor ${named(name)} is missing`, "convert the model again");
      if (extent.shape.join() !== shape.join()) {
        throw new WeightsError(path, `tensor ${named(name)} is [${extent.shape}], the metadata says [${shape}]`, "convert the model again");
      }
    }
    if (other !== undefined)
      throw new WeightsError(
        path,
        `tensor ${other} is not one of a ${config.family} decoder`,
        "erpo would leave it out; use another model",
      );
    const read = (name: string): StoredTensor => {
      const { shape } = extents.get(named(name))!;
      const offset = ggufOffset(config.family, name);
      const data = offset === 0 ? stored(named(name)) : stored(named(name)).map((x) => x - offset);
      const heads = rotaryHeads(config, name);
      return { shape, data: heads && traits(config.family).interleaved ? apart(data, heads, config.headDim) : data };
    };
    return { config, tokenizer: tokenizerFromGguf(metadata, path), weights: [path], read, close: () => file.close() };
  } catch (error) {
    file.close();
    throw error;
  }
}

interface Extent {
  type: number;
  offset: number;
  shape: number[];
  elements: number;
  bytes: number;
}

function checkExtents(path: string, infos: GGUFTensorInfo[], start: number, length: number): Map<string, Extent> {
  const extents = new Map<string, Extent>();
  const ranges: [number, number, string][] = [];
  for (const info of infos) {
    const type = GGML_TYPES[info.dtype];
    if (!type)
      throw new WeightsError(
        path,
        `tensor ${info.name} has type ${info.dtype}`,
        `erpo reads ${Object.values(GGML_TYPES)
          .map((t) => t.name)
          .join(", ")}`,
      );
    if (extents.has(info.name))
      throw new WeightsError(
        path,
        `tensor ${JSON.stringify(info.name)} occurs twice`,
        "the file is truncated or broken; download it again",
      );
    const shape = info.shape.map(Number).reverse();
    const elements = shape.reduce((a, b) => a * b, 1);
    const row = shape[shape.length - 1] ?? 1;
    if (!Number.isSafeInteger(elements) || elements < 1 || row % type.block !== 0) {
      throw new WeightsError(path, `tensor ${info.name} has shape [${shape}], which ${type.name} cannot hold`, "download the file again");
    }
    const size = (elements / type.block) * type.bytes;
    const offset = Number(info.offset);
    if (!Number.isSafeInteger(offset) || start + offset + size > length) {
      throw new WeightsError(
        path,
        `truncated: tensor ${info.name} ends at byte ${start + offset + size}, the file has ${length}`,
        "download it again",
      );
    }
    extents.set(info.name, { type: info.dtype, offset, shape, elements, bytes: size });
    ranges.push([offset, offset + size, info.name]);
  }
  ranges.sort((a, b) => a[0] - b[0]);
  for (let i = 1; i < ranges.length; i++) {
    if (ranges[i]![0] < ranges[i - 1]![1])
      throw new WeightsError(path, `tensors ${ranges[i - 1]![2]} and ${ranges[i]![2]} overlap`, "download the file again");
  }
  return extents;
}

/** The heads of a matrix whose rows are turned by rotary positions; 0 for any other tensor. */
export const rotaryHeads = (config: DecoderConfig, name: string): number =>
  name.endsWith("q_proj.weight") ? config.numHeads : name.endsWith("k_proj.weight") ? config.numKvHeads : 0;

/** The rows of each head in the other order of the two. */
function reordered(data: Float32Array, heads: number, headDim: number, apart: boolean): Float32Array {
  const columns = data.length / (heads * headDim);
  const half = headDim / 2;
  const out = new Float32Array(data.length);
  for (let h = 0; h < heads; h++) {
    for (let i = 0; i < half; i++) {
      for (let k = 0; k < 2; k++) {
        const [pairs, halves] = [h * headDim + 2 * i + k, h * headDim + k * half + i];
        const [from, to] = apart ? [pairs, halves] : [halves, pairs];
        out.set(data.subarray(from * columns, (from + 1) * columns), to * columns);
      }
    }
  }
  return out;
}

/** llama.cpp interleaves the two halves of every head's rows ([H, D/2, 2]); PyTorch keeps them apart ([H, 2, D/2]). */
const apart = (data: Float32Array, heads: number, headDim: number) => reordered(data, heads, headDim, true);
export const interleave = (data: Float32Array, heads: number, headDim: number) => reordered(data, heads, headDim, false);
