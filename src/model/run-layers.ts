import * as tf from "@tensorflow/tfjs";
import { layerAdapters, layerForward } from "./layer.js";
import type { Lora } from "./lora.js";
import type { PassContext } from "./pass.js";
import { recordedLayer, unrecorded } from "./recorded-layer.js";
import type { DecoderWeights } from "./weights.js";

/** What is done to states between layers. Layer -1 is the embedding. */
export interface Visits {
  /** Layers after which states are looked at or replaced, ascending. */
  layers: readonly number[];
  /** The lowest layer after which they are replaced, by what may have gradients of its own; Infinity for none. */
  lowestEdit: number;
  /** x [P + N, C] after a layer -> what the next one sees. */
  visit(layer: number, x: tf.Tensor2D): tf.Tensor2D;
}

export const NO_VISITS: Visits = { layers: [], lowestEdit: Number.POSITIVE_INFINITY, visit: (_, x) => x };

/**
 * The residual stream after the last layer, [P + N, C]. Layers below the first adapter and the first edit are not recorded for gradients;
 * the embedding is where the adapter has tokens of its own.
 * @param embed gives the embeddings [P + N, C]
 * @param contexts of each layer
 * @param recompute see `HiddenOptions`
 */
export function runLayers(
  weights: DecoderWeights,
  embed: () => tf.Tensor2D,
  contexts: readonly PassContext[],
  lora: Lora | null,
  recompute: boolean,
  { layers, lowestEdit, visit }: Visits,
): tf.Tensor2D {
  const L = contexts.length;
  const first = Math.min(lora?.firstLayer ?? L, lowestEdit + 1, L); // the first that is recorded, -1 with the embedding
  const visited = new Set(layers);
  const after = (layer: number, x: tf.Tensor2D) => (visited.has(layer) ? visit(layer, x) : x);
  const stops = first < 0 ? [] : [...layers.filter((layer) => layer < first - 1), first - 1]; // where unrecorded stretches end
  let x: tf.Tensor2D | null = first < 0 ? after(-1, embed()) : null;
  stops.forEach((stop, i) => {
    const [before, from] = [x, i === 0 ? 0 : stops[i - 1]! + 1];
    const run = unrecorded(() => {
      let x = before ?? embed();
      for (let l = from; l <= stop; l++) x = tf.tidy(() => layerForward(weights.layers[l]!, x, contexts[l]!, null).value);
      return x;
    });
    x = after(stop, run);
  });
  for (let l = Math.max(first, 0); l < L; l++) {
    const adapters = layerAdapters(contexts[l]!.config, lora, l);
    const wantInput = l > first || lowestEdit === first - 1;
    x = after(l, recordedLayer(weights.layers[l]!, x!, contexts[l]!, { adapters, wantInput, recompute }));
  }
  return x!;
}
