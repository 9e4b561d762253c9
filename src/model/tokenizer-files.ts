import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { WeightsError } from "./errors.js";

/** What a tokenizer is made of: the parsed tokenizer.json and tokenizer_config.json of the Hugging Face libraries. */
export interface TokenizerFiles {
  tokenizer: Record<string, unknown>;
  config: { chat_template?: string; eos_token: string; bos_token?: string } & Record<string, unknown>;
}

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
}

/** How text is split, by llama.cpp's names (tokenizer.ggml.pre), as the models' own tokenizer.json say it. */
const SPLITTINGS: Record<string, Splitting> = {
  smollm: { pre_tokenizer: sequence({ type: "Digits", individual_digits: true }, byteLevel(true)) },
  "gpt-2": { pre_tokenizer: byteLevel(true) },
  qwen2: { pre_tokenizer: split(words("\\p{N}")), normalizer: { type: "NFC" } }, // Qwen2, 2.5 and 3
  "llama-bpe": { pre_tokenizer: split(words("\\p{N}{1,3}")), ignore_merges: true }, // Llama 3
};

/**
 * Builds tokenizer.json and tokenizer_config.json from a GGUF file's metadata (byte-level BPE only).
 * Token types: 3 control (special), 4 user-defined.
 * @throws WeightsError that names the key
 */
export function tokenizerFromGguf(metadata: Record<string, unknown>, file: string): TokenizerFiles {
  const list = <T>(key: string): T[] => {
    const value = metadata[key];
    if (!Array.isArray(value)) throw new WeightsError(file, `metadata "${key}" is missing`, "convert the model again");
    return value as T[];
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
  const { pre_tokenizer, normalizer = null, ignore_merges = false } = SPLITTINGS[pre]!;
  const tokens = list<string>("tokenizer.ggml.tokens");
  const types = list<number>("tokenizer.ggml.token_type");
  const special = tokens.flatMap((content, id) => (types[id] === 3 || types[id] === 4 ? [{ content, id, special: types[id] === 3 }] : []));
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false };
  const token = (key: string): string | undefined => tokens[Number(metadata[`tokenizer.ggml.${key}_token_id`] ?? -1)];
  const eos = token("eos");
  if (eos === undefined) throw new WeightsError(file, `metadata "tokenizer.ggml.eos_token_id" names no token`, "convert the model again");
  return {
    tokenizer: {
      version: "1.0",
      truncation: null,
      padding: null,
      added_tokens: special.map(({ content, id, special }) => ({ id, content, ...flags, special })),
      normalizer,
      pre_tokenizer,
      post_processor: null,
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
        merges: list<string>("tokenizer.ggml.merges").map((m) => m.split(" ")),
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

/**
 * Reads tokenizer.json, tokenizer_config.json and, where there is one, chat_template.jinja of a model's directory.
 * @throws WeightsError
 */
export async function tokenizerFromDirectory(dir: string): Promise<TokenizerFiles> {
  const tokenizer = await readJson(join(dir, "tokenizer.json"));
  const config = await readJson(join(dir, "tokenizer_config.json"));
  const template = await readFile(join(dir, "chat_template.jinja"), "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw new WeightsError(join(dir, "chat_template.jinja"), `cannot be read (${error.code})`);
  });
  const text = (value: unknown): string | undefined =>
    typeof value === "string"
      ? value
      : typeof value === "object" && value !== null && "content" in value
        ? String(value.content)
        : undefined;
  const eos = text(config.eos_token);
  if (eos === undefined)
    throw new WeightsError(join(dir, "tokenizer_config.json"), `field "eos_token" is missing`, "it must name the token that ends a text");
  const listed = Array.isArray(config.chat_template)
    ? (config.chat_template as { name: string; template: string }[]).find((t) => t.name === "default")?.template
    : config.chat_template;
  const chat = template ?? listed;
  const bos = text(config.bos_token);
  return {
    tokenizer,
    config: {
      ...config,
      eos_token: eos,
      ...(bos !== undefined && { bos_token: bos }),
      ...(typeof chat === "string" && { chat_template: chat }),
    },
  };
}

/** A JSON object from a file, or a WeightsError that says why not. */
export async function readJson(
  path: string,
  hint = "a model's directory has config.json, *.safetensors, tokenizer.json and tokenizer_config.json",
): Promise<Record<string, unknown>> {
  const text = await readFile(path, "utf8").catch(() => {
    throw new WeightsError(path, "missing", hint);
  });
  try {
    const json = JSON.parse(text);
    if (typeof json === "object" && json !== null && !Array.isArray(json)) return json;
  } catch (error) {
    throw new WeightsError(path, `not JSON: ${(error as Error).message}`, "download it again");
  }
  throw new WeightsError(path, "not a JSON object", "download it again");
}
