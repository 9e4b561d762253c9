import * as tf from "@tensorflow/tfjs";
import { expect, test, vi } from "vitest";
import { markTensorScope } from "../../kernel/session/tensor-scope.js";

const counts = () => {
  const { numTensors, numBytes, numDataBuffers } = tf.memory();
  return { numTensors, numBytes, numDataBuffers };
};

/** A method of TensorFlow.js in which a cell is terminated: nothing behind it is run, as if it threw. */
const cut = (object: object, method: string, before: () => void = () => {}) =>
  vi.spyOn(object as Record<string, () => void>, method).mockImplementationOnce(() => {
    before();
    throw new Error("terminated");
  });

test.each(["before its data are freed", "when its data are no longer known"])(
  "a tensor whose disposal is cut off %s is taken off once",
  (moment) => {
    tf.scalar(0).dispose(); // the backend is there
    const before = counts();
    const engine = tf.engine() as unknown as { backend: object; state: { tensorInfo: WeakMap<object, unknown> } };
    const rewind = markTensorScope();
    tf.engine().startScope();
    tf.scalar(2);
    const tensor = tf.scalar(1);
    const cutOff =
      moment === "before its data are freed"
        ? cut(engine.backend, "disposeData")
        : cut(engine, "removeDataId", () => engine.state.tensorInfo.delete(tensor.dataId));
    expect(() => tensor.dispose()).toThrow("terminated");
    cutOff.mockRestore();
    rewind();
    expect(counts()).toEqual(before);
    expect(tensor.isDisposed).toBe(true);
  },
);
