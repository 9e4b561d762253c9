import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, test } from "vitest";
import { createRng } from "../../src/backend/random.js";
import { plain } from "../../src/generation/decoding.js";
import { policy } from "../../src/generation/policy.js";
import { sample } from "../../src/generation/sample.js";
import {
  adapterParameters,
  footprint,
  multipliedParameters,
  type PassShape,
  parameters,
  processBytes,
  tensorBytes,
} from "../../src/model/footprint.js";
import { type LanguageModel, loadModel } from "../../src/model/load.js";
import { createLora, LINEAR_NAMES } from "../../src/model/lora.js";
import { completionLogps } from "../../src/training/completion.js";
import { constant } from "../../src/training/schedule.js";
import { trainSft } from "../../src/training/sft.js";

const rank = 16;

/** The largest number of bytes that tensors take at once while a pass of this shape is run, on random tokens. */
async function peak(model: LanguageModel, { kind, rows, prompt, completion }: PassShape, adaptedLayers: number): Promise<number> {
  const { config } = model;
  const rng = createRng(1);
  const ids = (n: number) => Array.from({ length: n }, () => rng.integer(3, config.vocabSize - 1));
  const data = Array.from({ length: rows }, () => ({ prompt: ids(prompt), completion: ids(completion) }));
  const layers = Array.from({ length: adaptedLayers }, (_, i) => config.numLayers - adaptedLayers + i);
  const lora = createLora(config, { r: rank, alpha: 32, targetModules: LINEAR_NAMES, layers }, rng);
  const engine = tf.engine() as unknown as { trackTensor(...args: unknown[]): void; state: { numBytes: number } };
  const { trackTensor } = engine;
  let most = 0;
  engine.trackTensor = (...args) => {
    trackTensor.apply(engine, args);
    most = Math.max(most, engine.state.numBytes);
  };
  try {
    if (kind === "sample") {
      const options = { maxNewTokens: completion, batchSize: rows, rng };
      for await (const _ of sample(
        policy({ model, adapter: lora, decoding: plain({ temperature: 1 }) }),
        data.map((row) => row.prompt),
        options,
      )); // prettier
    } else if (kind === "score") {
      tf.tidy(() => void completionLogps(model.decoder, data, lora));
    } else {
      const batches = [data.map((_, i) => i)];
      const options = { lora, batches, learningRate: 1e-4, schedule: constant(), maxGradNorm: 1, weightDecay: 0 };
      for await (const _ of trainSft(model, data, options));
    }
  } finally {
    engine.trackTensor = trackTensor;
    lora.dispose();
  }
  return most;
}

const passes: PassShape[] = [
  { kind: "sample", rows: 12, prompt: 40, completion: 12 }, // before the others: it turns the output projection, which stays
  { kind: "score", rows: 8, prompt: 30, completion: 50 },
  { kind: "train", rows: 2, prompt: 30, completion: 40 },
  { kind: "train", rows: 8, prompt: 60, completion: 60 },
];
/** Rows that go through the model in two pieces. */
const long: PassShape = { kind: "sample", rows: 64, prompt: 400, completion: 8 };

describe.each([
  ["the tiny model", join(import.meta.dirname, "../fixtures/llama-tiny"), 2, 1.5, [...passes, long]],
  ["SmolLM2-135M", "smollm2-135m-instruct", 20, 1.2, passes],
])("estimates for %s", (_, name, adaptedLayers, factor, shapes) => {
  let model: LanguageModel;
  beforeAll(async () => {
    model = await loadModel(name);
    return () => model.dispose();
  });

  test.each(shapes)("$kind, $rows rows of $prompt + $completion tokens: the measured peak within the factor", async (shape) => {
    const measured = await peak(model, shape, adaptedLayers);
    const estimate = tensorBytes(footprint(model.config, shape, { rank, adaptedLayers, halves: false }));
    expect(estimate / measured).toBeGreaterThan(1 / factor);
    expect(estimate / measured).toBeLessThan(factor);
  });
});

test("SmolLM2's process: the estimate is above the peak of resident memory, by less than half", () => {
  const { config } = smollm2;
  const largest = Math.max(...passes.map((shape) => tensorBytes(footprint(config, shape, { rank, adaptedLayers: 20, halves: false }))));
  const measured = process.resourceUsage().maxRSS * 1024;
  expect(processBytes(largest) / measured).toBeGreaterThan(1);
  expect(processBytes(largest) / measured).toBeLessThan(1.5);
});

/** SmolLM2-135M's shape. */
const smollm2 = {
  config: {
    family: "llama" as const,
    vocabSize: 49_152,
    hiddenSize: 576,
    intermediateSize: 1536,
    numLayers: 30,
    numHeads: 9,
    numKvHeads: 3,
    headDim: 64,
    qkvBias: false,
    qkNorm: false,
    windows: Array<null>(30).fill(null),
    ropeTheta: 1e5,
    ropeScaling: null,
    rmsNormEps: 1e-5,
    tieWordEmbeddings: true,
    maxPositions: 8192,
    bosTokenId: 1,
    eosTokenIds: [2],
  },
};

test("counts by hand", () => {
  const { config } = smollm2;
  // a layer: q and o 576 x 576, k and v 192 x 576, gate, up and down 1536 x 576, two norms
  const matrices = 2 * 576 * 576 + 2 * 192 * 576 + 3 * 1536 * 576;
  expect(multipliedParameters(config)).toBe(30 * matrices + 49_152 * 576);
  expect(parameters(config)).toBe(30 * (matrices + 2 * 576) + 49_152 * 576 + 576);
  // rank 16 on a layer: 16 (in + out) of each
  expect(adapterParameters(config, 16, 20)).toBe(20 * 16 * (2 * 1152 + 2 * 768 + 3 * 2112));
  // 96 rows of 100 tokens and 32 places more, and their prompts once more; keys and values of 30 layers, 3 heads of 64 floats
  const shape = { kind: "sample", rows: 96, prompt: 60, completion: 40 } as const;
  expect(footprint(config, shape, { rank: 16, adaptedLayers: 20, halves: false }).cache).toBe(2 * 30 * 96 * (132 + 60) * 3 * 64 * 4);
});
