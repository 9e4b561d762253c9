/**
 * Tokens a second of training and decoding with SmolLM2-135M, run by hand:
 *
 *     npx tsc test/bench/decoder.ts --outDir dist --rootDir . --module nodenext --target es2022 --skipLibCheck && node dist/test/bench/decoder.js [model]
 *
 * Training: LoRA r = 16 on all linear layers of layers 10-29, 8 rows behind a shared prefix of 22 tokens, loss on 30 tokens a row; prompt and
 * completion tokens count, the prefix once a row. Decoding: greedy, prompts of 50 tokens that share 22.
 */
import * as tf from "@tensorflow/tfjs";
import { createRng } from "../../src/backend/random.js";
import { loadModel } from "../../src/model/load.js";
import { createLora, LINEAR_NAMES } from "../../src/model/lora.js";

const model = await loadModel(process.argv[2] ?? "smollm2-135m-instruct", { log: console.error });
const { decoder, config } = model;
const rng = createRng(1);
const tokens = (n: number): number[] => Array.from({ length: n }, () => rng.integer(20, config.vocabSize - 1));
const seconds = (since: bigint): number => Number(process.hrtime.bigint() - since) / 1e9;
const median = (xs: number[]): number => xs.sort((a, b) => a - b)[xs.length >> 1]!;
const gigabytes = (): string => `${(process.resourceUsage().maxRSS / 1e6).toFixed(1)} GB peak`;

const layers = Array.from({ length: config.numLayers }, (_, l) => l).filter((l) => l >= config.numLayers / 3);
const lora = createLora(config, { r: 16, alpha: 32, targetModules: LINEAR_NAMES, layers }, rng);
const prefix = tokens(22);
for (const { name, lengths } of [
  { name: "even rows of 22 + 40", lengths: Array.from({ length: 8 }, () => 40) },
  { name: "rows of 22 + 31..59, packed", lengths: Array.from({ length: 8 }, (_, b) => 31 + 4 * b) },
]) {
  const [B, T, loss] = [lengths.length, Math.max(...lengths), 30];
  const ids = tf.tensor2d(tokens(B * T), [B, T], "int32");
  const at = tf.tensor1d(
    lengths.flatMap((n, b) => Array.from({ length: loss }, (_, i) => b * T + n - loss - 1 + i)),
    "int32",
  );
  const targets = tf.tensor1d(tokens(B * loss), "int32");
  const step = () =>
    tf.variableGrads(() => {
      const states = decoder.hidden(ids, { lora, prefix, lengths }).reshape([B * T, -1]); // [B T, C]
      return tf.neg(tf.mean(decoder.tokenLogps(tf.gather(states, at) as tf.Tensor2D, targets))) as tf.Scalar;
    }, lora.variables());
  const times: number[] = [];
  for (let k = 0; k < 8; k++) {
    const start = process.hrtime.bigint();
    const { value, grads } = step();
    for (const g of [value, ...Object.values(grads)]) g.dataSync();
    times.push(seconds(start));
    tf.dispose([value, grads]);
  }
  const counted = lengths.reduce((a, n) => a + n + prefix.length, 0);
  console.log(
    `training, ${name}: ${(counted / median(times.slice(1))).toFixed(0)} tokens/s, first step ${times[0]!.toFixed(1)} s, ${gigabytes()}`,
  );
  tf.dispose([ids, at, targets]);
}

const weights = decoder.merged(lora);
for (const B of [1, 16, 64, 128]) {
  const rows = Array.from({ length: B }, () => [...prefix, ...tokens(28)]);
  const start = process.hrtime.bigint();
  let { cache, logits } = decoder.prefill(weights, rows);
  logits.dataSync();
  const filled = seconds(start);
  const N = 60;
  for (let s = 0; s < N; s++) {
    const best = tf.argMax(logits, 1);
    const ids = best.dataSync();
    tf.dispose([best, logits]);
    logits = decoder.step(weights, cache, ids);
  }
  logits.dataSync();
  const total = seconds(start);
  tf.dispose(logits);
  cache.dispose();
  console.log(
    `decoding, batch ${B}: ${((B * N) / (total - filled)).toFixed(0)} tokens/s, ${((B * N) / total).toFixed(0)} with prefill (${filled.toFixed(2)} s), ${gigabytes()}`,
  );
}
