import { serializeGgufMetadata } from "@huggingface/gguf";
import { frequencyFactors } from "../backend/ops/rotary.js";
import { writeAtomicFrom } from "../setup/atomic.js";
import type { DecoderConfig } from "./config.js";
import { traits } from "./families.js";
import { GGML_TYPES, quantizeQ80 } from "./ggml-types.js";
import { ggufName, ggufOffset, interleave, ROPE_FACTORS, rotaryHeads } from "./gguf.js";
import { configToGguf, queryGainInGguf, text, typedMetadata, uint32 } from "./gguf-metadata.js";
import { toBfloats, toHalves } from "./halves.js";
import type { LanguageModel } from "./load.js";
import type { Lora } from "./lora.js";
import { ggufProvenance, type Provenance, provenanceOf } from "./provenance.js";
import { tokenizerToGguf } from "./tokenizer-gguf.js";
import { storedTensors } from "./weights.js";

/** How matrices are stored: ggml's number of the type, llama.cpp's number of such a file (llama.h, enum llama_ftype), and the encoding. */
const MATRIX_TYPES = {
  f32: { number: 0, file: 0, encode: (values: Float32Array) => bytesOf(values) },
  f16: { number: 1, file: 1, encode: (values: Float32Array) => bytesOf(toHalves(values)) },
  bf16: { number: 30, file: 32, encode: (values: Float32Array) => bytesOf(toBfloats(values)) },
  q8_0: { number: 8, file: 7, encode: quantizeQ80 },
} as const;

export type MatrixType = keyof typeof MATRIX_TYPES;

const ALIGNMENT = 32;
const aligned = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

/**
 * Writes a model as one GGUF file that llama.cpp runs, whole or not at all. Vectors are F32; matrices whose rows are no whole number of Q8_0's
 * blocks of 32 become F16 instead.
 * @param lora an adapter to merge into the weights, or null
 * @param provenance what the model is made from, for its metadata; left out: what it knows itself, which is not the adapter's digest
 * @throws WeightsError when GGUF has no counterpart of the model's tokenizer
 */
export async function saveGguf(
  path: string,
  model: LanguageModel,
  lora: Lora | null,
  type: MatrixType,
  provenance?: Provenance,
): Promise<void> {
  const { config, decoder, tokenizer, name, source } = model;
  const entries = {
    ...configToGguf(config),
    "general.name": text(name),
    ...ggufProvenance(provenance ?? (await provenanceOf(model, lora))),
    "general.file_type": uint32(MATRIX_TYPES[type].file),
    "general.quantization_version": uint32(2),
    ...tokenizerToGguf(tokenizer.files, config.vocabSize, config.eosTokenIds, source),
  };
  const merged = decoder.merged(lora);
  try {
    let offset = 0;
    const own = storedTensors(config, { ...decoder.weights, embedding: merged.embedding, layers: merged.layers }).map((tensor) => ({
      ...tensor,
      name: ggufName(config.family, tensor.name),
      data: async () => asInGguf(config, tensor.name, await tensor.data()),
    }));
    const factors = { name: ROPE_FACTORS, shape: [config.headDim / 2], data: () => Float32Array.from(frequencyFactors(config)) };
    const tensors = [...own, ...(config.ropeScaling ? [factors] : [])].map((tensor) => {
      const { number, encode } = storage(tensor.shape, type);
      const { block, bytes } = GGML_TYPES[number]!;
      const size = (tensor.shape.reduce((a, b) => a * b, 1) / block) * bytes;
      const at = offset;
      offset += aligned(size);
      return { ...tensor, number, encode, size, at };
    });
    const header = Buffer.concat([
      serializeGgufMetadata(typedMetadata(entries, tensors.length), { alignment: 1 }), // the list of tensors follows without a gap
      ...tensors.map(({ name, shape, number, at }) => tensorInfo(name, shape, number, at)),
    ]);
    async function* chunks() {
      yield padded(header);
      for (const { name, shape, size, encode, data } of tensors) {
        const bytes = encode(await data());
        if (bytes.length !== size) throw new RangeError(`${name}: ${bytes.length} bytes for shape [${shape}]`);
        yield padded(bytes);
      }
    }
    await writeAtomicFrom(path, chunks());
  } finally {
    merged.dispose();
  }
}

function storage(shape: readonly number[], type: MatrixType) {
  if (shape.length === 1) return MATRIX_TYPES.f32;
  return type === "q8_0" && shape[1]! % 32 !== 0 ? MATRIX_TYPES.f16 : MATRIX_TYPES[type];
}

/** A tensor's values as the family's GGUF files have them: rotary rows in their order; norms whole, that of queries with what GGUF has no key for. */
function asInGguf(config: DecoderConfig, name: string, data: Float32Array): Float32Array {
  const offset = ggufOffset(config.family, name);
  const by = name.endsWith("q_norm.weight") ? queryGainInGguf(config) : 1;
  if (offset !== 0 || by !== 1) return data.map((x) => (x + offset) * by);
  const heads = rotaryHeads(config, name);
  return heads && traits(config.family).interleaved ? interleave(data, heads, config.headDim) : data;
}

/** Name, dimensions (the fastest one before the others), type and offset. */
function tensorInfo(name: string, shape: readonly number[], type: number, offset: number): Uint8Array {
  const letters = Buffer.from(name);
  const bytes = Buffer.alloc(8 + letters.length + 4 + 8 * shape.length + 4 + 8);
  let at = bytes.writeBigUInt64LE(BigInt(letters.length));
  at += letters.copy(bytes, at);
  at = bytes.writeUInt32LE(shape.length, at);
  for (const n of [...shape].reverse()) at = bytes.writeBigUInt64LE(BigInt(n), at);
  at = bytes.writeUInt32LE(type, at);
  bytes.writeBigUInt64LE(BigInt(offset), at);
  return bytes;
}

function padded(bytes: Uint8Array): Uint8Array {
  const whole = new Uint8Array(aligned(bytes.length));
  whole.set(bytes);
  return whole;
}

const bytesOf = (values: Float32Array | Uint16Array): Uint8Array => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
