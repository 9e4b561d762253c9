import * as tf from "@tensorflow/tfjs";
import { nextWord, type Rng } from "../random.js";

/** Draws which inputs of a layer are dropped for these many tokens, [N, in]: 0 where one is, 1 / (1 - p) elsewhere. The same at every call. */
export type InputMask = (tokens: number) => tf.Tensor2D;

/**
 * Dropout of a layer's inputs (Srivastava et al. 2014). The mask is drawn again where the backward pass needs it, and so it is never kept.
 * @param p share of inputs that are dropped, in [0, 1), on a grid of 2^-16
 * @param rng a stream of the layer's own; it is not moved on
 */
export function inputMask(p: number, width: number, rng: Rng): InputMask {
  const dropped = Math.round(p * 2 ** 16);
  const kept = 1 / (1 - p);
  return (tokens) => {
    const state = rng.state() as Parameters<typeof nextWord>[0];
    const mask = new Float32Array(tokens * width);
    for (let i = 0; i < mask.length; i += 2) {
      const word = nextWord(state); // 16 bits for each of two inputs
      mask[i] = word >>> 16 < dropped ? 0 : kept;
      mask[i + 1] = (word & 0xffff) < dropped ? 0 : kept; // a write behind the end of an odd number is none
    }
    return tf.tensor2d(mask, [tokens, width]);
  };
}
