import type * as tf from "@tensorflow/tfjs";

/** The values of a tensor that is not needed afterwards: it is disposed of. WebGPU, unlike the other devices, can only be waited for. */
export async function readLast(tensor: tf.Tensor): Promise<Float32Array | Int32Array> {
  try {
    return (await tensor.data()) as Float32Array | Int32Array;
  } finally {
    tensor.dispose();
  }
}
