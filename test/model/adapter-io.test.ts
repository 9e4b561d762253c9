import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadAdapter, saveAdapter } from "../../src/model/adapter-io.js";
import { type LanguageModel, loadModel } from "../../src/model/load.js";
import { saveModel } from "../../src/model/save.js";
import expected from "../fixtures/llama-tiny.json" with { type: "json" };
import { fixture } from "./open.js";

let dir: string;
let model: LanguageModel;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "erpo-adapter-"));
  model = await loadModel(fixture("llama-tiny"));
});
afterAll(async () => {
  model.dispose();
  await rm(dir, { recursive: true });
});

test("PEFT's adapter, saved and loaded again, is the same", async () => {
  const lora = await loadAdapter(fixture("llama-tiny-adapter"), model.config);
  expect(lora.config).toMatchObject({ r: 4, alpha: 8, layers: [0, 1] });
  await saveAdapter(join(dir, "a"), lora, "llama-tiny");
  const again = await loadAdapter(join(dir, "a"), model.config);
  expect(again.names()).toEqual(lora.names());
  again.variables().forEach((v, i) => void expect(v.dataSync()).toEqual(lora.variables()[i]!.dataSync()));
  const config = JSON.parse(await readFile(join(dir, "a/adapter_config.json"), "utf8"));
  expect(config).toMatchObject({
    peft_type: "LORA",
    task_type: "CAUSAL_LM",
    r: 4,
    lora_alpha: 8,
    layers_to_transform: [0, 1],
    base_model_name_or_path: "llama-tiny",
  });
  const copy = lora.clone();
  copy.variables()[0]!.assign(tf.zerosLike(copy.variables()[0]!));
  expect(tf.max(tf.abs(lora.variables()[0]!)).dataSync()[0]).toBeGreaterThan(0);
  for (const l of [lora, again, copy]) l.dispose();
});

test.each<[string, (config: Record<string, unknown>) => Record<string, unknown>, RegExp]>([
  ["another method", (c) => ({ ...c, peft_type: "IA3" }), /adapter_config.json: field "peft_type"/],
  ["DoRA", (c) => ({ ...c, use_dora: true }), /field "use_dora"/],
  ["rank-stabilised scaling", (c) => ({ ...c, use_rslora: true }), /field "use_rslora"/],
  ["ranks by pattern", (c) => ({ ...c, rank_pattern: { q_proj: 8 } }), /field "rank_pattern/],
  ["saved embeddings", (c) => ({ ...c, modules_to_save: ["embed_tokens"] }), /field "modules_to_save/],
  ["another rank", (c) => ({ ...c, r: 8 }), /q_proj.lora_A.weight is \[4,32\], the model and r = 8 need \[8,32\]|lora_A.weight is/],
])("refuses %s by name", async (_, change, message) => {
  const bad = join(dir, "bad");
  await cp(fixture("llama-tiny-adapter"), bad, { recursive: true });
  const config = join(bad, "adapter_config.json");
  await writeFile(config, JSON.stringify(change(JSON.parse(await readFile(config, "utf8")))));
  await expect(loadAdapter(bad, model.config)).rejects.toThrow(message);
});

test("refuses an adapter of another model, and names an unknown key", async () => {
  await expect(loadAdapter(fixture("llama-tiny-adapter"), { ...model.config, numLayers: 1 })).rejects.toThrow(/the model has 1 layers/);
  await expect(loadAdapter(fixture("llama-tiny-adapter"), { ...model.config, intermediateSize: 64 })).rejects.toThrow(/need \[/);
  await expect(loadAdapter(join(dir, "none"), model.config)).rejects.toThrow(/adapter_config.json: missing; an adapter is a folder with/);
  const odd = join(dir, "odd");
  await cp(fixture("llama-tiny-adapter"), odd, { recursive: true });
  const weights = join(odd, "adapter_model.safetensors");
  const bytes = await readFile(weights);
  bytes.write("layers.0.self_attn.x_proj", bytes.indexOf("layers.0.self_attn.q_proj"));
  await writeFile(weights, bytes);
  await expect(loadAdapter(odd, model.config)).rejects.toThrow(/unknown key base_model.model.model.layers.0.self_attn.x_proj/);
});

test("refuses numbers that are not finite", async () => {
  const diverged = join(dir, "diverged");
  await cp(fixture("llama-tiny-adapter"), diverged, { recursive: true });
  const weights = join(diverged, "adapter_model.safetensors");
  const bytes = await readFile(weights);
  bytes.writeFloatLE(Number.NaN, bytes.length - 4);
  await writeFile(weights, bytes);
  await expect(loadAdapter(diverged, model.config)).rejects.toThrow(
    /key base_model\S+ holds a number that is not finite; use another adapter/,
  );
});

test("a saved model is the same model; with an adapter merged, the adapted one", async () => {
  const lora = await loadAdapter(fixture("llama-tiny-adapter"), model.config);
  for (const [name, adapter, logps] of [
    ["plain", null, expected.logps],
    ["merged", lora, expected.adapter_logps],
  ] as const) {
    await saveModel(join(dir, name), model, adapter);
    const again = await loadModel(join(dir, name));
    expect(again.config).toEqual(model.config);
    expect(again.tokenizer.chat([{ role: "user", content: "Hi" }])).toBe(model.tokenizer.chat([{ role: "user", content: "Hi" }]));
    const row = expected.rows[0]!;
    const got = tf.tidy(() => {
      const states = again.decoder
        .hidden(tf.tensor2d([row], [1, 12], "int32"))
        .slice([0, 0, 0], [1, 11, -1])
        .reshape([11, -1]) as tf.Tensor2D;
      return again.decoder.tokenLogps(states, tf.tensor1d(row.slice(1), "int32")).dataSync();
    });
    got.forEach((x, i) => void expect(x).toBeCloseTo(logps[0]![i]!, 4));
    again.dispose();
  }
  lora.dispose();
});

test("a directory that lacks something is refused by the file's or field's name", async () => {
  await expect(loadModel("smollm9")).rejects.toThrow(
    "smollm9: no such file or directory, nor a model that erpo knows by name; known: smollm2-135m-instruct",
  );
  await expect(loadModel(dir)).rejects.toThrow(/no model.safetensors/);
  const part = join(dir, "part");
  await cp(fixture("llama-tiny"), part, { recursive: true });
  await rm(join(part, "tokenizer.json"));
  await expect(loadModel(part)).rejects.toThrow(/tokenizer.json: missing/);
  const config = JSON.parse(await readFile(join(part, "config.json"), "utf8"));
  for (const [change, message] of [
    [{ hidden_size: "32" }, /config.json: field "hidden_size"/],
    [{ model_type: "gpt2" }, /field "model_type"/],
    [{ attention_bias: true }, /field "attention_bias"/],
    [{ rope_parameters: { rope_type: "yarn", rope_theta: 1 } }, /field "rope_type": yarn is not supported/],
    [{ num_key_value_heads: 3 }, /4 heads cannot share 3/],
    [{ vocab_size: 281 }, /tokenizer.json|is \[280,32\], config.json says \[281,32\]/],
  ] as const) {
    await cp(fixture("llama-tiny/tokenizer.json"), join(part, "tokenizer.json"));
    await writeFile(join(part, "config.json"), JSON.stringify({ ...config, ...change }));
    await expect(loadModel(part)).rejects.toThrow(message);
  }
  await writeFile(join(part, "config.json"), "{");
  await expect(loadModel(part)).rejects.toThrow(/config.json: not JSON/);
});

test("a tensor that the decoder would leave out is refused by its name; an old file's tables are not", async () => {
  const folder = join(dir, "more");
  await saveModel(folder, model);
  const weights = join(folder, "model.safetensors");
  const bytes = await readFile(weights);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, 8 + length).toString());
  const more = async (name: string) => {
    const end = bytes.length - 8 - length;
    const text = Buffer.from(JSON.stringify({ ...header, [name]: { dtype: "F32", shape: [1], data_offsets: [end, end + 4] } }));
    const size = Buffer.alloc(8);
    size.writeBigUInt64LE(BigInt(text.length));
    await writeFile(weights, Buffer.concat([size, text, bytes.subarray(8 + length), Buffer.alloc(4)]));
  };
  await more("model.layers.0.self_attn.q_proj.bias");
  await expect(loadModel(folder)).rejects.toThrow(/tensor model.layers.0.self_attn.q_proj.bias is not one of a llama decoder/);
  await more("model.layers.0.self_attn.rotary_emb.inv_freq");
  (await loadModel(folder)).dispose();
});
