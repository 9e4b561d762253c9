/** What a family's config.json says of windows. */
interface WindowFields {
  use_sliding_window: boolean;
  max_window_layers: number;
}

/** What sets a family of decoders apart from Llama, and its names in the two kinds of files. */
interface FamilyTraits {
  /** The class that transformers loads it with. */
  className: string;
  /** `general.architecture` of a GGUF file. */
  gguf: string;
  /** Whether GGUF files interleave the halves of each head's rotary rows. */
  interleaved: boolean;
  /** Whether q, k and v have biases. */
  qkvBias: boolean;
  /** Whether each head of q and k is normed before it is turned. */
  qkNorm: boolean;
  /** Whether q, k, v are one matrix and gate, up another, in files and for adapters. */
  fused: boolean;
  /** Size of a head where config.json has none; otherwise hidden_size / num_attention_heads. */
  headDim?: number;
  /** `sliding_window` where config.json lacks the field. */
  window: number | null;
  /** Which layers have the window, where config.json does not list them. */
  windowed(layer: number, fields: WindowFields): boolean;
}

const llama: FamilyTraits = {
  className: "LlamaForCausalLM",
  gguf: "llama",
  interleaved: true,
  qkvBias: false,
  qkNorm: false,
  fused: false,
  window: null,
  windowed: () => false,
};

const qwen2: FamilyTraits = {
  ...llama,
  className: "Qwen2ForCausalLM",
  gguf: "qwen2",
  interleaved: false,
  qkvBias: true,
  window: 4096,
  windowed: (layer, { use_sliding_window, max_window_layers }) => use_sliding_window && layer >= max_window_layers,
};

/** The families that erpo runs, by `model_type`: decoders with RMSNorm, rotary positions, grouped-query attention and SwiGLU. */
export const FAMILIES = {
  llama, // Touvron et al. 2023; SmolLM2 too
  mistral: { ...llama, className: "MistralForCausalLM", window: 4096, windowed: () => true }, // Jiang et al. 2023: every layer sees a window
  qwen2, // Yang et al. 2024, and Qwen2.5
  qwen3: { ...qwen2, className: "Qwen3ForCausalLM", gguf: "qwen3", qkvBias: false, qkNorm: true, headDim: 128 }, // Yang et al. 2025
  phi3: { ...llama, className: "Phi3ForCausalLM", gguf: "phi3", interleaved: false, fused: true, windowed: () => true }, // Abdin et al. 2024
} satisfies Record<string, FamilyTraits>;

export type Family = keyof typeof FAMILIES;

export const traits = (family: Family): FamilyTraits => FAMILIES[family];
