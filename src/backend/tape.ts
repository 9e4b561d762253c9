import * as tf from "@tensorflow/tfjs";

/** The part of TensorFlow.js's state that holds what a gradient under way has kept of its forward pass. */
interface Recording {
  activeTape: { saved: tf.Tensor[] }[] | null;
  gradientDepth: number;
}

/** Gives back what a gradient that has failed on its way still keeps: TensorFlow.js does so at a gradient's end only. */
export function releaseTape(): void {
  const { state } = tf.engine() as unknown as { state: Recording };
  if (state.gradientDepth > 0) return; // another one is under way
  for (const { saved } of state.activeTape ?? []) tf.dispose(saved);
  state.activeTape = null;
}
