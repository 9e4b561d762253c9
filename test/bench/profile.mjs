/** What TensorFlow's ops take in a step: `node profile.mjs train METHOD ROWS PROMPT COMPLETION` or `node profile.mjs sample ROWS PROMPT NEW`. Prints JSON. */
import * as tf from "@tensorflow/tfjs";
import { constant, createLora, createRng, dpo, LINEAR_NAMES, loadModel, openDevice, plain, policy, sample, trainPreference, trainSft } from "../../dist/src/index.js";

const [what, ...words] = process.argv.slice(2);
await openDevice({ precision: "bf16" });
const model = await loadModel("smollm2-135m-instruct");
const rng = createRng(1);
const ids = (n) => Array.from({ length: n }, () => rng.integer(20, 40_000));

// the binding's functions cannot be replaced, so the backend gets a copy of it
const { binding } = tf.backend();
const copy = Object.fromEntries(Object.getOwnPropertyNames(binding).map((name) => [name, typeof binding[name] === "function" ? binding[name].bind(binding) : binding[name]]));
let ops = new Map();
copy.executeOp = (name, attributes, ...rest) => {
  const began = performance.now();
  const result = binding.executeOp(name, attributes, ...rest);
  const half = name === "MatMul" && attributes.some(({ name, value }) => name === "T" && value === 14);
  const key = half ? "MatMul, BF16" : name;
  const { ms = 0, calls = 0 } = ops.get(key) ?? {};
  ops.set(key, { ms: ms + performance.now() - began, calls: calls + 1 });
  return result;
};
tf.backend().binding = copy;

let [steps, began] = [0, 0];
function begin() {
  [ops, steps, began] = [new Map(), 0, performance.now()];
}
if (what === "train") {
  const [method, ...sizes] = words;
  const [rows, prompt, completion] = sizes.map(Number);
  const layers = Array.from({ length: model.config.numLayers }, (_, i) => i);
  const lora = createLora(model.config, { r: 16, alpha: 32, targetModules: LINEAR_NAMES, layers }, rng);
  const batches = Array.from({ length: 4 }, () => Array.from({ length: rows }, (_, i) => i));
  const options = { lora, batches, learningRate: 1e-4, schedule: constant(), maxGradNorm: 1, weightDecay: 0 };
  const pair = () => ({ prompt: ids(prompt), chosen: ids(completion), rejected: ids(completion), reference: { chosen: -1500, rejected: -1500 } });
  const training =
    method === "sft"
      ? trainSft(model, batches[0].map(() => ({ prompt: ids(prompt), completion: ids(completion) })), options)
      : trainPreference(model, batches[0].map(pair), (policy, reference) => dpo(policy, reference, 0.1), options);
  for await (const { step } of training) {
    if (step === 1) begin();
    else steps++;
  }
} else {
  const [rows, prompt, maxNewTokens] = words.map(Number);
  const prompts = Array.from({ length: rows }, () => ids(prompt));
  const run = async () => {
    for await (const _ of sample(policy({ model, decoding: plain({ temperature: 1 }) }), prompts, { maxNewTokens, batchSize: rows, rng, stop: () => false }));
  };
  await run();
  begin();
  await run();
  steps = maxNewTokens;
}
const ms = (performance.now() - began) / steps;
console.log(JSON.stringify({ ms, ops: [...ops].map(([name, { ms, calls }]) => ({ name, ms: ms / steps, calls: calls / steps })) }));
