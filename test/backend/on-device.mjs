// What the device that ERPO_BACKEND names makes of the tiny models, as JSON on stdout: node on-device.mjs SCRATCH, compiled sources in dist/.
import { cpSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { openDevice } from "../../dist/src/backend/device.js";
import { createRng } from "../../dist/src/backend/random.js";
import { readLast } from "../../dist/src/backend/read.js";
import { plain } from "../../dist/src/generation/decoding.js";
import { policy } from "../../dist/src/generation/policy.js";
import { sample } from "../../dist/src/generation/sample.js";
import { loadAdapter, saveAdapter } from "../../dist/src/model/adapter-io.js";
import { saveGguf } from "../../dist/src/model/gguf-write.js";
import { loadModel } from "../../dist/src/model/load.js";
import { dpo } from "../../dist/src/objectives/dpo.js";
import { referenceLogps, trainPreference } from "../../dist/src/training/preference.js";
import { constant } from "../../dist/src/training/schedule.js";
import { trainSft } from "../../dist/src/training/sft.js";

const scratch = process.argv[2];
const fixtures = join(import.meta.dirname, "../fixtures");
const read = (name) => JSON.parse(readFileSync(join(fixtures, name), "utf8"));
const numbers = async (tensor) => [...(await readLast(tensor))];
const device = await openDevice();

/** The fixture's loss: rows of different lengths behind a shared prefix. */
function loss({ decoder }, { rows, lengths, weights }, lora, split = 3) {
  const own = rows.map((row) => row.slice(split));
  const [B, T] = [own.length, own[0].length];
  const options = { lora, prefix: rows[0].slice(0, split), lengths: lengths.map((n) => n - split) };
  const states = decoder.hidden(tf.tensor2d(own, [B, T], "int32"), options).slice([0, 0, 0], [B, T - 1, -1]);
  const targets = tf.tensor1d(
    own.flatMap((row) => row.slice(1)),
    "int32",
  );
  const weighted = tf.mul(decoder.tokenLogps(states.reshape([B * (T - 1), -1]), targets), tf.tensor1d(weights.flatMap((w) => w.slice(split))));
  return tf.neg(tf.div(tf.sum(weighted), tf.sum(tf.tensor1d(weights.flat()))));
}

/** Logits after the first row, loss and gradients, as the fixtures have them. */
async function asFixture(folder, adapterFolder, expected) {
  const model = await loadModel(folder);
  const adapter = await loadAdapter(adapterFolder, model.config);
  const last = tf.tidy(() => {
    const states = model.decoder.hidden(tf.tensor2d([expected.rows[0]], [1, 12], "int32"));
    return model.decoder.logits(states.slice([0, 11, 0], [1, 1, -1]).reshape([1, -1]));
  });
  const { value, grads } = tf.variableGrads(() => loss(model, expected, adapter), adapter.variables());
  const gradients = {};
  for (const [i, name] of adapter.names().entries()) gradients[name] = await numbers(grads[adapter.variables()[i].name]);
  const result = {
    logits: await numbers(last),
    loss: await numbers(value),
    gradients,
  };
  return { model, adapter, result };
}

async function completions(model, lora, prompts, { temperature = 0, ...options } = {}) {
  const rows = [];
  const all = { maxNewTokens: 2, batchSize: 2, rng: createRng(3), ...options };
  for await (const { index, ids } of sample(policy({ model, adapter: lora, decoding: plain({ temperature }) }), prompts, all)) rows[index] = ids;
  return rows;
}

async function qwen3() {
  const folder = join(scratch, "qwen3");
  for (const from of ["llama-tiny", "families/qwen3"]) cpSync(join(fixtures, from), folder, { recursive: true }); // any tokenizer
  const { model, adapter, result } = await asFixture(folder, join(fixtures, "families/qwen3-adapter"), read("families/qwen3.json"));
  adapter.dispose();
  model.dispose();
  return result;
}

const expected = read("llama-tiny.json");
const { model, adapter, result: llama } = await asFixture(join(fixtures, "llama-tiny"), join(fixtures, "llama-tiny-adapter"), expected);
const sequences = expected.rows.map((row, b) => row.slice(0, expected.lengths[b]));
const prompts = sequences.map((row, i) => row.slice(0, 2 + 2 * i));

const data = sequences.map((row) => ({ prompt: row.slice(0, 5), completion: row.slice(5) }));
const pairs = sequences.map((row) => ({ prompt: row.slice(0, 4), chosen: row.slice(4), rejected: row.slice(3, 6) }));
const options = {
  lora: adapter.clone(),
  batches: [[0, 1], [1, 2, 0]],
  microBatch: 2,
  learningRate: 1e-2,
  schedule: constant(),
  maxGradNorm: 1,
  weightDecay: 0.01,
  checkpoint: { dir: join(scratch, "sft"), everySteps: 1 },
};
const steps = async (rows) => {
  const metrics = [];
  for await (const { step_seconds, tokens_per_second, peak_rss_bytes, ...row } of rows) metrics.push(row);
  return metrics;
};
const before = tf.memory().numTensors;
const sft = await steps(trainSft(model, data, options));
const trained = await Promise.all(options.lora.variables().map(async (variable) => [...(await variable.data())]));
rmSync(join(scratch, "sft/checkpoint-2"), { recursive: true });
const resumed = await steps(trainSft(model, data, options));
const referenced = await referenceLogps(model, pairs, adapter);
const preference = await steps(trainPreference(model, referenced, (p, r) => dpo(p, r, 0.1), { ...options, batches: [[0, 1]], gradientCheckpointing: true, checkpoint: undefined }));
const leaked = tf.memory().numTensors - before;

await saveAdapter(join(scratch, "adapter"), adapter, "tiny");
await saveGguf(join(scratch, "model.gguf"), model, null, "f32");
const result = {
  device,
  llama,
  qwen3: await qwen3(),
  greedy: (await completions(model, null, [expected.greedy.slice(0, 6)], { maxNewTokens: 6 }))[0],
  batch: await completions(model, adapter, prompts),
  drawn: await completions(model, adapter, prompts, { temperature: 1 }),
  sft,
  trained: trained.flat(),
  resumed,
  reference: referenced.map(({ reference }) => reference),
  preference,
  leaked,
};
process.stdout.write(JSON.stringify(result));
