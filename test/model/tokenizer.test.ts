import { beforeAll, describe, expect, test } from "vitest";
import { createTokenizer, type Tokenizer } from "../../src/model/tokenizer.js";
import { tokenizerFromDirectory } from "../../src/model/tokenizer-files.js";
import { tokenizerFromGguf, tokenizerToGguf } from "../../src/model/tokenizer-gguf.js";
import tiny from "../fixtures/llama-tiny.json" with { type: "json" }; // both made by test/fixtures/llama_fixture.py
import smollm2 from "../fixtures/tokenizer-smollm2.json" with { type: "json" };
import splittings from "../fixtures/tokenizer-splittings.json" with { type: "json" }; // test/fixtures/families_fixture.py
import spm from "../fixtures/tokenizer-spm.json" with { type: "json" }; // test/fixtures/spm_fixture.py
import own from "../fixtures/tokenizer-spm-own.json" with { type: "json" }; // the same
import { fixture, haveSmollm2, sentencePiece, smollm2Tokenizer } from "./open.js";

let tokenizer: Tokenizer;
beforeAll(async () => {
  tokenizer = createTokenizer(await tokenizerFromDirectory(fixture("llama-tiny")), "llama-tiny");
});

test.each(tiny.tokenizer)("agrees with transformers on $text", ({ text, ids, decoded }) => {
  expect(tokenizer.encode(text)).toEqual(ids);
  expect(tokenizer.decode(ids)).toBe(decoded);
});

test("the chat template agrees with transformers: default system turn, all turns, generation prompt", () => {
  const messages = tiny.chat.messages as Parameters<Tokenizer["chat"]>[0];
  expect(tokenizer.chat(messages, { addGenerationPrompt: true })).toBe(tiny.chat.text);
  expect(tokenizer.chat([{ role: "system", content: "S" }])).toBe("<|im_start|>system\nS<|im_end|>\n");
});

test.each(splittings)("text is split as pre-tokenizer $pre of a GGUF file says", ({ pre, texts, ids }) => {
  const { vocab, merges } = tokenizer.files.tokenizer.model as { vocab: Record<string, number>; merges: string[][] };
  const tokens = Object.keys(vocab).sort((a, b) => vocab[a]! - vocab[b]!);
  const metadata = {
    "general.architecture": "llama",
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": pre,
    "tokenizer.ggml.tokens": tokens,
    "tokenizer.ggml.token_type": tokens.map((_, id) => (id < 3 ? 3 : 1)),
    "tokenizer.ggml.merges": merges.map((m) => m.join(" ")),
    "tokenizer.ggml.eos_token_id": 2,
  };
  const split = createTokenizer(tokenizerFromGguf(metadata, "X"), "X");
  texts.forEach((text, i) => void expect(split.encode(text), text).toEqual(ids[i]));
});

describe.each([
  { kind: "Llama's", prefix: true, spm },
  { kind: "Gemma's, without a space before a text, with tokens of its users", prefix: false, spm: own },
])("SentencePiece's BPE from a GGUF file: $kind", ({ prefix, spm }) => {
  const metadata = sentencePiece(spm, { prefix });
  const files = tokenizerFromGguf(metadata, "X");
  const written = Object.fromEntries(
    Object.entries(tokenizerToGguf(files, spm.tokens.length, [2], "X")).map(([key, { value }]) => [key, value]),
  );
  const read = createTokenizer(files, "X");
  const again = createTokenizer(tokenizerFromGguf({ "general.architecture": "llama", ...written }, "X"), "X");

  test.each(spm.cases)("agrees with sentencepiece on $text, also after a way back into GGUF", ({ text, ids, decoded }) => {
    expect(read.encode(text)).toEqual(ids);
    expect(again.encode(text)).toEqual(ids);
    expect(read.decode(ids)).toBe(decoded);
  });

  test("what it says beside the scores is kept", () => {
    const { "tokenizer.ggml.scores": _, "general.architecture": __, ...rest } = metadata;
    expect(written).toMatchObject({ ...rest, "tokenizer.ggml.add_bos_token": true, "tokenizer.ggml.unknown_token_id": 0 });
  });
});

test("special tokens: known by name, left out of text", () => {
  expect(tokenizer.eosId).toBe(2);
  expect(tokenizer.id("<|im_start|>")).toBe(1);
  expect(tokenizer.id("no such token")).toBeUndefined();
  expect(tokenizer.decode(tokenizer.encode(" a<|im_end|>\n"))).toBe(" a\n");
});

test("a broken definition is named", () => {
  expect(() => createTokenizer({ ...tokenizer.files, config: { eos_token: "<none>" } }, "X")).toThrow(
    "X: the tokenizer has no token <none>",
  );
  const silent = createTokenizer({ ...tokenizer.files, config: { eos_token: "<|im_end|>" } }, "X");
  expect(() => silent.chat([])).toThrow("X: the model has no chat template");
  const withTemplate = (chat_template: string) =>
    createTokenizer({ ...tokenizer.files, config: { eos_token: "<|im_end|>", chat_template } }, "X");
  expect(() => withTemplate("{% if x %}{{")).toThrow("X: broken chat template: ");
  const picky = withTemplate("{{ raise_exception('no system turns') }}");
  expect(() => picky.chat([{ role: "system", content: "Hi" }])).toThrow(
    "X: the chat template does not take messages of system: no system turns",
  );
});

describe.skipIf(!haveSmollm2)("SmolLM2 (needs its GGUF in the cache)", () => {
  let real: Tokenizer;
  beforeAll(async () => {
    real = await smollm2Tokenizer();
  });

  test.each(smollm2)("agrees with transformers on $text", ({ text, ids, decoded }) => {
    expect(real.encode(text)).toEqual(ids);
    expect(real.decode(ids)).toBe(decoded);
  });

  test("the template adds the default system turn", () => {
    expect(real.chat([{ role: "user", content: "Hi" }], { addGenerationPrompt: true })).toBe(
      "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
    );
  });
});
