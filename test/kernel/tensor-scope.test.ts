import { runInThisContext } from "node:vm";
import * as tf from "@tensorflow/tfjs";
import { expect, test, vi } from "vitest";
import { markTensorScope } from "../../kernel/session/tensor-scope.js";

interface Engine {
  backend: object;
  state: { kernelDepth: number; tensorInfo: WeakMap<object, unknown> };
}

tf.scalar(0).dispose(); // the backend is there
const engine = tf.engine() as unknown as Engine;

const counts = () => {
  const { numTensors, numBytes, numDataBuffers } = tf.memory();
  return { numTensors, numBytes, numDataBuffers };
};

type Method = (this: unknown, ...args: unknown[]) => unknown;

/** Runs `work`, which is terminated in a method of TensorFlow.js's: as in a cell no `finally` runs. @param before what the method does until then */
function terminate(work: () => void, object: object, method: string, before: (original: Method) => Method): void {
  const original = (object as Record<string, Method>)[method]!;
  const cut = vi.spyOn(object as Record<string, Method>, method).mockImplementationOnce(function (this: unknown, ...args) {
    before(original).apply(this, args);
    for (;;);
  });
  Object.assign(globalThis, { work });
  expect(() => runInThisContext("work()", { timeout: 50 })).toThrow("timed out");
  cut.mockRestore();
}

const nothing = () => () => {};
const all = (original: Method) => original;
const forget = (): Method => (dataId) => engine.state.tensorInfo.delete(dataId as object);

test.each([
  ["before its data are freed", "backend", "disposeData", nothing],
  ["when its data are no longer known", "engine", "removeDataId", forget],
] as const)("a tensor whose disposal is cut off %s is taken off once", (_, where, method, before) => {
  const known = counts();
  const rewind = markTensorScope();
  tf.engine().startScope();
  tf.scalar(2);
  const tensor = tf.scalar(1);
  terminate(() => tensor.dispose(), where === "backend" ? engine.backend : engine, method, before);
  rewind();
  expect(counts()).toEqual(known);
  expect(tensor.isDisposed).toBe(true);
});

test.each([
  ["before the old one is let go", "engine", "disposeTensor", nothing],
  ["before the old one's data are freed", "backend", "disposeData", nothing],
  ["when the old one's data are freed", "backend", "disposeData", all],
  ["when the old one's data are no longer known", "engine", "removeDataId", forget],
  ["when the old one is gone", "engine", "disposeTensor", all],
  ["before the new one is counted", "engine", "trackTensor", nothing],
  ["when the new one is counted", "engine", "trackTensor", all],
  ["when the new one is referred to", "backend", "incRef", all],
] as const)("a variable that is cut off while it gets another value, %s, has the new one", async (_, where, method, before) => {
  for (const shared of method === "removeDataId" ? [false] : [false, true]) {
    const empty = counts();
    const old = tf.tensor1d([1, 2]);
    const variable = tf.variable(old);
    if (!shared) old.dispose();
    const known = counts();
    const rewind = markTensorScope();
    tf.engine().startScope();
    const value = tf.tensor1d([3, 4]);
    terminate(() => variable.assign(value), where === "backend" ? engine.backend : engine, method, before);
    rewind();
    expect(variable.isDisposed).toBe(false);
    expect([...variable.dataSync()]).toEqual([3, 4]);
    expect(counts()).toEqual({ ...known, numDataBuffers: known.numDataBuffers + (shared ? 1 : 0) });
    tf.tidy(() => variable.assign(variable.add(1)));
    expect([...variable.dataSync()]).toEqual([4, 5]);
    if (shared) expect([...old.dataSync()]).toEqual([1, 2]);
    if (shared) old.dispose();
    variable.dispose();
    expect(counts()).toEqual(empty);
  }
});

test("a fault in an assignment leaves the variable as it was, and nothing to end", () => {
  const variable = tf.variable(tf.scalar(1));
  const known = counts();
  const rewind = markTensorScope();
  const wrong = tf.tensor1d([1, 2]);
  expect(() => variable.assign(wrong as unknown as tf.Scalar)).toThrow("must match");
  wrong.dispose();
  rewind();
  expect(variable.dataSync()[0]).toBe(1);
  expect(counts()).toEqual(known);
});

test("an op that is cut off outside of any scope does not keep gradients from being recorded", () => {
  const rewind = markTensorScope();
  const x = tf.scalar(3);
  terminate(() => x.square(), engine, "makeTensorFromTensorInfo", nothing);
  expect(engine.state.kernelDepth).toBe(1);
  rewind();
  expect(
    tf
      .grad((x: tf.Tensor) => x.square())(x)
      .dataSync()[0],
  ).toBe(6);
});
