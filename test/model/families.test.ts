import { cp, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { KERNELS_FLAG } from "../../src/backend/ops/native.js";
import { createRng } from "../../src/backend/random.js";
import { loadAdapter, saveAdapter } from "../../src/model/adapter-io.js";
import { configFromJson, configToJson } from "../../src/model/config.js";
import { openDirectory } from "../../src/model/directory.js";
import { openRanges } from "../../src/model/files.js";
import { openGguf } from "../../src/model/gguf.js";
import { configFromGguf, configToGguf } from "../../src/model/gguf-metadata.js";
import { type LanguageModel, loadModel } from "../../src/model/load.js";
import { createLora, type LinearName, type Lora, linearNames } from "../../src/model/lora.js";
import { readSafetensors } from "../../src/model/safetensors.js";
import { saveModel } from "../../src/model/save.js";
import { tensorShapes } from "../../src/model/weights.js";
import { sequenceLogps } from "../../src/training/completion.js";
import { apart, fixture } from "./open.js";

/** Families beside Llama (decoder.test.ts) against transformers and PEFT: test/fixtures/families_fixture.py. */
const families = ["qwen2", "qwen3", "mistral", "llama3", "phi3", "gemma3"];

const ids = (rows: number[][]) => tf.tensor2d(rows, [rows.length, rows[0]!.length], "int32");

describe.each(families)("%s", (name) => {
  let dir: string;
  let model: LanguageModel;
  let adapter: Lora;
  let hadKernels: boolean;
  let expected: Record<"rows" | "logps" | "adapter_logps" | "weights", number[][]> & {
    lengths: number[];
    last_logits: number[];
    greedy: number[];
    loss: number;
  };
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), `erpo-${name}-`));
    await cp(fixture(`families/${name}`), join(dir, name), { recursive: true });
    for (const file of ["tokenizer.json", "tokenizer_config.json"]) await cp(fixture(`llama-tiny/${file}`), join(dir, name, file));
    expected = JSON.parse(await readFile(fixture(`families/${name}.json`), "utf8"));
    model = await loadModel(join(dir, name));
    hadKernels = tf.env().getBool(KERNELS_FLAG);
    adapter = await loadAdapter(fixture(`families/${name}-adapter`), model.config);
  });
  afterEach(() => tf.env().set(KERNELS_FLAG, hadKernels));
  afterAll(async () => {
    adapter?.dispose();
    model?.dispose();
    await rm(dir, { recursive: true });
  });

  /** Log-probs [B, T - 1] of every token but the first. */
  function logps(of: LanguageModel, rows: number[][], lora: Lora | null): Float32Array {
    return tf.tidy(() => {
      const [B, T] = [rows.length, rows[0]!.length];
      const states = of.decoder.hidden(ids(rows), { lora }).slice([0, 0, 0], [B, T - 1, -1]);
      const targets = tf.tensor1d(
        rows.flatMap((r) => r.slice(1)),
        "int32",
      );
      return of.decoder.tokenLogps(states.reshape([B * (T - 1), -1]), targets).dataSync() as Float32Array;
    });
  }

  test("logits and log-probs agree with transformers, and with PEFT's adapter", () => {
    const { rows, lengths, last_logits } = expected;
    const last = tf.tidy(() =>
      model.decoder
        .logits(
          model.decoder
            .hidden(ids([rows[0]!]))
            .slice([0, lengths[0]! - 1, 0], [1, 1, -1])
            .reshape([1, -1]),
        )
        .dataSync(),
    );
    expect(apart(last, last_logits)).toBeLessThan(1e-4);
    expect(apart(logps(model, rows, null), expected.logps.flat())).toBeLessThan(1e-4);
    expect(apart(logps(model, rows, adapter), expected.adapter_logps.flat())).toBeLessThan(1e-4);
  });

  /** The fixture's loss, with the shared prefix and the rows' lengths used in different ways. */
  function loss(split: number, packed: boolean): tf.Scalar {
    const { rows, lengths, weights } = expected;
    const own = rows.map((r) => r.slice(split));
    const T = own[0]!.length;
    const options = { lora: adapter, prefix: rows[0]!.slice(0, split), ...(packed && { lengths: lengths.map((n) => n - split) }) };
    const flat = model.decoder
      .hidden(ids(own), options)
      .slice([0, 0, 0], [3, T - 1, -1])
      .reshape([3 * (T - 1), -1]) as tf.Tensor2D;
    const targets = tf.tensor1d(
      own.flatMap((r) => r.slice(1)),
      "int32",
    );
    const weight = tf.tensor1d(weights.flatMap((r) => r.slice(split)));
    const total = weights.flat().reduce((a, b) => a + b, 0);
    return tf.div(tf.neg(tf.sum(tf.mul(model.decoder.tokenLogps(flat, targets), weight))), total);
  }

  test.each([
    { split: 0, packed: false, kernels: true },
    { split: 3, packed: true, kernels: true },
    { split: 3, packed: true, kernels: false },
  ])(
    "loss and all adapter gradients agree with PyTorch: prefix of $split, packed $packed, kernels $kernels",
    ({ split, packed, kernels }) => {
      if (!kernels) tf.env().set(KERNELS_FLAG, false);
      const file = openRanges(fixture(`families/${name}-gradients.safetensors`));
      const stored = readSafetensors(file);
      const before = tf.memory().numTensors;
      const { value, grads } = tf.variableGrads(() => loss(split, packed), adapter.variables());
      expect(value.dataSync()[0]).toBeCloseTo(expected.loss, 4);
      adapter.names().forEach((key, i) => {
        expect(apart(grads[adapter.variables()[i]!.name]!.dataSync(), stored.read(key).data), key).toBeLessThan(1e-5);
      });
      tf.dispose([value, grads]);
      expect(tf.memory().numTensors).toBe(before);
      file.close();
    },
  );

  test.each([true, false])(
    "what begins as an earlier row does is run once, with the same log-probs and gradients: kernels %s",
    (kernels) => {
      if (!kernels) tf.env().set(KERNELS_FLAG, false);
      const [a, b] = expected.rows as [number[], number[]];
      const rows = [
        { prompt: a.slice(0, 6), completion: a.slice(6, 11) },
        { prompt: b.slice(0, 4), completion: b.slice(4, 7) },
        { prompt: a.slice(0, 6), completion: b.slice(0, 8) }, // begins as the first, and is longer
        { prompt: a.slice(0, 3), completion: b.slice(2, 5) },
        { prompt: b.slice(0, 4), completion: [] },
        { prompt: b.slice(0, 4), completion: a.slice(8, 10) },
      ];
      const weights = rows.map((_, i) => 0.3 + 0.2 * i);
      const total = (scored: typeof rows, weights: number[]) =>
        tf.variableGrads(
          () => tf.sum(tf.mul(sequenceLogps(model.decoder, scored, adapter), tf.tensor1d(weights))) as tf.Scalar,
          adapter.variables(),
        );
      const before = tf.memory().numTensors;
      tf.tidy(() => {
        const together = total(rows, weights);
        const alone = rows.filter(({ completion }) => completion.length).map((row) => total([row], [weights[rows.indexOf(row)]!]));
        expect(together.value.dataSync()[0]).toBeCloseTo(tf.addN(alone.map(({ value }) => value)).dataSync()[0]!, 4);
        for (const { name: key } of adapter.variables()) {
          const sum = tf.addN(alone.map(({ grads }) => grads[key]!)).dataSync();
          expect(apart(together.grads[key]!.dataSync(), sum), key).toBeLessThan(1e-4 * Math.max(1, ...sum.map(Math.abs)));
        }
      });
      expect(tf.memory().numTensors).toBe(before);
    },
  );

  test.each([true, false])("greedy decoding with the cache agrees with transformers.generate, kernels %s", (kernels) => {
    if (!kernels) tf.env().set(KERNELS_FLAG, false);
    const weights = model.decoder.merged(null);
    const out = expected.greedy.slice(0, 6);
    let { cache, logits } = model.decoder.prefill(weights, [out]);
    while (out.length < expected.greedy.length) {
      out.push(tf.tidy(() => logits.argMax(1).dataSync()[0]!));
      logits.dispose();
      logits = model.decoder.step(weights, cache, [out.at(-1)!]);
    }
    expect(out).toEqual(expected.greedy);
    logits.dispose();
    cache.dispose();
    weights.dispose();
  });

  test("rows of different lengths decode as PEFT scores each alone", () => {
    const [rows, lengths, logps] = [expected.rows, expected.lengths, expected.adapter_logps].map((list) => [...list, list[0]!]) as [
      number[][],
      number[],
      number[][],
    ]; // the first row twice
    const weights = model.decoder.merged(adapter);
    const { cache, logits: first } = model.decoder.prefill(
      weights,
      rows.map((r, b) => r.slice(0, lengths[b]! - 4)),
    );
    let logits = first;
    for (let s = 0; s < 4; s++) {
      const next = rows.map((r, b) => r[lengths[b]! - 4 + s]!);
      const found = tf.tidy(() => tf.logSoftmax(logits).arraySync() as number[][]);
      rows.forEach((_, b) => void expect(found[b]![next[b]!]).toBeCloseTo(logps[b]![lengths[b]! - 5 + s]!, 3));
      logits.dispose();
      logits = model.decoder.step(weights, cache, next);
    }
    logits.dispose();
    cache.dispose();
    weights.dispose();
  });

  test("saved, plain or with the adapter merged, it is the same model; its adapter too", async () => {
    const { rows } = expected;
    for (const [lora, want] of [
      [null, expected.logps],
      [adapter, expected.adapter_logps],
    ] as const) {
      const saved = join(dir, lora ? "merged" : "plain");
      await saveModel(saved, model, lora);
      const config = JSON.parse(await readFile(join(saved, "config.json"), "utf8"));
      const theirs = JSON.parse(await readFile(join(dir, name, "config.json"), "utf8"));
      for (const field of ["model_type", "architectures", "head_dim", "sliding_window"]) {
        if (theirs[field] !== undefined) expect(config[field]).toEqual(theirs[field]);
      }
      expect(config.pad_token_id).toBeNull();
      const again = await loadModel(saved);
      expect(again.config).toEqual(model.config);
      expect(apart(logps(again, rows, null), want.flat())).toBeLessThan(1e-4);
      again.dispose();
    }
    await saveAdapter(join(dir, "adapter"), adapter, name);
    const lora = await loadAdapter(join(dir, "adapter"), model.config);
    expect(apart(logps(model, rows, lora), expected.adapter_logps.flat())).toBeLessThan(1e-4);
    lora.dispose();
  });
});

test.each(["qwen2", "qwen3", "phi3", "gemma3"])("a GGUF file of %s holds the same decoder", async (name) => {
  const dir = await mkdtemp(join(tmpdir(), "erpo-gguf-"));
  await cp(fixture(`families/${name}`), dir, { recursive: true });
  for (const file of ["tokenizer.json", "tokenizer_config.json"]) await cp(fixture(`llama-tiny/${file}`), join(dir, file));
  const [a, b] = [await openGguf(fixture(`families/${name}.gguf`)), await openDirectory(dir)];
  // llama.cpp's files of Qwen2 have no windows, and those of Gemma no scalar: it is the size of a head
  const missing = { qwen2: { windows: [null, null] }, gemma3: { queryScalar: 6 } }[name];
  expect(a.config).toEqual({ ...b.config, ...missing });
  for (const tensor of tensorShapes(b.config).keys()) {
    if (name === "gemma3" && tensor.endsWith("norm.weight")) expect(apart(a.read(tensor).data, b.read(tensor).data)).toBeLessThan(1e-6);
    else expect(a.read(tensor)).toEqual(b.read(tensor));
  }
  a.close();
  b.close();
  await rm(dir, { recursive: true });
});

test("config.json says which layers have a window, by list, by count, or by the family's default", () => {
  const shape = { vocab_size: 8, hidden_size: 8, intermediate_size: 8, num_hidden_layers: 3, num_attention_heads: 2, head_dim: 4 };
  const windows = (fields: object) => configFromJson({ ...shape, ...fields }, "config.json").windows;
  const qwen2 = { model_type: "qwen2", sliding_window: 7, max_window_layers: 1 };
  expect(windows({ model_type: "llama" })).toEqual([null, null, null]);
  expect(windows({ model_type: "mistral" })).toEqual([4096, 4096, 4096]);
  expect(windows({ model_type: "mistral", sliding_window: null })).toEqual([null, null, null]);
  expect(windows(qwen2)).toEqual([null, null, null]);
  expect(windows({ ...qwen2, use_sliding_window: true })).toEqual([null, 7, 7]);
  const layer_types = ["sliding_attention", "full_attention", "full_attention"];
  expect(windows({ ...qwen2, use_sliding_window: true, layer_types })).toEqual([7, null, null]);
  const short = { ...qwen2, use_sliding_window: true, layer_types: layer_types.slice(1) };
  expect(() => windows(short)).toThrow('config.json: field "layer_types": has 2 layers, and the model 3');
});

test("Gemma 3's config.json in the forms of transformers 4 and 5, and what erpo does not run of it", async () => {
  const shape = {
    vocab_size: 8,
    hidden_size: 8,
    intermediate_size: 8,
    num_hidden_layers: 7,
    num_attention_heads: 2,
    model_type: "gemma3_text",
  };
  const read = (fields: object) => configFromJson({ ...shape, ...fields }, "config.json");
  const plain = read({ sliding_window: 5 }); // what is left out is the family's own
  expect(plain).toMatchObject({ headDim: 256, queryScalar: 256, ropeTheta: 1e6, localRopeTheta: 1e4, tieWordEmbeddings: true });
  expect(plain).toMatchObject({ windows: [5, 5, 5, 5, 5, null, 5], bosTokenId: 2, eosTokenIds: [1], qkNorm: true });
  expect(read({ sliding_window: 5, sliding_window_pattern: 2 }).windows).toEqual([5, null, 5, null, 5, null, 5]);
  const bases = { ropeTheta: 5e5, localRopeTheta: 2e4 };
  expect(read({ rope_theta: 5e5, rope_local_base_freq: 2e4 })).toMatchObject(bases);
  const rope = (full: object, sliding: object) => ({ rope_parameters: { full_attention: full, sliding_attention: sliding } });
  expect(read(rope({ rope_theta: 5e5 }, { rope_theta: 2e4 }))).toMatchObject(bases);
  expect(() => read(rope({ rope_type: "linear", factor: 8 }, {}))).toThrow(/"rope_type": linear is not supported/);
  expect(() => read({ final_logit_softcapping: 30 })).toThrow(/"final_logit_softcapping"/);
  expect(() => read({ hidden_activation: "silu" })).toThrow(
    /"hidden_act": silu is not supported; a gemma3_text decoder has gelu_pytorch_tanh/,
  );
  expect(() => read({ model_type: "llama", hidden_act: "gelu" })).toThrow(/"hidden_act": gelu is not supported; a llama decoder has silu/);
  expect(configFromJson(configToJson(plain), "config.json")).toEqual(plain);
  const { value } = configToGguf(plain)["gemma3.attention.sliding_window_pattern"]!;
  expect(value).toBe(6); // a period, as llama.cpp reads it
});

test("a GGUF file's end of a turn and of a message end a completion, too", () => {
  const metadata = {
    ...{ "general.architecture": "phi3", "phi3.embedding_length": 256, "phi3.feed_forward_length": 8, "phi3.block_count": 1 },
    ...{ "phi3.attention.head_count": 2, "phi3.context_length": 8, "phi3.attention.layer_norm_rms_epsilon": 1e-5, "phi3.vocab_size": 8 },
    "tokenizer.ggml.eos_token_id": 3,
  };
  const ends = (more: object) => configFromGguf({ ...metadata, ...more }, "X.gguf", false).eosTokenIds;
  expect(ends({ "tokenizer.ggml.eot_token_id": 7 })).toEqual([3, 7]);
  expect(ends({ "tokenizer.ggml.eot_token_id": 7, "tokenizer.ggml.eom_token_id": 5 })).toEqual([3, 7, 5]);
  expect(ends({ "tokenizer.ggml.eot_token_id": 3 })).toEqual([3]);
  expect(ends({})).toEqual([3]);
  const tokens = ["<unk>", "<s>", "</s>", "<eos>", "<|eom_id|>", "<end_of_turn>"]; // no keys, as files of Gemma 3 have none
  expect(ends({ "tokenizer.ggml.tokens": tokens })).toEqual([3, 5, 4]);
  expect(ends({ "tokenizer.ggml.tokens": tokens, "tokenizer.ggml.eot_token_id": 7 })).toEqual([3, 7, 4]);
});

test("heads that are turned in part are refused", () => {
  const phi3 = { model_type: "phi3", vocab_size: 8, hidden_size: 8, intermediate_size: 8, num_hidden_layers: 1, num_attention_heads: 2 };
  expect(configFromJson({ ...phi3, partial_rotary_factor: 1 }, "config.json").windows).toEqual([null]);
  for (const fields of [{ partial_rotary_factor: 0.75 }, { rope_parameters: { rope_theta: 1e4, partial_rotary_factor: 0.75 } }])
    expect(() => configFromJson({ ...phi3, ...fields }, "config.json")).toThrow(/partial_rotary_factor/);
  const metadata = {
    ...{ "general.architecture": "phi3", "phi3.embedding_length": 256, "phi3.feed_forward_length": 8, "phi3.block_count": 1 },
    ...{ "phi3.attention.head_count": 2, "phi3.context_length": 8, "phi3.attention.layer_norm_rms_epsilon": 1e-5, "phi3.vocab_size": 8 },
  };
  const read = (more: object) => configFromGguf({ ...metadata, "phi3.attention.key_length": 128, ...more }, "X.gguf", false).headDim;
  expect(read({ "phi3.rope.dimension_count": 128 })).toBe(128);
  expect(() => read({ "phi3.rope.dimension_count": 96 })).toThrow(/"phi3.rope.dimension_count" is 96 of a head's 128/);
});

test("adapters of fused matrices have their names", async () => {
  const files = await readFile(fixture("families/phi3/config.json"), "utf8");
  const config = configFromJson(JSON.parse(files), "config.json");
  const create = (targetModules: readonly LinearName[]) => createLora(config, { r: 2, alpha: 4, targetModules, layers: [1] }, createRng(1));
  const lora = create(linearNames(config));
  const stem = "base_model.model.model.layers.1";
  expect(lora.names().filter((name) => name.includes("lora_A"))).toEqual(
    ["self_attn.qkv_proj", "self_attn.o_proj", "mlp.gate_up_proj", "mlp.down_proj"].map((path) => `${stem}.${path}.lora_A.weight`),
  );
  lora.dispose();
  expect(() => create(["q_proj"])).toThrow("unknown module q_proj; the decoder has qkv_proj, o_proj, gate_up_proj, down_proj");
  await expect(loadAdapter(fixture("families/llama3-adapter"), config)).rejects.toThrow(/unknown key base_model/);
});
