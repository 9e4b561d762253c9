/**
 * Whether training and sampling leave anything behind: `node --expose-gc leak.mjs MODEL STEPS [ROWS TOKENS LAYERS]`, compiled sources in dist/. Prints, for SFT, for DPO and for
 * sampled batches, the smallest and the largest number of tensors after a step and the median resident memory in bytes: of the tenth of the steps that follows
 * the first tenth, and of the last tenth.
 */
import * as tf from "@tensorflow/tfjs";
import { constant, createLora, createRng, dpo, LINEAR_NAMES, loadModel, openDevice, plain, policy, referenceLogps, sample, trainPreference, trainSft } from "../../dist/src/index.js";

const [name, ...numbers] = process.argv.slice(2);
const [steps, rows = 2, tokens = 6, adapted = 1] = numbers.map(Number);
await openDevice({ precision: "bf16" });
const model = await loadModel(name);
const rng = createRng(1);
const vocabulary = Math.min(model.config.vocabSize, 40_000) - 1;
const ids = () => Array.from({ length: rng.integer(tokens - 2, tokens + 2) }, () => rng.integer(20, vocabulary)); // lengths differ as in real batches
const layers = Array.from({ length: adapted }, (_, i) => model.config.numLayers - adapted + i);
const lora = createLora(model.config, { r: 4, alpha: 8, targetModules: LINEAR_NAMES, layers }, rng);
const batches = Array.from({ length: steps }, (_, s) => Array.from({ length: rows }, (_, i) => (s * rows + i) % 40));
const options = { lora, batches, learningRate: 1e-5, schedule: constant(), maxGradNorm: 1, weightDecay: 0.01 };
const list = (make) => Array.from({ length: 40 }, make);

const pairs = await referenceLogps(model, list(() => ({ prompt: ids(), chosen: ids(), rejected: ids() })), lora);
const rowsOfSft = list(() => ({ prompt: ids(), completion: ids() }));

async function* sampled() {
  for (let i = 0; i < steps; i++) {
    const prompts = Array.from({ length: rows }, ids);
    for await (const _ of sample(policy({ model, adapter: lora, decoding: plain({ temperature: 1 }) }), prompts, { maxNewTokens: 3, batchSize: rows, rng: rng.fork(String(i)) }));
    yield;
  }
}

const median = (xs) => xs.sort((a, b) => a - b)[xs.length >> 1];

async function watch(work) {
  const [counts, memory] = [[], []];
  const tenth = steps / 10;
  for await (const _ of work) {
    counts.push(tf.memory().numTensors);
    if (counts.length % Math.ceil(steps / 100) > 0) continue;
    globalThis.gc();
    memory.push({ step: counts.length, bytes: process.memoryUsage.rss() });
  }
  const within = (from, to) => median(memory.filter(({ step }) => step > from && step <= to).map(({ bytes }) => bytes));
  const warm = counts.slice(tenth);
  return { tensors: [Math.min(...warm), Math.max(...warm)], bytes: [within(tenth, 2 * tenth), within(steps - tenth, steps)] };
}

console.log(
  JSON.stringify({
    SFT: await watch(trainSft(model, rowsOfSft, options)),
    DPO: await watch(trainPreference(model, pairs, (policy, reference) => dpo(policy, reference, 0.1), options)),
    sampling: await watch(sampled()),
  }),
);
