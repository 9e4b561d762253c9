/** One measurement of the engine in a process of its own: `node engine.mjs PRECISION`. Prints JSON. Runs on the compiled library. */
import { createRng, loadModel, openDevice, plain, policy, sample } from "../../dist/src/index.js";
import { createLora } from "../../dist/src/model/lora.js";
import { constant } from "../../dist/src/training/schedule.js";
import { trainSft } from "../../dist/src/training/sft.js";

const device = await openDevice({ precision: process.argv[2] });
const model = await loadModel("smollm2-135m-instruct");
const rng = createRng(1);
const ids = (n) => Array.from({ length: n }, () => rng.integer(0, 40_000));
const rows = Array.from({ length: 48 }, () => ({ prompt: ids(rng.integer(30, 50)), completion: ids(rng.integer(40, 60)) }));
const lora = createLora(model.config, { r: 16, alpha: 32, targetModules: ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"], layers: [...Array(30).keys()] }, rng);

const speeds = [];
const batches = [0, 12, 24, 36].map((from) => Array.from({ length: 12 }, (_, i) => from + i));
const options = { lora, batches, learningRate: 1e-4, schedule: constant(), maxGradNorm: 1, weightDecay: 0 };
for await (const step of trainSft(model, rows, options)) speeds.push(step.tokens_per_second);

const prompts = Array.from({ length: 64 }, () => ids(40));
const began = performance.now();
let tokens = 0;
for await (const { ids } of sample(policy({ model, adapter: lora, decoding: plain({ temperature: 1 }) }), prompts, { maxNewTokens: 24, batchSize: 64, rng })) tokens += ids.length;
const seconds = (performance.now() - began) / 1000;
console.log(
  JSON.stringify({
    precision: device.precision,
    training: speeds.sort((a, b) => a - b)[speeds.length >> 1],
    sampling: tokens / seconds,
    rssMB: process.resourceUsage().maxRSS / 1024,
  }),
);
