import { WeightsError } from "./errors.js";
import { type Entries, flag, floats, ints, MESSAGE_END, strings, TURN_ENDS, text, uint32 } from "./gguf-metadata.js";
import type { TokenizerFiles } from "./tokenizer-files.js";
import { hasPrefix, isSpm, spmCore, spmScores, type TokenizerCore, withMarks, withSpaces } from "./tokenizer-spm.js";

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

/** Characters of SentencePiece's longest pieces, several times over: where a piece can be divided is searched for everywhere. */
const MAX_PIECE = 128;

/** Numbers of the types of tokens (llama.h, enum llama_token_type). */
const [NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE] = [1, 2, 3, 4, 5, 6] as const;

/**
 * Builds tokenizer.json and tokenizer_config.json from a GGUF file's metadata: byte-level BPE ("gpt2") or SentencePiece's ("llama").
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
  const kind = metadata["tokenizer.ggml.model"];
  const types = list("tokenizer.ggml.token_type");
  const marked = (token: string, id: number) => (kind === "llama" && types[id] === USER_DEFINED ? withMarks(token) : token);
  const tokens = texts("tokenizer.ggml.tokens").map(marked);
  const special = (id: number) => types[id] === CONTROL || types[id] === UNKNOWN;
  const added = tokens.flatMap((content, id) => (special(id) || types[id] === USER_DEFINED ? [{ content, id, special: special(id) }] : []));
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false };
  const token = (key: string): string | undefined => tokens[Number(metadata[`tokenizer.ggml.${key}_token_id`] ?? -1)];
  const eos = token("eos");
  if (eos === undefined) throw new WeightsError(file, `metadata "tokenizer.ggml.eos_token_id" names no token`, "convert the model again");
  let core: TokenizerCore;
  let bosByDefault: boolean;
  if (kind === "llama") {
    const own = list("tokenizer.ggml.scores").map(Number);
    const scores = own.map((score, id) => (types[id] === USER_DEFINED ? Number.POSITIVE_INFINITY : score)); // before all merges
    const long = tokens.find((token) => token.length > MAX_PIECE);
    if (long !== undefined) throw new WeightsError(file, `a token of ${long.length} characters`, `pieces have ${MAX_PIECE} at most`);
    const pieces = tokens.map((_, id) => types[id] === NORMAL || types[id] === USER_DEFINED);
    core = spmCore(
      tokens,
      scores,
      pieces,
      token("unknown") ?? tokens[types.indexOf(UNKNOWN)],
      metadata["tokenizer.ggml.add_space_prefix"] !== false,
    );
    bosByDefault = true;
  } else if (kind === "gpt2") {
    const pre = String(metadata["tokenizer.ggml.pre"] ?? "gpt-2");
    if (!Object.hasOwn(SPLITTINGS, pre)) {
      const known = Object.keys(SPLITTINGS).join(", ");
      throw new WeightsError(file, `pre-tokenizer ${JSON.stringify(pre)}`, `erpo knows ${known}; use a Hugging Face directory`);
    }
    const merges = texts("tokenizer.ggml.merges").map((pair) => pair.split(" "));
    core = byteLevelCore(tokens, merges, SPLITTINGS[pre]!);
    bosByDefault = SPLITTINGS[pre]!.add_bos ?? false;
  } else {
    throw new WeightsError(file, `tokenizer model ${JSON.stringify(kind)}`, "erpo reads gpt2 and llama, the two kinds of BPE, from GGUF");
  }
  const bos = (metadata["tokenizer.ggml.add_bos_token"] ?? bosByDefault) ? token("bos") : undefined;
  return {
    tokenizer: {
      version: "1.0",
      truncation: null,
      padding: null,
      added_tokens: added.map(({ content, id, special }) => ({ id, content, ...flags, special })),
      post_processor: bos === undefined ? null : startingWith(bos, Number(metadata["tokenizer.ggml.bos_token_id"])),
      ...core,
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

const byteLevelCore = (
  tokens: readonly string[],
  merges: string[][],
  { pre_tokenizer, normalizer = null, ignore_merges = false }: Splitting,
): TokenizerCore => ({
  normalizer,
  pre_tokenizer,
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
    vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
    merges,
  },
});

/** The step that puts a token before every text. */
const startingWith = (content: string, id: number) => ({
  type: "TemplateProcessing",
  single: [{ SpecialToken: { id: content, type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
  pair: [{ Sequence: { id: "A", type_id: 0 } }, { Sequence: { id: "B", type_id: 1 } }],
  special_tokens: { [content]: { id: content, ids: [id], tokens: [content] } },
});

interface BpeFile {
  added_tokens?: { id: number; content: string; special: boolean }[];
  normalizer?: unknown;
  pre_tokenizer?: unknown;
  post_processor?: unknown;
  model?: { type?: string; unk_token?: string | null; vocab?: Record<string, number>; merges?: (string | [string, string])[] };
}

/**
 * The inverse: a tokenizer as metadata of a GGUF file. Ids that the vocabulary leaves free get unused tokens.
 * @param ends ids that end a completion: beside the tokenizer's own end GGUF has keys for two, that of a turn (eot) and that of a message (eom); llama.cpp ends at all three. Of more
 * ends the others are left out, which llama.cpp knows by their texts.
 * @param source the file or directory that the tokenizer came from, for errors
 * @throws WeightsError when it is no BPE, or treats text in a way that GGUF has no name for
 */
export function tokenizerToGguf(
  { tokenizer, config }: TokenizerFiles,
  vocabSize: number,
  ends: readonly number[],
  source: string,
): Entries {
  const { added_tokens: added = [], normalizer, pre_tokenizer, post_processor, model = {} } = tokenizer as BpeFile;
  const { vocab = {}, merges = [], unk_token } = model;
  const pairs = merges.map((pair) => (typeof pair === "string" ? (pair.split(" ") as [string, string]) : pair));
  const spm = isSpm(tokenizer);
  const pre = Object.keys(SPLITTINGS).find((name) => {
    const known = SPLITTINGS[name]!;
    return steps(known.pre_tokenizer) === steps(pre_tokenizer) && steps(known.normalizer) === steps(normalizer);
  });
  if (model.type !== "BPE" || (!spm && pre === undefined)) {
    const known = Object.keys(SPLITTINGS).join(", ");
    throw new WeightsError(
      source,
      "its tokenizer has no counterpart in GGUF",
      `erpo writes BPE: SentencePiece's, or bytes split as ${known}`,
    );
  }
  const tokens = Array.from({ length: vocabSize }, (_, id) => `[PAD${id}]`);
  const types = new Array<number>(vocabSize).fill(UNUSED);
  const put = (content: string, id: number, type: number) => {
    if (!(id < vocabSize)) throw new WeightsError(source, `token ${JSON.stringify(content)} has id ${id} of ${vocabSize}`);
    tokens[id] = content;
    types[id] = type;
  };
  for (const [content, id] of Object.entries(vocab)) put(content, id, spm && /^<0x[0-9A-F]{2}>$/.test(content) ? BYTE : NORMAL);
  for (const { content, id, special } of added) put(spm && !special ? withSpaces(content) : content, id, special ? CONTROL : USER_DEFINED);
  const id = (content: unknown) => tokens.indexOf(String(content));
  if (spm && unk_token && id(unk_token) >= 0) types[id(unk_token)] = UNKNOWN;
  const named = {
    ...{ bos: config.bos_token, eos: config.eos_token, unknown: config.unk_token ?? unk_token, padding: config.pad_token },
    ...moreEnds(
      String(config.eos_token),
      ends.flatMap((id) => tokens[id] ?? []),
    ),
  };
  return {
    "tokenizer.ggml.model": text(spm ? "llama" : "gpt2"),
    ...(spm
      ? {
          "tokenizer.ggml.scores": floats(spmScores(tokens.map(withMarks), pairs)),
          "tokenizer.ggml.add_space_prefix": flag(hasPrefix(tokenizer)),
        }
      : { "tokenizer.ggml.pre": text(pre!), "tokenizer.ggml.merges": strings(pairs.map((pair) => pair.join(" "))) }),
    "tokenizer.ggml.tokens": strings(tokens),
    "tokenizer.ggml.token_type": ints(types),
    "tokenizer.ggml.add_bos_token": flag(/"single":\[\{"SpecialToken"/.test(JSON.stringify(post_processor ?? null))),
    ...Object.fromEntries(
      Object.entries(named).flatMap(([key, content]) =>
        content != null && id(content) >= 0 ? [[`tokenizer.ggml.${key}_token_id`, uint32(id(content))]] : [],
      ),
    ),
    ...(config.chat_template !== undefined && { "tokenizer.chat_template": text(config.chat_template) }),
  };
}

/** The ends beside the tokenizer's own one by GGUF's names for them. Where none ends a message, its place is that of one that is left: llama.cpp only ends there. */
function moreEnds(eos: string, ends: readonly string[]): { eot?: string; eom?: string } {
  const others = ends.filter((end) => end !== eos);
  const ofTurn = (end: string) => TURN_ENDS.includes(end);
  const eot = others.find(ofTurn) ?? (ofTurn(eos) ? undefined : others.find((end) => end !== MESSAGE_END));
  const left = others.filter((end) => end !== eot);
  const eom = left.find((end) => end === MESSAGE_END) ?? left[0];
  return { ...(eot !== undefined && { eot }), ...(eom !== undefined && { eom }) };
}

/** A pre-tokenizer's or normalizer's steps without what makes no difference to the ids, as text to compare. */
function steps(step: unknown): string {
  if (typeof step !== "object" || step === null) return "";
  const { type, pretokenizers, trim_offsets, ...rest } = step as Record<string, unknown>;
  if (type === "Sequence" && Array.isArray(pretokenizers)) return pretokenizers.map(steps).join();
  const fields = Object.entries({ ...(type === "ByteLevel" && { use_regex: true }), ...rest });
  return JSON.stringify([type, ...fields.sort(([a], [b]) => (a < b ? -1 : 1))]);
}
