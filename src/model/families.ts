/** What a family's config.json says of windows. */
interface WindowFields {
  use_sliding_window: boolean;
  max_window_layers: number;
  sliding_window_pattern: number;
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
  /** What the gate of the MLP goes through, by transformers' name. */
  activation: "silu" | "gelu_pytorch_tanh";
  /** What a norm multiplies with, less what files of transformers hold for it. */
  normOffset: 0 | 1;
  /** Whether attention's and the MLP's outputs are normed before they are added to the residual stream. */
  outputNorms: boolean;
  /** Whether embeddings are multiplied by sqrt(hidden_size) on their way into the first layer. */
  scaledEmbedding: boolean;
  /** `rope_theta` where config.json has none, and that of the layers with a window where they have one of their own. */
  ropeTheta: number;
  localRopeTheta?: number;
  /** What config.json leaves out where it is the family's own. */
  tied: boolean;
  bos: number;
  eos: number;
  /** Size of a head where config.json has none; otherwise hidden_size / num_attention_heads. */
  headDim?: number;
  /** `sliding_window` where config.json lacks the field. */
  window: number | null;
  /** Of so many layers in a row the last has no window, where neither file says which have one. */
  windowPeriod?: number;
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
  activation: "silu",
  normOffset: 0,
  outputNorms: false,
  scaledEmbedding: false,
  ropeTheta: 10_000,
  tied: false,
  bos: 1,
  eos: 2,
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

const gemma3: FamilyTraits = {
  ...llama,
  className: "Gemma3ForCausalLM",
  gguf: "gemma3",
  interleaved: false,
  qkNorm: true,
  activation: "gelu_pytorch_tanh",
  normOffset: 1,
  outputNorms: true,
  scaledEmbedding: true,
  ropeTheta: 1_000_000,
  localRopeTheta: 10_000,
  tied: true,
  bos: 2,
  eos: 1,
  headDim: 256,
  window: 4096,
  windowPeriod: 6,
  windowed: (layer, { sliding_window_pattern }) => (layer + 1) % sliding_window_pattern !== 0,
};

/** The families that erpo runs, by `model_type`: decoders with RMSNorm, rotary positions, grouped-query attention and gated MLPs. */
export const FAMILIES = {
  llama, // Touvron et al. 2023; SmolLM2 too
  mistral: { ...llama, className: "MistralForCausalLM", window: 4096, windowed: () => true }, // Jiang et al. 2023: every layer sees a window
  qwen2, // Yang et al. 2024, and Qwen2.5
  qwen3: { ...qwen2, className: "Qwen3ForCausalLM", gguf: "qwen3", qkvBias: false, qkNorm: true, headDim: 128 }, // Yang et al. 2025
  phi3: { ...llama, className: "Phi3ForCausalLM", gguf: "phi3", interleaved: false, fused: true, windowed: () => true }, // Abdin et al. 2024
  gemma3_text: gemma3, // Gemma Team 2025, its decoder of text
} satisfies Record<string, FamilyTraits>;

export type Family = keyof typeof FAMILIES;

export const traits = (family: Family): FamilyTraits => FAMILIES[family];
