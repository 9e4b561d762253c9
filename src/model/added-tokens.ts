import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { z } from "zod";
import { disposeFrozen, freeze } from "../backend/ops/mat-mul.js";
import { digestOf, type IdentityValue } from "../data/identity.js";
import { writeJson } from "../setup/atomic.js";
import { Decoder } from "./decoder.js";
import { WeightsError } from "./errors.js";
import type { LanguageModel } from "./load.js";
import { createTokenizer, type Tokenizer } from "./tokenizer.js";
import type { TokenizerFiles } from "./tokenizer-files.js";

/** Models with added tokens by the model that they are made of: made once, however many ask. */
const made = new WeakMap<LanguageModel, Map<string, LanguageModel>>();

/**
 * A model whose tokenizer and embedding have tokens more, behind its own. They are not special: completions show them. The row of each begins as the mean of the rows of
 * the pieces that its name was written with before: give names of different pieces; an adapter with `trainableTokens` learns them. All other weights are the model's own:
 * dispose of the model last.
 *
 * @param names distinct texts that are no tokens yet, such as "[SAFE]"
 * @throws WeightsError when the head is not tied to the embedding, so that it would keep its rows, or when a name is a token already, is there twice, or is empty
 */
export function addTokens(model: LanguageModel, names: readonly string[]): LanguageModel {
  if (names.length === 0) return model;
  const known = made.get(model) ?? new Map<string, LanguageModel>();
  made.set(model, known);
  const key = JSON.stringify(names);
  const extended = known.get(key) ?? extend(model, names, () => known.delete(key));
  known.set(key, extended);
  return extended;
}

function extend(model: LanguageModel, names: readonly string[], forget: () => void): LanguageModel {
  const { config, decoder, tokenizer, source } = model;
  const wrong = names.find((name, i) => name === "" || tokenizer.id(name) !== undefined || names.indexOf(name) < i);
  if (wrong !== undefined)
    throw new WeightsError(source, `token ${JSON.stringify(wrong)} is empty, known or there twice`, "name a new one");
  if (!config.tieWordEmbeddings)
    throw new WeightsError(source, "its head is not tied to its embedding", "add tokens to a model with one matrix for both");
  const first = firstFree(tokenizer);
  const after = first + names.length;
  const { embedding } = decoder.weights;
  const [V, C] = embedding.shape;
  const rows = tf.tidy(() => {
    const begun = names.map((name) => tf.mean(tf.gather(embedding, tf.tensor1d(tokenizer.encode(name), "int32")), 0)); // [C] each
    const padding = after < V ? [tf.slice(embedding, [after, 0], [V - after, C])] : []; // rows that a file has beyond its tokenizer
    return tf.keep(tf.concat([tf.slice(embedding, [0, 0], [first, C]), tf.stack(begun), ...padding], 0)) as tf.Tensor2D;
  });
  freeze(rows);
  const own = { ...config, vocabSize: Math.max(V, after) };
  const weights = { ...decoder.weights, embedding: rows, head: rows, dispose: () => disposeFrozen(rows) };
  const larger = new Decoder(own, weights);
  return {
    ...model,
    digest: digestOf({ model: model.digest, added: names, rows: "mean of pieces" } as IdentityValue),
    config: own,
    tokenizer: createTokenizer(withAdded(tokenizer.files, names, first), source),
    decoder: larger,
    added: names,
    dispose() {
      forget();
      larger.dispose();
    },
  };
}

/** The id behind all that a tokenizer knows. */
function firstFree({ files: { tokenizer } }: Tokenizer): number {
  const { added_tokens: added = [], model } = tokenizer as { added_tokens?: { id: number }[]; model: { vocab: Record<string, number> } };
  return 1 + [...Object.values(model.vocab), ...added.map(({ id }) => id)].reduce((a, b) => Math.max(a, b), -1);
}

function withAdded({ tokenizer, config }: TokenizerFiles, names: readonly string[], first: number): TokenizerFiles {
  const plain = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: false };
  const before = (tokenizer.added_tokens ?? []) as object[];
  const listed = config.added_tokens_decoder as object | undefined;
  return {
    tokenizer: { ...tokenizer, added_tokens: [...before, ...names.map((content, i) => ({ id: first + i, content, ...plain }))] },
    config: {
      ...config,
      ...(listed && {
        added_tokens_decoder: { ...listed, ...Object.fromEntries(names.map((content, i) => [first + i, { content, ...plain }])) },
      }),
    },
  };
}

/** Where an adapter's folder names the tokens that its base model lacks, as transformers calls such a file: ids by texts. */
const ADDED_TOKENS = "added_tokens.json";
const idsByText = z.record(z.string(), z.int().nonnegative());

/** Names a model's added tokens in an adapter's folder; writes nothing for a model without any. */
export function saveAddedTokens(dir: string, { added = [], tokenizer }: Pick<LanguageModel, "added" | "tokenizer">): void {
  if (added.length === 0) return;
  const ids = Object.fromEntries(added.map((name) => [name, tokenizer.id(name)]));
  writeJson(join(dir, ADDED_TOKENS), ids);
}

/** The files that `saveAddedTokens` writes. */
export const addedTokensFiles = ({ added = [] }: Pick<LanguageModel, "added">): string[] => (added.length > 0 ? [ADDED_TOKENS] : []);

/**
 * The model that an adapter's folder is for: with the tokens that the folder names, or the model itself where it names none or has them already.
 * @throws WeightsError when the file is broken, or the model would give the tokens other ids
 */
export function adaptedModel(dir: string, model: LanguageModel): LanguageModel {
  const file = join(dir, ADDED_TOKENS);
  if (!existsSync(file)) return model;
  let parsed: Record<string, number>;
  try {
    parsed = idsByText.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch {
    throw new WeightsError(file, "is no list of ids by tokens", "get the adapter again");
  }
  const names = Object.keys(parsed).sort((a, b) => parsed[a]! - parsed[b]!);
  const own = names.every((name) => model.tokenizer.id(name) === parsed[name]) ? model : addTokens(model, names);
  const moved = names.find((name) => own.tokenizer.id(name) !== parsed[name]);
  if (moved === undefined) return own;
  throw new WeightsError(
    file,
    `token ${JSON.stringify(moved)} has id ${parsed[moved]}, in the model ${own.tokenizer.id(moved)}`,
    "use the adapter's own base model",
  );
}
