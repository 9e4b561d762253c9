/** Sampling in a process of its own: `node generate.mjs PRECISION BATCH PROMPT NEW`. Prints JSON. Runs on the compiled library. */
import { createRng, loadModel, openDevice, plain, policy, sample } from "../../dist/src/index.js";

const [precision, ...sizes] = process.argv.slice(2);
const [batchSize, prompt, maxNewTokens] = sizes.map(Number);
await openDevice({ precision });
const model = await loadModel("smollm2-135m-instruct");
const rng = createRng(1);
const prompts = Array.from({ length: batchSize }, () => Array.from({ length: prompt }, () => rng.integer(20, 40_000)));
const speeds = [];
for (let round = 0; round < 3; round++) {
  const began = performance.now();
  let tokens = 0;
  for await (const { ids } of sample(policy({ model, decoding: plain({ temperature: 1 }) }), prompts, { maxNewTokens, batchSize, rng: rng.fork(String(round)) })) tokens += ids.length;
  speeds.push((1000 * tokens) / (performance.now() - began));
}
console.log(JSON.stringify({ speeds: speeds.slice(1), gigabytes: process.resourceUsage().maxRSS / 1024 ** 2 }));
