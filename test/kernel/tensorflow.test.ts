import { expect, test } from "vitest";
import { multipliesBf16 } from "../../src/backend/devices/cpu.js";
import { failed, KernelClient, printed, result, useKernel } from "./client.js";

const kernel = useKernel();
const { run } = kernel;

test("TensorFlow.js is native from its import on, whichever package is named, and a run may still ask for BF16", {
  timeout: 60_000,
}, async () => {
  expect(printed(await run("import * as tf from '@tensorflow/tfjs'; console.log(tf.getBackend());"))).toBe("tensorflow\n");
  const product = "const a = tf.ones([512, 512]); const began = performance.now(); tf.matMul(a, a).dataSync(); performance.now() - began";
  expect(Number(result(await run(product)))).toBeLessThan(100); // plain JavaScript takes 700 ms
  expect(result(await run("import * as gpu from '@tensorflow/tfjs-node-gpu'; [gpu.getBackend(), gpu.tensor([1]).dtype]"))).toBe(
    "[ 'tensorflow', 'float32' ]",
  );
  expect(result(await run("import * as node from '@tensorflow/tfjs-node'; node.getBackend()"))).toBe("'tensorflow'");
  const tenth = "tf.tidy(() => tf.matMul(tf.fill([512, 512], 1.001), tf.fill([512, 512], 1.001)).dataSync()[0])";
  expect(Number(result(await run(tenth)))).toBeCloseTo(513.0245, 2); // in float32
  await run("import { openDevice } from 'erpo';");
  expect(result(await run("const open = await openDevice({ precision: 'bf16' }); (await openDevice()) === open"))).toBe("true");
  const float32 = await run("(await openDevice({ precision: 'f32' })) === open");
  if (multipliesBf16()) expect(failed(float32).evalue).toMatch(/is open with precision bf16/);
  else expect(result(float32)).toBe("true"); // it was open in float32 all along
});

test("a backend that is forced stays", { timeout: 60_000 }, async () => {
  const plain = await KernelClient.start({ env: { ERPO_BACKEND: "cpu" } });
  expect(result(await plain.run("import * as tf from '@tensorflow/tfjs'; tf.ones([1]).dataSync(); tf.getBackend()"))).toBe("'cpu'");
  await plain.stop();
});
