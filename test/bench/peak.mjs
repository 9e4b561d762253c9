/** GFLOP/s of a product in BF16 of the size that a layer has: [2048, 576] by [576, 3072]. Prints JSON. Runs on the compiled library. */
import * as tf from "@tensorflow/tfjs";
import { openDevice } from "../../dist/src/index.js";
import { freeze, matMul } from "../../dist/src/backend/ops/mat-mul.js";

await openDevice({ precision: "bf16" });
const [n, k, m] = [2048, 576, 3072];
const a = tf.randomNormal([n, k]);
const b = freeze(tf.randomNormal([k, m]));
const rates = [];
for (let i = 0; i < 30; i++) {
  const began = performance.now();
  matMul(a, b).dispose();
  rates.push((2 * n * k * m) / (performance.now() - began) / 1e6);
}
console.log(JSON.stringify({ peak: rates.sort((x, y) => x - y)[Math.floor(rates.length * 0.9)] }));
