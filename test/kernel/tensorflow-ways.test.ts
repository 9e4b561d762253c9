import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { packageRoot } from "../../src/setup/paths.js";
import { type Answer, failed, KernelClient, printed, result } from "./client.js";

/** The ways in which TensorFlow.js comes into a session: it computes natively from its first use on, also where no cell has imported it before. */

const product = "const product = tf.matMul(tf.ones([64, 64]), tf.ones([64, 64])).dataSync()[0];";
const said = (answer: Answer) => printed(answer) + printed(answer, "stderr");

test.each([
  ["require of tfjs", "const tf = require('@tensorflow/tfjs');"],
  ["require of tfjs-node", "const tf = require('@tensorflow/tfjs-node');"],
  ["require of tfjs-node-gpu", "const tf = require('@tensorflow/tfjs-node-gpu');"],
  ["require of tfjs-core", "const tf = require('@tensorflow/tfjs-core');"],
  ["import of tfjs-core", "import * as tf from '@tensorflow/tfjs-core';"],
  ["a local module that imports tfjs", "import { tf } from './local.mjs';"],
  ["a local TypeScript file that imports names of tfjs-core", "import { tf } from './local';"],
  ["a local module that imports tfjs-node-gpu's default", "import { tf } from './node-gpu.mjs';"],
  ["a local CommonJS file that requires tfjs", "const { tf } = require('./local.cjs');"],
  ["a package of the notebook's folder that imports tfjs-node", "import { tf } from 'of-tensors';"],
])("%s", { timeout: 60_000 }, async (_, code) => {
  const files = {
    "local.mjs": "import * as tf from '@tensorflow/tfjs';\nconst first = tf.ones([1]).dataSync();\nexport { tf, first };",
    "local.ts": "import { getBackend, matMul, ones } from '@tensorflow/tfjs-core';\nexport const tf = { ones, matMul, getBackend };",
    "node-gpu.mjs": "import tf from '@tensorflow/tfjs-node-gpu';\nexport { tf };",
    "local.cjs": "exports.tf = require('@tensorflow/tfjs');",
    "node_modules/of-tensors/package.json": '{"type":"module","exports":"./index.js"}',
    "node_modules/of-tensors/index.js": "export * as tf from '@tensorflow/tfjs-node';",
  };
  const kernel = await KernelClient.start({ files });
  symlinkSync(join(packageRoot(), "node_modules", "@tensorflow"), join(kernel.folder, "node_modules", "@tensorflow")); // for local CommonJS files
  await kernel.run("import { typeCheck } from 'erpo'; typeCheck('off')");
  const answer = await kernel.run(`${code}\n${product}\n[tf.getBackend(), product].join()`);
  expect([failed(answer).evalue, said(answer), result(answer)]).toEqual([undefined, "", "'tensorflow,64'"]);
  const opened = "import { openDevice } from 'erpo'; const device = await openDevice(); [device.kind, device.precision].join()";
  expect(result(await kernel.run(opened))).toBe("'tensorflow,f32'");
  await kernel.stop();
});

test("a backend that is forced stays, for these ways too", { timeout: 60_000 }, async () => {
  const files = { "local.mjs": "export * as tf from '@tensorflow/tfjs';" };
  const kernel = await KernelClient.start({ env: { ERPO_BACKEND: "cpu" }, files });
  expect(
    result(await kernel.run("const required = require('@tensorflow/tfjs'); required.ones([1]).dataSync(); required.getBackend()")),
  ).toBe("'cpu'");
  expect(result(await kernel.run("import { tf } from './local.mjs'; tf.getBackend()"))).toBe("'cpu'");
  await kernel.stop();
});
