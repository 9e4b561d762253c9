// Processor time of one update of SCPO's networks (three per seed, 64 + 64 tanh units), by hand: ERPO_BACKEND=tensorflow|wasm|cpu node test/bench/acting.mjs [arrays]
// Compiled sources in dist/. Processor time, since it is the same beside other work; with "arrays" also of the same products written out in typed arrays.
import * as tf from "@tensorflow/tfjs";
import { openDevice } from "../../dist/src/backend/device.js";
import { createRng } from "../../dist/src/backend/random.js";
import { scpo } from "../../dist/src/methods/scpo/algorithms.js";
import { initialNetworks, outputs } from "../../dist/src/methods/scpo/networks.js";
import { ppoLoss } from "../../dist/src/methods/scpo/ppo.js";
import { AdamW } from "../../dist/src/training/optimizer.js";

const [D, H, A] = [6, 64, 2];
const algorithm = scpo({ power: 5, penalty: 3, bias: 0 });
const { kind } = await openDevice();

function milliseconds(step, times) {
  for (let i = 0; i < times / 3; i++) step();
  const before = process.cpuUsage();
  for (let i = 0; i < times; i++) step();
  const { user, system } = process.cpuUsage(before);
  return ((user + system) / 1000 / times).toFixed(1);
}

for (const S of [1, 2, 5]) {
  for (const B of [64, 512]) {
    const rngs = Array.from({ length: S }, (_, s) => createRng(s));
    const form = { observed: D, hidden: H, actions: A };
    const theta = tf.variable(initialNetworks(form, rngs, 1));
    const optimizer = new AdamW([theta]);
    const [x, flat] = [tf.randomNormal([S, B, D]), tf.fill([S, B], 0.5)];
    const chosen = tf.tile(tf.tensor3d([1, 0], [1, 1, A]), [S, B, 1]);
    const batch = { x, chosen, logps: tf.neg(flat), advantages: flat, returns: flat, critic: flat };
    const step = () =>
      tf.tidy(() => {
        const { grads } = tf.variableGrads(() => ppoLoss(outputs(theta, x, form), batch, algorithm), [theta]);
        optimizer.update(tf.reshape(grads[theta.name], [-1]), 1e-4);
      });
    console.log(`${kind}: ${S} seeds, ${B} steps each: ${milliseconds(step, 60)} ms`);
  }
}

/** Y = X W + b, and of dY the gradients of W, b and, where it is asked for, X. */
function forward(X, W, b, Y, rows, I, O) {
  for (let r = 0; r < rows; r++) {
    const y = Y.subarray(r * O, (r + 1) * O);
    y.set(b);
    for (let i = 0; i < I; i++) for (let o = 0, x = X[r * I + i]; o < O; o++) y[o] += x * W[i * O + o];
  }
}
function backward(X, W, dY, dX, dW, db, rows, I, O) {
  for (let r = 0; r < rows; r++) {
    for (let o = 0; o < O; o++) db[o] += dY[r * O + o];
    for (let i = 0; i < I; i++) {
      let sum = 0;
      for (let o = 0, x = X[r * I + i]; o < O; o++) {
        dW[i * O + o] += x * dY[r * O + o];
        sum += dY[r * O + o] * W[i * O + o];
      }
      if (dX) dX[r * I + i] = sum;
    }
  }
}

if (process.argv.includes("arrays")) {
  for (const B of [64, 512]) {
    const some = (n) => Float32Array.from({ length: n }, () => Math.random() - 0.5);
    const [X, W1, b1, W2, b2, W3, b3] = [B * D, D * H, H, H * H, H, H * A, A].map(some);
    const [h1, h2, y, dy, d2, d1] = [B * H, B * H, B * A, B * A, B * H, B * H].map(some);
    const gradients = [D * H, H, H * H, H, H * A, A].map(some);
    const P = gradients.reduce((sum, { length }) => sum + length, 0);
    const [w, g, m, v] = [some(P), some(P), some(P), some(P).map(Math.abs)];
    const network = () => {
      forward(X, W1, b1, h1, B, D, H);
      for (let i = 0; i < B * H; i++) h1[i] = Math.tanh(h1[i]);
      forward(h1, W2, b2, h2, B, H, H);
      for (let i = 0; i < B * H; i++) h2[i] = Math.tanh(h2[i]);
      forward(h2, W3, b3, y, B, H, A);
      for (const gradient of gradients) gradient.fill(0);
      backward(h2, W3, dy, d2, gradients[4], gradients[5], B, H, A);
      for (let i = 0; i < B * H; i++) d2[i] *= 1 - h2[i] ** 2;
      backward(h1, W2, d2, d1, gradients[2], gradients[3], B, H, H);
      for (let i = 0; i < B * H; i++) d1[i] *= 1 - h1[i] ** 2;
      backward(X, W1, d1, null, gradients[0], gradients[1], B, D, H);
      for (let i = 0; i < P; i++) {
        m[i] += 0.1 * (g[i] - m[i]);
        v[i] = 0.999 * v[i] + 0.001 * g[i] ** 2;
        w[i] -= (1e-4 * m[i]) / (Math.sqrt(v[i]) + 1e-8);
      }
    };
    const three = () => [0, 1, 2].forEach(network);
    console.log(`typed arrays: 1 seed, ${B} steps: ${milliseconds(three, 60)} ms`);
  }
}
