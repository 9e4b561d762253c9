import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadAdapter } from "../../src/model/adapter-io.js";
import { openRanges } from "../../src/model/files.js";
import { type LanguageModel, loadModel } from "../../src/model/load.js";
import { createLora, LINEAR_NAMES, type Lora } from "../../src/model/lora.js";
import { readSafetensors } from "../../src/model/safetensors.js";
import expected from "../fixtures/llama-tiny.json" with { type: "json" }; // made by test/fixtures/llama_fixture.py
import { apart, fixture, haveSmollm2, uniforms } from "./open.js";

let model: LanguageModel;
let adapter: Lora;
beforeAll(async () => {
  model = await loadModel(fixture("llama-tiny"));
  adapter = await loadAdapter(fixture("llama-tiny-adapter"), model.config);
});
afterAll(() => {
  adapter.dispose();
  model.dispose();
});

const ids = (rows: number[][]) => tf.tensor2d(rows, [rows.length, rows[0]!.length], "int32");

/** Log-probs [B, T - 1] of every token but the first, through `hidden` as a user calls it. */
function logps(rows: number[][], lora: Lora | null): Float32Array {
  return tf.tidy(() => {
    const [B, T] = [rows.length, rows[0]!.length];
    const states = model.decoder.hidden(ids(rows), { lora }).slice([0, 0, 0], [B, T - 1, -1]);
    const targets = tf.tensor1d(
      rows.flatMap((r) => r.slice(1)),
      "int32",
    );
    return model.decoder.tokenLogps(states.reshape([B * (T - 1), -1]), targets).dataSync() as Float32Array;
  });
}

test("logits agree with transformers", () => {
  const logits = tf.tidy(
    () => model.decoder.logits(model.decoder.hidden(ids([expected.rows[0]!])).reshape([12, -1])).arraySync() as number[][],
  );
  expected.logits_row_0.positions.forEach((t, i) => void expect(apart(logits[t]!, expected.logits_row_0.values[i]!)).toBeLessThan(1e-4));
});

test("log-probs agree with transformers, and with PEFT's adapter", () => {
  expect(apart(logps(expected.rows, null), expected.logps.flat())).toBeLessThan(1e-4);
  expect(apart(logps(expected.rows, adapter), expected.adapter_logps.flat())).toBeLessThan(1e-4);
});

test("an untied model in bf16 shards with transformers 4's config agrees with transformers", async () => {
  const dir = await mkdtemp(join(tmpdir(), "erpo-untied-"));
  await cp(fixture("llama-untied"), dir, { recursive: true });
  for (const file of ["tokenizer.json", "tokenizer_config.json"]) await cp(fixture(`llama-tiny/${file}`), join(dir, file)); // any tokenizer
  const untied = await loadModel(dir);
  const { decoder, config } = untied;
  expect(config).toMatchObject({ ropeTheta: 5000, eosTokenIds: [2, 3], headDim: 12, tieWordEmbeddings: false });
  const { rows, logits } = expected.untied;
  const got = tf.tidy(() => decoder.logits(decoder.hidden(ids(rows)).reshape([14, -1])).arraySync() as number[][]);
  [0, 6].forEach((t, i) => void expect(apart([...got[t]!, ...got[7 + t]!], logits[i]!)).toBeLessThan(1e-4));
  untied.dispose();
  await rm(dir, { recursive: true });
});

/** The fixture's loss, with the shared prefix and the rows' lengths used in different ways. */
function loss(split: number, packed: boolean): tf.Scalar {
  const { rows, lengths, weights } = expected;
  const prefix = rows[0]!.slice(0, split);
  const own = rows.map((r) => r.slice(split));
  const T = own[0]!.length;
  const states = model.decoder.hidden(ids(own), { lora: adapter, prefix, ...(packed && { lengths: lengths.map((n) => n - split) }) });
  const flat = states.slice([0, 0, 0], [3, T - 1, -1]).reshape([3 * (T - 1), -1]) as tf.Tensor2D;
  const logps = model.decoder.tokenLogps(
    flat,
    tf.tensor1d(
      own.flatMap((r) => r.slice(1)),
      "int32",
    ),
  );
  const weight = tf.tensor1d(weights.flatMap((r) => r.slice(split)));
  return tf.div(tf.neg(tf.sum(tf.mul(logps, weight))), tf.sum(weights.flat().reduce((a, b) => a + b, 0)));
}

test.each([
  { split: 0, packed: false },
  { split: 0, packed: true },
  { split: 3, packed: false },
  { split: 3, packed: true },
])("loss and all adapter gradients agree with PyTorch: prefix of $split, packed $packed", ({ split, packed }) => {
  const file = openRanges(fixture("llama-tiny-gradients.safetensors"));
  const stored = readSafetensors(file);
  const before = tf.memory().numTensors;
  const { value, grads } = tf.variableGrads(() => loss(split, packed), adapter.variables());
  expect(value.dataSync()[0]).toBeCloseTo(expected.loss, 4);
  adapter.names().forEach((name, i) => {
    const want = stored.read(name).data;
    expect(apart(grads[adapter.variables()[i]!.name]!.dataSync(), want), name).toBeLessThan(1e-5);
  });
  tf.dispose([value, grads]);
  expect(tf.memory().numTensors).toBe(before);
  file.close();
});

test.each([0, 1])("an adapter of layer %i alone and of some modules: gradients agree with numeric differences", (layer) => {
  const next = uniforms(5);
  const rng = { uniform: next } as Parameters<typeof createLora>[2];
  const lora = createLora(model.config, { r: 2, alpha: 3, targetModules: ["v_proj", "up_proj"], layers: [layer] }, rng);
  lora.variables().forEach(
    (v) =>
      void v.assign(
        tf.tensor2d(
          Float32Array.from({ length: v.size }, () => next() - 0.5),
          v.shape as [number, number],
        ),
      ),
  );
  const f = () =>
    tf.tidy(() => {
      const states = model.decoder.hidden(ids(expected.rows), { lora }).reshape([36, -1]) as tf.Tensor2D;
      return tf.mean(model.decoder.tokenLogps(states, tf.tensor1d(expected.rows.flat(), "int32"))) as tf.Scalar;
    });
  const { grads } = tf.variableGrads(f, lora.variables());
  for (const v of lora.variables()) {
    const analytic = grads[v.name]!.dataSync();
    const at = v.dataSync().slice();
    for (const i of [0, at.length - 1]) {
      const moved = (by: number) => {
        v.assign(
          tf.tensor2d(
            Float32Array.from(at, (x, j) => (j === i ? x + by : x)),
            v.shape as [number, number],
          ),
        );
        return f().dataSync()[0]!;
      };
      expect((moved(0.02) - moved(-0.02)) / 0.04).toBeCloseTo(analytic[i]!, 3);
      moved(0);
    }
  }
  lora.dispose();
});

test("a fresh adapter changes nothing and has PEFT's key order", () => {
  const next = uniforms(1);
  const lora = createLora(model.config, { r: 2, alpha: 4, targetModules: [...LINEAR_NAMES].reverse(), layers: [1, 0] }, {
    uniform: next,
  } as Parameters<typeof createLora>[2]);
  expect(apart(logps(expected.rows, lora), expected.logps.flat())).toBeLessThan(1e-4);
  expect(lora.names().slice(0, 2)).toEqual([
    "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight",
    "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight",
  ]);
  expect(lora.variables().length).toBe(28);
  const bound = 1 / Math.sqrt(model.config.hiddenSize);
  const A = lora.A(0, "q_proj")!.dataSync();
  expect(Math.max(...A.map(Math.abs))).toBeLessThanOrEqual(bound);
  lora.dispose();
});

test("greedy decoding with the cache agrees with transformers.generate, beyond the cache's first growth", () => {
  const before = tf.memory().numTensors;
  const weights = model.decoder.merged(null);
  const between = tf.memory().numTensors; // the transposed head stays with the decoder
  const prompt = expected.greedy.slice(0, 6);
  const { cache, logits } = model.decoder.prefill(weights, [prompt]);
  const out = [...prompt];
  let last = logits;
  while (out.length < expected.greedy.length) {
    const [id] = tf.tidy(() => last.argMax(1).dataSync());
    last.dispose();
    out.push(id!);
    last = model.decoder.step(weights, cache, [id!]);
  }
  expect(out).toEqual(expected.greedy);
  tf.dispose(last);
  cache.dispose();
  weights.dispose();
  expect(tf.memory().numTensors).toBeLessThanOrEqual(between);
  expect(between - before).toBeLessThanOrEqual(1);
});

test("rows of different lengths decode as each alone, with an adapter, before and after select", () => {
  const weights = model.decoder.merged(adapter);
  const rows = expected.rows.map((r, b) => r.slice(0, expected.lengths[b]));
  const before = tf.memory().numTensors;
  let { cache, logits } = model.decoder.prefill(weights, rows);
  const more = [
    [7, 8, 9],
    [10, 11, 12],
    [13, 14, 15],
  ];
  let live = [0, 1, 2];
  for (let s = 0; s < 3; s++) {
    if (s === 2) {
      live = [2, 0];
      const kept = cache.select(live);
      cache.dispose();
      cache = kept;
      expect([...cache.lengths]).toEqual([8, 14]);
    }
    logits.dispose();
    logits = model.decoder.step(
      weights,
      cache,
      live.map((b) => more[b]![s]!),
    );
    live.forEach((b, i) => {
      const whole = [...rows[b]!, ...more[b]!.slice(0, s + 1)];
      const alone = tf.tidy(() =>
        model.decoder
          .logits(
            model.decoder
              .hidden(ids([whole]), { lora: adapter })
              .slice([0, whole.length - 1, 0], [1, 1, -1])
              .reshape([1, -1]),
          )
          .dataSync(),
      );
      expect(
        apart(
          tf.tidy(() => logits.slice([i, 0], [1, -1]).dataSync()),
          alone,
        ),
      ).toBeLessThan(1e-4);
    });
  }
  logits.dispose();
  cache.dispose();
  expect(tf.memory().numTensors).toBe(before);
  weights.dispose();
});

test("a row beyond the model's positions is refused", () => {
  expect(() => model.decoder.hidden(tf.zeros([1, 4097], "int32"))).toThrow("positions end at 4096");
  expect(() => model.decoder.prefill(model.decoder.merged(null), [[]])).toThrow("every prompt needs at least one token");
});

test.skipIf(!haveSmollm2)("SmolLM2-135M-Instruct knows the capital of France (needs its GGUF in the cache)", async () => {
  const smol = await loadModel("smollm2-135m-instruct");
  expect(smol.sha256).toBe("b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53");
  const text = smol.tokenizer.chat([{ role: "user", content: "What is the capital of France?" }], { addGenerationPrompt: true });
  const weights = smol.decoder.merged(null);
  let { cache, logits } = smol.decoder.prefill(weights, [smol.tokenizer.encode(text)]);
  const out: number[] = [];
  while (out.length < 12 && out.at(-1) !== smol.tokenizer.eosId) {
    out.push(tf.tidy(() => logits.argMax(1).dataSync()[0]!));
    logits.dispose();
    logits = smol.decoder.step(weights, cache, [out.at(-1)!]);
  }
  expect(smol.tokenizer.decode(out)).toBe("The capital of France is Paris.");
  tf.dispose(logits);
  cache.dispose();
  weights.dispose();
  smol.dispose();
});
