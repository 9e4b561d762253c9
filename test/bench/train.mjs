/** Steps of training in a process of its own: `node train.mjs METHOD PRECISION ROWS PROMPT COMPLETION [checkpointed]`. Prints JSON. Runs on the compiled library. */
import { constant, createLora, createRng, dpo, LINEAR_NAMES, loadModel, openDevice, referenceLogps, trainPreference, trainSft } from "../../dist/src/index.js";

const STEPS = 5;
const [method, precision, ...sizes] = process.argv.slice(2);
const [rows, prompt, completion] = sizes.slice(0, 3).map(Number);
const gradientCheckpointing = sizes[3] === "checkpointed";
await openDevice({ precision });
const model = await loadModel("smollm2-135m-instruct");
const rng = createRng(1);
const ids = (n) => Array.from({ length: n }, () => rng.integer(20, 40_000));
const layers = Array.from({ length: model.config.numLayers }, (_, i) => i);
const lora = createLora(model.config, { r: 16, alpha: 32, targetModules: LINEAR_NAMES, layers }, rng);
const batches = Array.from({ length: STEPS }, (_, s) => Array.from({ length: rows }, (_, i) => s * rows + i));
const options = { lora, batches, learningRate: 1e-4, schedule: constant(), maxGradNorm: 1, weightDecay: 0, gradientCheckpointing };

async function* steps() {
  if (method === "sft") {
    const data = batches.flat().map(() => ({ prompt: ids(prompt), completion: ids(completion) }));
    yield* trainSft(model, data, options);
  } else {
    const data = batches.flat().map(() => ({ prompt: ids(prompt), chosen: ids(completion), rejected: ids(completion) }));
    yield* trainPreference(model, await referenceLogps(model, data, lora), (policy, reference) => dpo(policy, reference, 0.1), options);
  }
}

const seconds = [];
for await (const step of steps()) seconds.push(step.step_seconds);
console.log(JSON.stringify({ seconds: seconds.slice(1), gigabytes: process.resourceUsage().maxRSS / 1024 ** 2 }));
