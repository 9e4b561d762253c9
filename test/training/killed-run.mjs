// A training run that may kill itself with SIGKILL: node killed-run.mjs DIR STEPS KILL_AFTER, or at any of moments.mjs's moments; compiled sources in dist/.
import "./moments.mjs";
import { readFileSync } from "node:fs";
import { createRng } from "../../dist/src/backend/random.js";
import { loadModel } from "../../dist/src/model/load.js";
import { createLora } from "../../dist/src/model/lora.js";
import { lengthMargin } from "../../dist/src/objectives/length-margin.js";
import { shuffled } from "../../dist/src/training/batches.js";
import { referenceLogps, trainPreference } from "../../dist/src/training/preference.js";
import { cosine } from "../../dist/src/training/schedule.js";

const [dir, steps, killAfter] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const fixtures = new URL("../fixtures/", import.meta.url).pathname;
const model = await loadModel(`${fixtures}llama-tiny`);
const { runs } = JSON.parse(readFileSync(`${fixtures}trl-run.json`, "utf8"));
const lora = createLora(model.config, { r: 4, alpha: 8, targetModules: ["q_proj", "v_proj", "down_proj"], layers: [0, 1] }, createRng(1));
const pairs = await referenceLogps(model, runs[2].tokens, lora);
const objective = (p, r, n) => lengthMargin(p, r, n, { beta: 0.1, alpha: 0.02 });
const options = {
  lora,
  batches: shuffled(pairs.length, 2, steps, createRng(2)),
  microBatch: 1,
  learningRate: 0.02,
  schedule: cosine({ warmup: 0.1, floor: 0.05 }),
  maxGradNorm: 1,
  weightDecay: 0.01,
  dropout: { p: 0.1, rng: createRng(3) },
  checkpoint: { dir, everySteps: 2, log: (line) => process.stderr.write(`${line}\n`) },
};
for await (const step of trainPreference(model, pairs, objective, options)) {
  if (step.step === killAfter) process.kill(process.pid, "SIGKILL");
}
