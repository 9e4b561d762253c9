import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import fc from "fast-check";
import { beforeAll, expect, test, vi } from "vitest";
import { createRng } from "../../src/backend/random.js";
import { chooseToken } from "../../src/generation/choose.js";
import { plain } from "../../src/generation/decoding.js";
import { policy } from "../../src/generation/policy.js";
import { type SampleOptions, sample } from "../../src/generation/sample.js";
import { type LanguageModel, loadModel } from "../../src/model/load.js";
import { createLora } from "../../src/model/lora.js";

let model: LanguageModel;
beforeAll(async () => {
  model = await loadModel("test/fixtures/llama-tiny");
});

const prompts = ["Hello there", "a", "How are you today?", "Hello again"].map((text) =>
  [...new TextEncoder().encode(text)].map((b) => b % 90),
);

async function collect({ temperature = 0, ...options }: Partial<SampleOptions> & { temperature?: number }): Promise<number[][]> {
  const rows: number[][] = [];
  for await (const { index, ids } of sample(policy({ model, decoding: plain({ temperature }) }), prompts, {
    maxNewTokens: 6,
    batchSize: 3,
    rng: createRng(1),
    ...options,
  }))
    rows[index] = ids;
  return rows;
}

test("greedy tokens are those of a full forward pass without a cache", async () => {
  const expected = prompts.map((prompt) => {
    const ids = [...prompt];
    for (let n = 0; n < 6; n++) {
      const next = tf.tidy(() => {
        const states = model.decoder.hidden(tf.tensor2d([ids], [1, ids.length], "int32")).squeeze([0]) as tf.Tensor2D; // [T, C]
        return tf.argMax(model.decoder.logits(states), 1).dataSync().at(-1)!;
      });
      ids.push(next);
      if (next === model.tokenizer.eosId || model.config.eosTokenIds.includes(next)) break;
    }
    return ids.slice(prompt.length);
  });
  expect(await collect({})).toEqual(expected);
});

test("a completion ends at each token that generation_config.json names, where config.json names others", async () => {
  const long = (await collect({ maxNewTokens: 6 }))[0]!;
  const end = long.findIndex((id, i) => i > 0 && !long.slice(0, i).includes(id));
  const dir = mkdtempSync(join(tmpdir(), "erpo-ends-"));
  cpSync("test/fixtures/llama-tiny", dir, { recursive: true });
  writeFileSync(join(dir, "generation_config.json"), JSON.stringify({ eos_token_id: [model.tokenizer.eosId, long[end]] }));
  const ended = await loadModel(dir);
  expect(ended.config.eosTokenIds).toEqual([2, long[end]]);
  const options = { maxNewTokens: 6, batchSize: 1, rng: createRng(1) };
  for await (const { ids, finished } of sample(policy({ model: ended }), [prompts[0]!], options))
    expect({ ids, finished }).toEqual({ ids: long.slice(0, end + 1), finished: true });
  ended.dispose();
  rmSync(dir, { recursive: true });
});

test("a prompt's sample does not depend on its batch", async () => {
  const alone = await collect({ temperature: 1, batchSize: 1 });
  expect(await collect({ temperature: 1, batchSize: 4 })).toEqual(alone);
  expect(await collect({ temperature: 1, rng: createRng(2) })).not.toEqual(alone);
});

test("long prompts are decoded few together, so that keys and values fit, and come out the same", async () => {
  const prefill = vi.spyOn(model.decoder, "prefill");
  const { numKvHeads, headDim } = model.config;
  const deep = { ...model.config, numLayers: 2.6e9 / (8 * numKvHeads * headDim) / 20 }; // so that 20 positions take 2.6 GB
  const asked = [3, 40, 3, 3, 41].map((length) => [...prompts.flat(), ...prompts.flat()].slice(0, length));
  const run = async (config: LanguageModel["config"]) => {
    const some: number[][] = [];
    const options = { maxNewTokens: 6, batchSize: 4, rng: createRng(1) };
    const deeper = policy({ model: { ...model, config }, decoding: plain({ temperature: 1 }) });
    for await (const { index, ids } of sample(deeper, asked, options)) some[index] = ids;
    const taken = prefill.mock.calls.map(([, prompts]) => prompts.length);
    prefill.mockClear();
    return { some, taken };
  };
  const [all, few] = [await run(model.config), await run(deep)];
  expect([all.taken, few.taken]).toEqual([
    [4, 1],
    [2, 1, 1, 1], // two of 3 + 6 positions, and one of each longer
  ]);
  expect(few.some).toEqual(all.some);
  prefill.mockRestore();
});

test("prompts go through the model together as long as their tokens are not too many", async () => {
  const taken: number[] = [];
  const prefill = vi.spyOn(model.decoder, "prefill").mockImplementation((_, some) => {
    taken.push(some.length);
    throw new Error("enough");
  });
  const long = Array.from({ length: 5 }, () => new Array<number>(4000).fill(3)); // of 16,384 tokens at most
  await expect(sample(policy({ model }), long, { maxNewTokens: 1, batchSize: 8, rng: createRng(1) }).next()).rejects.toThrow("enough");
  expect(taken).toEqual([4]);
  prefill.mockRestore();
});

test("prompts that wait take the places of completions that have ended, and come out as alone", async () => {
  const many = Array.from({ length: 9 }, (_, i) => prompts[i % 4]!.slice(0, 2 + (i % 3)));
  const run = async (batchSize: number) => {
    const rows: number[][] = [];
    const stop = (ids: readonly number[], index: number) => ids.length > index % 5;
    for await (const { index, ids, seconds } of sample(policy({ model, decoding: plain({ temperature: 1 }) }), many, {
      maxNewTokens: 6,
      batchSize,
      rng: createRng(3),
      stop,
    })) {
      rows[index] = ids;
      expect(seconds).toBeGreaterThan(0);
    }
    return rows;
  };
  const before = tf.memory().numTensors;
  const together = await run(4);
  expect(tf.memory().numTensors).toBe(before);
  expect(together).toEqual(await run(1));
});

test("first tokens are drawn as often as the softmax says", async () => {
  const counts = new Map<number, number>();
  const n = 3000;
  const same = Array.from({ length: n }, () => prompts[0]!);
  for await (const { ids } of sample(policy({ model, decoding: plain({ temperature: 0.7 }) }), same, {
    maxNewTokens: 1,
    batchSize: 500,
    rng: createRng(5),
  }))
    counts.set(ids[0]!, (counts.get(ids[0]!) ?? 0) + 1);
  const probabilities = tf.tidy(() => {
    const states = model.decoder.hidden(tf.tensor2d(prompts[0]!, [1, prompts[0]!.length], "int32")).squeeze([0]) as tf.Tensor2D; // [T, C]
    const last = model.decoder.logits(states.slice([prompts[0]!.length - 1, 0])); // [1, V]
    return tf.softmax(tf.div(last, 0.7)).dataSync();
  });
  for (const [id, p] of probabilities.entries()) {
    expect(Math.abs((counts.get(id) ?? 0) / n - p)).toBeLessThan(5 * Math.sqrt((p * (1 - p)) / n) + 1e-3);
  }
});

test("stop ends a row, and no tensor is left behind", async () => {
  await collect({});
  const before = tf.memory().numTensors;
  const rows = await collect({ stop: (ids) => ids.length === 2 });
  expect(rows.every((ids) => ids.length <= 2)).toBe(true);
  for await (const _ of sample(policy({ model }), prompts, { maxNewTokens: 6, batchSize: 3, rng: createRng(1) })) break;
  expect(tf.memory().numTensors).toBe(before);
});

test("timers and signals get their turn while it runs", async () => {
  const controller = new AbortController();
  setTimeout(() => controller.abort(new Error("stopped")), 20);
  await expect(collect({ maxNewTokens: 4000, signal: controller.signal, stop: () => false })).rejects.toThrow("stopped");
});

test("a completion ends where the model's positions do; a prompt beyond them is named before anything is sampled", async () => {
  const short = Object.create(model, { config: { value: { ...model.config, maxPositions: 20 } } }) as LanguageModel;
  const random = policy({ model: short, decoding: plain({ temperature: 1 }) });
  const lengths: number[] = [];
  const options = { maxNewTokens: 50, batchSize: 2, rng: createRng(3), stop: () => false };
  const all = [12, 20, 5].map((n) => Array.from({ length: n }, (_, i) => i));
  for await (const { index, ids, finished } of sample(random, all, options)) if (!finished) lengths[index] = ids.length;
  expect(lengths).toEqual([9, 1, 16]);
  const far = [[1], Array.from({ length: 21 }, () => 1)];
  await expect(sample(random, far, options).next()).rejects.toThrow("prompt 2 has 21 tokens, the model's positions end at 20");
});

test.each([{ temperature: 0 }, { temperature: 1 }, { temperature: 1, topK: 3 }])(
  "a policy whose training diverged is named in one line, with %o",
  async (choice) => {
    const adapter = createLora(model.config, { r: 1, alpha: 1, targetModules: ["down_proj"], layers: [1] }, createRng(1));
    for (const variable of adapter.variables()) variable.assign(tf.fill(variable.shape, Number.NaN));
    const diverged = policy({ model, name: "after SFT", adapter, decoding: plain(choice) });
    const before = tf.memory().numTensors;
    const run = sample(diverged, prompts, { maxNewTokens: 6, batchSize: 1, rng: createRng(1) }).next();
    await expect(run).rejects.toThrow(
      'policy "after SFT": prompt 2, token 1: the logits hold NaN or Infinity, or no finite number; if its training diverged, train it again with a lower learning rate',
    ); // the second prompt is the shortest
    expect(tf.memory().numTensors).toBe(before);
    adapter.dispose();
  },
);

test.each([-1, Number.NaN])("a temperature of %d is refused", async (temperature) => {
  await expect(collect({ temperature })).rejects.toThrow(`sample: the temperature must be >= 0, got ${temperature}`);
});

test.each([{ maxNewTokens: 0 }, { maxNewTokens: 2.5 }, { batchSize: 0 }, { batchSize: Number.NaN }])("%o is refused", async (options) => {
  const [[name, value]] = Object.entries(options) as [[string, number]];
  await expect(collect(options)).rejects.toThrow(`sample: ${name} must be a whole number >= 1, got ${value}`);
});

test("top-k and top-p leave out what they should", () => {
  // probabilities 0.5, 0.25, 0.15, 0.1
  const logits = Float32Array.from([0.5, 0.25, 0.15, 0.1], Math.log);
  const seen = (choice: { topK?: number; topP?: number }) => {
    const rng = createRng(3);
    return new Set(Array.from({ length: 300 }, () => chooseToken(logits, { temperature: 1, ...choice }, rng)));
  };
  expect(seen({ topK: 2 })).toEqual(new Set([0, 1]));
  expect(seen({ topP: 0.5 })).toEqual(new Set([0]));
  expect(seen({ topP: 0.76 })).toEqual(new Set([0, 1, 2])); // 0.5 + 0.25 < 0.76 <= 0.9
  expect(seen({})).toEqual(new Set([0, 1, 2, 3]));
  expect(() => seen({ topK: 0 })).toThrow("top-k must be >= 1, got 0");
  for (const topP of [0, 1.5, Number.NaN]) expect(() => seen({ topP })).toThrow(`top-p must be in (0, 1], got ${topP}`);
  expect(() => chooseToken(logits, { temperature: 0 }, createRng(3))).toThrow("temperature must be > 0 to draw, got 0");
});

test("where rounding leaves a rest, the last token that may be drawn is", () => {
  const logits = Float32Array.of(0, 0, Number.NEGATIVE_INFINITY);
  expect(chooseToken(logits, { temperature: 1 }, { ...createRng(3), uniform: () => 1 })).toBe(1);
});

test("draws follow the softmax", () => {
  fc.assert(
    fc.property(fc.array(fc.float({ min: -2, max: 2, noNaN: true }), { minLength: 2, maxLength: 4 }), fc.integer(), (values, seed) => {
      const logits = Float32Array.from(values);
      const rng = createRng(seed);
      const n = 4000;
      const counts = new Array(values.length).fill(0);
      for (let i = 0; i < n; i++) counts[chooseToken(logits, { temperature: 1 }, rng)]++;
      const total = values.reduce((s, v) => s + Math.exp(v), 0);
      for (const [i, v] of values.entries()) expect(Math.abs(counts[i] / n - Math.exp(v) / total)).toBeLessThan(0.05); // > 6 standard errors
    }),
    { numRuns: 20 },
  );
});
