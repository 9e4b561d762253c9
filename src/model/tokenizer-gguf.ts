import { WeightsError } from "./errors.js";
import { type Entries, flag, ints, strings, text, uint32 } from "./gguf-metadata.js";
import type { TokenizerFiles } from "./tokenizer-files.js";

const byteLevel = (useRegex: boolean) => ({ type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: useRegex });

const sequence = (...pretokenizers: unknown[]) => ({ type: "Sequence", pretokenizers });
const split = (regex: string) =>
  sequence({ type: "Split", pattern: { Regex: regex }, behavior: "Isolated", invert: false }, byteLevel(false));

/** Words, runs of at most so many digits, punctuation and spaces, as tiktoken's cl100k splits them. */
const words = (digits: string) =>
  `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;

interface Splitting {
  pre_tokenizer: unknown;
  normalizer?: unknown;
  ignore_merges?: boolean;
  /** Whether a text begins with the beginning-of-text token, unless the file says otherwise. */
  add_bos?: boolean;
}

/** How text is split, by llama.cpp's names (tokenizer.ggml.pre), as the models' own tokenizer.json say it. */
const SPLITTINGS: Record<string, Splitting> = {
  smollm: { pre_tokenizer: sequence({ type: "Digits", individual_digits: true }, byteLevel(true)) },
  "gpt-2": { pre_tokenizer: byteLevel(true) },
  qwen2: { pre_tokenizer: split(words("\\p{N}")), normalizer: { type: "NFC" } }, // Qwen2, 2.5 and 3
  "llama-bpe": { pre_tokenizer: split(words("\\p{N}{1,3}")), ignore_merges: true, add_bos: true }, // Llama 3
};

/**
 * Builds tokenizer.json and tokenizer_config.json from a GGUF file's metadata (byte-level BPE only).
 * Token types: 3 control (special), 4 user-defined.
 * @throws WeightsError that names the key
 */
export function tokenizerFromGguf(metadata: Record<string, unknown>, file: string): TokenizerFiles {
  const list = (key: string): unknown[] => {
    const value = metadata[key];
    if (!Array.isArray(value)) throw new WeightsError(file, `metadata "${key}" is missing`, "convert the model again");
    return value;
  };
  const texts = (key: string): string[] => {
    const value = list(key);
    if (value.every((item) => typeof item === "string")) return value;
    throw new WeightsError(file, `metadata "${key}" does not hold strings`, "convert the model again");
  };
  if (metadata["tokenizer.ggml.model"] !== "gpt2") {
    throw new WeightsError(
      file,
      `tokenizer model ${JSON.stringify(metadata["tokenizer.ggml.model"])}`,
      "erpo reads byte-level BPE (gpt2) from GGUF",
    );
  }
  const pre = String(metadata["tokenizer.ggml.pre"] ?? "gpt-2");
  if (!Object.hasOwn(SPLITTINGS, pre)) {
    throw new WeightsError(
      file,
      `pre-tokenizer ${JSON.stringify(pre)}`,
      `erpo knows ${Object.keys(SPLITTINGS).join(", ")}; use a Hugging Face directory`,
    );
  }
  const { pre_tokenizer, normalizer = null, ignore_merges = false, add_bos = false } = SPLITTINGS[pre]!;
  const tokens = texts("tokenizer.ggml.tokens");
  const types = list("tokenizer.ggml.token_type");
  const special = tokens.flatMap((content, id) => (types[id] === 3 || types[id] === 4 ? [{ content, id, special: types[id] === 3 }] : []));
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false };
  const token = (key: string): string | undefined => tokens[Number(metadata[`tokenizer.ggml.${key}_token_id`] ?? -1)];
  const eos = token("eos");
  if (eos === undefined) throw new WeightsError(file, `metadata "tokenizer.ggml.eos_token_id" names no token`, "convert the model again");
  const bos = (metadata["tokenizer.ggml.add_bos_token"] ?? add_bos) ? token("bos") : undefined;
  return {
    tokenizer: {
      version: "1.0",
      truncation: null,
      padding: null,
      added_tokens: special.map(({ content, id, special }) => ({ id, content, ...flags, special })),
      normalizer,
      pre_tokenizer,
      post_processor: bos === undefined ? null : startingWith(bos, Number(metadata["tokenizer.ggml.bos_token_id"])),
      decoder: byteLevel(true),
      model: {
        type: "BPE",
        dropout: null,
        unk_token: null,
        continuing_subword_prefix: null,
        end_of_word_suffix: null,
        fuse_unk: false,
        byte_fallback: false,
        ignore_merges,
        vocab: Object.fromEntries(tokens.map((t, id) => [t, id])),
        merges: texts("tokenizer.ggml.merges").map((m) => m.split(" ")),
      },
    },
    config: {
      tokenizer_class: "PreTrainedTokenizerFast",
      clean_up_tokenization_spaces: false,
      model_max_length: Number(metadata[`${metadata["general.architecture"]}.context_length`] ?? 2048),
      ...(token("bos") !== undefined && { bos_token: token("bos") }),
      eos_token: eos,
      ...(token("unknown") !== undefined && { unk_token: token("unknown") }),
      ...(token("padding") !== undefined && { pad_token: token("padding") }),
      ...(typeof metadata["tokenizer.chat_template"] === "string" && { chat_template: metadata["tokenizer.chat_template"] }),
    },
  };
}

/** The step that puts a token before every text. */
const startingWith = (content: string, id: number) => ({
  type: "TemplateProcessing",
  single: [{ SpecialToken: { id: content, type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
  pair: [{ Sequence: { id: "A", type_id: 0 } }, { Sequence: { id: "B", type_id: 1 } }],
  special_tokens: { [content]: { id: content, ids: [id], tokens: [content] } },
});

interface BpeFile {
  added_tokens?: { id: number; content: string; special: boolean }[];
  pre_tokenizer?: unknown;
  post_processor?: unknown;
  model?: { type?: string; vocab?: Record<string, number>; merges?: (string | [string, string])[] };
}

/**
 * The inverse: a tokenizer as metadata of a GGUF file. Ids that the vocabulary leaves free get unused tokens.
 * @param source the file or directory that the tokenizer came from, for errors
 * @throws WeightsError when it is no byte-level BPE, or splits text in a way that GGUF has no name for
 */
export function tokenizerToGguf({ tokenizer, config }: TokenizerFiles, vocabSize: number, source: string): Entries {
  const { added_tokens: added = [], pre_tokenizer, post_processor, model } = tokenizer as BpeFile;
  const pre = Object.keys(SPLITTINGS).find((name) => steps(SPLITTINGS[name]!.pre_tokenizer) === steps(pre_tokenizer));
  if (model?.type !== "BPE" || !model.vocab || !model.merges || pre === undefined) {
    const known = Object.keys(SPLITTINGS).join(", ");
    throw new WeightsError(source, "its tokenizer has no counterpart in GGUF", `erpo writes byte-level BPE that splits text as ${known}`);
  }
  const tokens = Array.from({ length: vocabSize }, (_, id) => `[PAD${id}]`);
  const types = new Array<number>(vocabSize).fill(5); // unused
  const put = (content: string, id: number, type: number) => {
    if (!(id < vocabSize)) throw new WeightsError(source, `token ${JSON.stringify(content)} has id ${id} of ${vocabSize}`);
    tokens[id] = content;
    types[id] = type;
  };
  for (const [content, id] of Object.entries(model.vocab)) put(content, id, 1);
  for (const { content, id, special } of added) put(content, id, special ? 3 : 4);
  const id = (content: unknown) => tokens.indexOf(String(content));
  const named = { bos: config.bos_token, eos: config.eos_token, unknown: config.unk_token, padding: config.pad_token };
  const first = JSON.stringify(post_processor ?? null).match(/"single":\[\{"SpecialToken"/) !== null;
  return {
    "tokenizer.ggml.model": text("gpt2"),
    "tokenizer.ggml.pre": text(pre),
    "tokenizer.ggml.tokens": strings(tokens),
    "tokenizer.ggml.token_type": ints(types),
    "tokenizer.ggml.merges": strings(model.merges.map((pair) => (typeof pair === "string" ? pair : pair.join(" ")))),
    "tokenizer.ggml.add_bos_token": flag(first),
    ...Object.fromEntries(
      Object.entries(named).flatMap(([key, content]) =>
        content !== undefined && id(content) >= 0 ? [[`tokenizer.ggml.${key}_token_id`, uint32(id(content))]] : [],
      ),
    ),
    ...(config.chat_template !== undefined && { "tokenizer.chat_template": text(config.chat_template) }),
  };
}

/** A pre-tokenizer's steps without what makes no difference to the ids, as text to compare. */
function steps(step: unknown): string {
  if (typeof step !== "object" || step === null) return "";
  const { type, pretokenizers, trim_offsets, ...rest } = step as Record<string, unknown>;
  if (type === "Sequence" && Array.isArray(pretokenizers)) return pretokenizers.map(steps).join();
  const fields = Object.entries({ ...(type === "ByteLevel" && { use_regex: true }), ...rest });
  return JSON.stringify([type, ...fields.sort(([a], [b]) => (a < b ? -1 : 1))]);
}
