import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Answer, failed, printed, result, useKernel } from "./client.js";

/** TensorFlow.js's models whose training was stopped: they can be trained again, and the training of others goes on. */

const kernel = useKernel(`
import * as tf from '@tensorflow/tfjs';
const x = tf.zeros([64, 4]), y = tf.zeros([64, 1]);
const rows = tf.data.array([1, 2, 3]).map((n) => ({ xs: tf.fill([1, 4], n), ys: tf.ones([1, 1]) }));
function tiny() {
  const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [4] })] });
  model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
  return model;
}
`);
const { run } = kernel;

/** Stops a cell 300 ms after it has begun to train. */
async function stop(code: string): Promise<Answer> {
  const answer = await kernel.runAndInterrupt(code, 300);
  expect(failed(answer).ename).toBe("KeyboardInterrupt");
  return answer;
}

const epochs = async (model: string) => result(await run(`(await ${model}.fit(x, y, { epochs: 2, verbose: 0 })).epoch.length`));

test("after a batch that takes longer than a stop waits", { timeout: 120_000 }, async () => {
  await run(`
const wide = tf.sequential({ layers: [tf.layers.dense({ units: 3000, inputShape: [3000] }), tf.layers.dense({ units: 3000 })] });
wide.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
const many = tf.ones([1500, 3000]);`);
  await stop("await wide.fit(many, many, { epochs: 1000, batchSize: 1500, verbose: 0 })");
  const again = await run("(await wide.fit(many, many, { epochs: 1, batchSize: 1500, verbose: 0 })).epoch.length");
  expect(failed(again).evalue).toBeUndefined();
  expect(result(again)).toBe("1");
});

test.each([
  ["that never yields", "model.fit(x, y, { epochs: 1e9, verbose: 0, yieldEvery: 'never' })"],
  ["on a dataset that never yields", "model.fitDataset(rows, { epochs: 1e9, verbose: 0, yieldEvery: 'never' })"],
  ["whose callback loops", "model.fit(x, y, { epochs: 1e9, verbose: 0, callbacks: { onBatchEnd: async () => { for (;;) await null; } } })"],
  ["whose callback never returns", "model.fit(x, y, { epochs: 1e9, verbose: 0, callbacks: { onEpochEnd: () => { while (true); } } })"],
])("after a training %s", async (_, training) => {
  await run("var model = tiny();");
  await stop(`await ${training}`);
  expect(await epochs("model")).toBe("2");
});

test.each(["auto", "never"])(
  "a cell that catches everything and trains again is stopped without a word; it yields: %s",
  async (yieldEvery) => {
    await run("var model = tiny();");
    const { reply } = await stop(
      `while (true) { try { await model.fit(x, y, { epochs: 1e9, verbose: 0, yieldEvery: '${yieldEvery}' }); } catch {} }`,
    );
    expect(await epochs("model")).toBe("2");
    const outputs = kernel.iopub.filter((m) => m.parentHeader.msg_id === reply.parentHeader.msg_id); // what came late, too
    expect(printed({ reply, outputs }, "stderr")).toBe("");
  },
);

test("a loop of a local file that catches everything and trains again ends, too", async () => {
  writeFileSync(
    join(kernel.folder, "trainer.mjs"),
    "export async function trainer(fit, seen) { for (;;) { try { seen.n++; await fit(); } catch { seen.caught++; } } }",
  );
  await run("import { trainer } from './trainer.mjs'; var model = tiny(); const seen = { n: 0, caught: 0 };");
  await stop("await trainer(() => model.fit(x, y, { epochs: 2, verbose: 0 }), seen)");
  expect(await epochs("model")).toBe("2");
  await run("const turns = seen.n;");
  await run("await new Promise((r) => setTimeout(r, 200));");
  expect(result(await run("seen.n - turns"))).toBe("0");
});

test("another cell's training goes on, and its model can still be trained only once at a time", async () => {
  await run(
    "const other = tiny(); let done = 0; void other.fit(x, y, { epochs: 1e9, verbose: 0, callbacks: { onEpochEnd: () => { done++; } } });",
  );
  await run("var model = tiny();");
  await stop("void other.fit(x, y, {}).catch(() => {}); await model.fit(x, y, { epochs: 1e9, verbose: 0 })");
  await run("const then = done; await new Promise((r) => setTimeout(r, 300));");
  expect(result(await run("done > then"))).toBe("true");
  expect(failed(await run("await other.fit(x, y, { epochs: 1 })")).evalue).toMatch(/another fit\(\) call is ongoing/);
  await run("other.stopTraining = true;");
});
