import { createHash } from "node:crypto";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type GGUFParseOutput, gguf } from "@huggingface/gguf";
import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { loadAdapter } from "../../src/model/adapter-io.js";
import { openDirectory } from "../../src/model/directory.js";
import { openGguf } from "../../src/model/gguf.js";
import { saveGguf } from "../../src/model/gguf-write.js";
import { type LanguageModel, loadModel } from "../../src/model/load.js";
import { provenanceOf } from "../../src/model/provenance.js";
import { saveModel } from "../../src/model/save.js";
import { createTokenizer } from "../../src/model/tokenizer.js";
import { tokenizerToGguf } from "../../src/model/tokenizer-gguf.js";
import { tensorShapes } from "../../src/model/weights.js";
import expected from "../fixtures/llama-tiny.json" with { type: "json" };
import { fixture } from "./open.js";

let dir: string;
let model: LanguageModel;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "erpo-export-"));
  model = await loadModel(fixture("llama-tiny"));
});
afterAll(async () => {
  model.dispose();
  await rm(dir, { recursive: true });
});

/** What a GGUF file holds, as Hugging Face's reader says it: the key-value pairs, and each tensor's type, shape and bytes. */
async function contents(path: string) {
  const { metadata, tensorInfos, tensorDataOffset } = (await gguf(path, { allowLocalFile: true })) as GGUFParseOutput;
  const bytes = await readFile(path);
  const sorted = [...tensorInfos].sort((a, b) => Number(a.offset - b.offset));
  const end = (i: number) => (i + 1 < sorted.length ? sorted[i + 1]!.offset : BigInt(bytes.length) - tensorDataOffset);
  const tensors = sorted.map(({ name, dtype, shape, offset }, i) => {
    const data = bytes.subarray(Number(tensorDataOffset + offset), Number(tensorDataOffset + end(i)));
    return [name, { dtype, shape, data: data.toString("hex") }] as const;
  });
  return { metadata: metadata as Record<string, unknown>, tensors: Object.fromEntries(tensors) };
}

test("a GGUF file in F32 is what the gguf package writes of the same model, bit by bit", async () => {
  await saveGguf(join(dir, "f32.gguf"), model, null, "f32");
  const [ours, theirs] = [await contents(join(dir, "f32.gguf")), await contents(fixture("llama-tiny.gguf"))];
  expect(ours.tensors).toEqual(theirs.tensors);
  for (const [key, value] of Object.entries(theirs.metadata)) {
    if (!["kv_count", "version"].includes(key)) expect(ours.metadata[key], key).toEqual(value);
  }
});

test("with the adapter merged it scores as PEFT, and the tokenizer is the same", async () => {
  const lora = await loadAdapter(fixture("llama-tiny-adapter"), model.config);
  await saveGguf(join(dir, "merged.gguf"), model, lora, "f32");
  lora.dispose();
  const merged = await loadModel(join(dir, "merged.gguf"));
  const row = expected.rows[0]!;
  const logps = tf.tidy(() => {
    const states = merged.decoder.hidden(tf.tensor2d([row], [1, 12], "int32")).slice([0, 0, 0], [1, 11, -1]);
    return merged.decoder.tokenLogps(states.reshape([11, -1]), tf.tensor1d(row.slice(1), "int32")).dataSync();
  });
  logps.forEach((x, i) => void expect(x).toBeCloseTo(expected.adapter_logps[0]![i]!, 4));
  for (const { text, ids } of expected.tokenizer) expect(merged.tokenizer.encode(text)).toEqual(ids);
  expect(merged.tokenizer.chat([{ role: "user", content: "Hi" }])).toBe(model.tokenizer.chat([{ role: "user", content: "Hi" }]));
  merged.dispose();
});

test.each([
  ["f16", 2 ** -11],
  ["bf16", 2 ** -8],
  ["q8_0", 1 / 250],
] as const)("matrices in %s are within its rounding of the largest value, vectors exact", async (type, within) => {
  const path = join(dir, `${type}.gguf`);
  await saveGguf(path, model, null, type);
  const [written, plain] = [await openGguf(path), await openDirectory(fixture("llama-tiny"))];
  for (const [name, shape] of tensorShapes(model.config)) {
    const [got, want] = [written.read(name).data, plain.read(name).data];
    const bound = shape.length === 1 ? 0 : within * Math.max(...want.map(Math.abs));
    expect(Math.max(...got.map((x, i) => Math.abs(x - want[i]!))), name).toBeLessThanOrEqual(bound);
  }
  written.close();
  plain.close();
  const { tensors } = await contents(path);
  const stored = { f16: 1, bf16: 30, q8_0: 8 }[type];
  expect(tensors["blk.0.attn_q.weight"]!.dtype).toBe(stored);
  expect(tensors["blk.0.ffn_down.weight"]!.dtype).toBe(type === "q8_0" ? 1 : stored); // rows of 48 are no whole blocks of 32
  expect(tensors["output_norm.weight"]!.dtype).toBe(0);
});

test.each(["qwen2", "qwen3", "mistral", "phi3"])("a GGUF file of %s is the same decoder", async (name) => {
  const folder = join(dir, name);
  await cp(fixture(`families/${name}`), folder, { recursive: true });
  for (const file of ["tokenizer.json", "tokenizer_config.json"]) await cp(fixture(`llama-tiny/${file}`), join(folder, file));
  const family = await loadModel(folder);
  await saveGguf(join(dir, `${name}.gguf`), family, null, "f32");
  const [again, plain] = [await openGguf(join(dir, `${name}.gguf`)), await openDirectory(folder)];
  expect(again.config).toEqual(family.config);
  for (const tensor of tensorShapes(family.config).keys()) expect(again.read(tensor)).toEqual(plain.read(tensor));
  again.close();
  plain.close();
  family.dispose();
});

test.each([
  ["Gemma's", "<eos>", ["<eos>", "<end_of_turn>"], { eot: "<end_of_turn>" }],
  ["Llama 3's", "<|eot_id|>", ["<|end_of_text|>", "<|eot_id|>"], { eom: "<|end_of_text|>" }],
  ["Llama 3.1's", "<|eot_id|>", ["<|end_of_text|>", "<|eom_id|>", "<|eot_id|>"], { eom: "<|eom_id|>" }],
  ["Phi-3's", "<|endoftext|>", ["<|endoftext|>", "<|assistant|>", "<|end|>"], { eot: "<|end|>", eom: "<|assistant|>" }],
  ["unknown ones", "<s>", ["<s>", "<one>", "<two>"], { eot: "<one>", eom: "<two>" }],
  ["one end", "<eos>", ["<eos>"], {}],
] as const)("a GGUF file has all ends of a completion that there are keys for: %s", async (_, eos_token, ends, more) => {
  const { tokenizer, config } = model.tokenizer.files;
  const { vocabSize } = model.config;
  const added = ends.map((content, i) => ({ content, id: vocabSize - ends.length + i, special: true }));
  const idOf = (text?: string) => added.find(({ content }) => content === text)?.id;
  const taken = added.map(({ id }) => id);
  const { vocab, ...bpe } = tokenizer.model as { vocab: Record<string, number> };
  const kept = Object.fromEntries(
    Object.entries(vocab).filter(([text, id]) => !taken.includes(id) && !(ends as readonly string[]).includes(text)),
  );
  const files = { tokenizer: { ...tokenizer, model: { ...bpe, vocab: kept }, added_tokens: added }, config: { ...config, eos_token } };
  const written = tokenizerToGguf(files, vocabSize, taken, "X");
  const keys = ["eos", "eot", "eom"].map((key) => written[`tokenizer.ggml.${key}_token_id`]?.value);
  expect(keys).toEqual([eos_token, "eot" in more ? more.eot : undefined, "eom" in more ? more.eom : undefined].map(idOf));
});

test("two ends of a completion come back from a GGUF file", async () => {
  const path = join(dir, "ends.gguf");
  const config = { ...model.config, eosTokenIds: [2, 5] };
  await saveGguf(path, { ...model, config }, null, "f32");
  const again = await openGguf(path);
  expect(again.config.eosTokenIds).toEqual([2, 5]);
  again.close();
});

test("a tokenizer that GGUF has no name for is refused by the model's name", async () => {
  const tokenizer = createTokenizer(
    { ...model.tokenizer.files, tokenizer: { ...model.tokenizer.files.tokenizer, pre_tokenizer: null } },
    "X",
  );
  await expect(saveGguf(join(dir, "no.gguf"), { ...model, tokenizer }, null, "f16")).rejects.toThrow(
    /its tokenizer has no counterpart in GGUF/,
  );
});

test.each(["F32", "F16", "BF16"] as const)("shards in %s hold the same model; a later save in one file takes their place", async (type) => {
  const folder = join(dir, type);
  await saveModel(folder, model, null, { type, maxShardBytes: 20_000 });
  const shards = (await readdir(folder)).filter((file) => file.endsWith(".safetensors"));
  expect(shards.length).toBeGreaterThan(2);
  expect(shards[0]).toBe(`model-00001-of-0000${shards.length}.safetensors`);
  const plain = await openDirectory(fixture("llama-tiny"));
  const same = async (within: number) => {
    const files = await openDirectory(folder);
    expect(files.config).toEqual(model.config);
    for (const name of tensorShapes(model.config).keys()) {
      const [got, want] = [files.read(name).data, plain.read(name).data];
      got.forEach((x, i) => void expect(Math.abs(x - want[i]!)).toBeLessThanOrEqual(within * Math.abs(want[i]!) + 2 ** -25));
    }
    files.close();
  };
  await same({ F32: 0, F16: 2 ** -11, BF16: 2 ** -8 }[type]);
  await saveModel(folder, model);
  const left = (await readdir(folder)).filter((file) => file.includes("safetensors"));
  expect(left).toEqual(["model.safetensors"]); // neither index nor shards
  await same(0);
  plain.close();
});

test("stretched frequencies of Llama 3.1 and 3.2 survive the way through a GGUF file; others are refused", async () => {
  const path = join(dir, "stretched.gguf");
  const config = { ...model.config, ropeTheta: 1e7, ropeScaling: { factor: 32, low: 1, high: 4, original: 8192 } };
  await saveGguf(path, { ...model, config }, null, "f32");
  const again = await openGguf(path);
  again.close();
  expect(again.config).toEqual(config);
  await saveGguf(path, { ...model, config: { ...config, ropeScaling: { ...config.ropeScaling, original: 100 } } }, null, "f32");
  await expect(openGguf(path)).rejects.toThrow(/tensor rope_freqs.weight is not Llama 3.1's scaling; use a Hugging Face directory/);
});

const digest = async (path: string) =>
  createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
const version = async () => JSON.parse(await readFile("package.json", "utf8")).version;

/** A model's folder with a model card, as the hub has them, opened as if it were fetched from there. */
async function published(card: string): Promise<LanguageModel> {
  const folder = await mkdtemp(join(dir, "published-"));
  await cp(fixture("llama-tiny"), folder, { recursive: true });
  await writeFile(join(folder, "README.md"), card);
  return { ...model, source: folder, hub: { repository: "me/tiny", commit: "0123abcd" } };
}

const CARD = "---\nlicense: other\nlicense_name: tiny-1\nlicense_link: https://example.org/tiny\n---\n# A tiny model\n";

test("an export says what it was made from: GGUF in the specification's keys, safetensors in each file and in a model card", async () => {
  const base = await published(CARD);
  const lora = await loadAdapter(fixture("llama-tiny-adapter"), model.config);
  const made = await provenanceOf(base, lora, fixture("llama-tiny-adapter"));
  await saveGguf(join(dir, "made.gguf"), base, lora, "f16", made);
  await saveModel(join(dir, "made"), base, lora, { maxShardBytes: 50_000, provenance: made });
  lora.dispose();
  const weights = await digest(join(fixture("llama-tiny"), "model.safetensors"));
  const adapter = await digest(join(fixture("llama-tiny-adapter"), "adapter_model.safetensors"));

  const { metadata } = await contents(join(dir, "made.gguf"));
  expect(metadata).toMatchObject({
    "general.type": "model",
    "general.license": "other",
    "general.license.name": "tiny-1",
    "general.license.link": "https://example.org/tiny",
    "general.base_model.count": 1,
    "general.base_model.0.name": "me/tiny",
    "general.base_model.0.version": "0123abcd",
    "general.base_model.0.organization": "me",
    "general.base_model.0.repo_url": "https://huggingface.co/me/tiny",
    "erpo.version": await version(),
    "erpo.base_model.sha256": weights,
    "erpo.adapter.sha256": adapter,
  });

  for (const file of (await readdir(join(dir, "made"))).filter((name) => name.endsWith(".safetensors"))) {
    const bytes = await readFile(join(dir, "made", file));
    const header = JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE())).toString());
    expect(header.__metadata__).toEqual({
      format: "pt",
      base_model: "me/tiny",
      base_model_revision: "0123abcd",
      base_model_sha256: weights,
      adapter_sha256: adapter,
      license: "other",
      erpo_version: await version(),
    });
  }
  const [, front, text] = (await readFile(join(dir, "made/README.md"), "utf8")).split("---\n");
  expect(parse(front!)).toEqual({
    base_model: "me/tiny",
    base_model_relation: "finetune",
    license: "other",
    license_name: "tiny-1",
    license_link: "https://example.org/tiny",
    library_name: "transformers",
    pipeline_tag: "text-generation",
    tags: ["erpo"],
  });
  expect(text).toContain("# made\n");
  expect(text).toContain(weights);
  expect(text).toContain(adapter);
});

test("a licence goes on from an export to the next one; none is made up, and no adapter where none was merged", async () => {
  const base = await published("---\nlicense: Apache-2.0\n---\n");
  await saveGguf(join(dir, "licensed.gguf"), base, null, "f32");
  const again = await loadModel(join(dir, "licensed.gguf"));
  expect(await provenanceOf(again, null)).toMatchObject({ baseModel: "licensed", license: { id: "apache-2.0" }, merged: false });
  await saveModel(join(dir, "licensed"), again);
  again.dispose();
  const card = await readFile(join(dir, "licensed/README.md"), "utf8");
  expect(parse(card.split("---\n")[1]!)).toMatchObject({ base_model: "licensed", license: "apache-2.0" });
  expect(card).not.toMatch(/adapter \||relation/);

  for (const broken of ["no front matter", "---\nlicense: [a\n---\n", "---\nlicense: 7\n---\n", "---\nlicense: mit\n"]) {
    expect(await provenanceOf(await published(broken), null), broken).not.toHaveProperty("license");
  }
});

test("the same export again is the same, byte for byte, as the card says", async () => {
  for (const name of ["once", "twice"]) await saveModel(join(dir, name), model, null, { type: "BF16" });
  expect(await readFile(join(dir, "once/README.md"), "utf8")).toContain("erpo export safetensors --model BASE --type bf16 --output again");
  expect(await digest(join(dir, "once/model.safetensors"))).toBe(await digest(join(dir, "twice/model.safetensors")));
});
