import * as tf from "@tensorflow/tfjs";
import { adapterTensors, type LayerAdapters, layerBackward, layerForward } from "./layer.js";
import type { PassContext } from "./pass.js";
import type { LayerWeights } from "./weights.js";

/** Runs `f` without recording its ops for gradients. */
export function unrecorded(f: () => tf.Tensor2D): tf.Tensor2D {
  return tf.customGrad(() => ({ value: f(), gradFunc: () => tf.scalar(0) }))(tf.scalar(0)) as tf.Tensor2D;
}

/** How a layer is recorded. */
export interface RecordedLayerOptions {
  adapters: LayerAdapters | null;
  /** Whether the layer's input gets a gradient; where false there must be adapters. */
  wantInput: boolean;
  /** Only the input is kept for the backward pass, which computes the rest again. */
  recompute: boolean;
}

/**
 * A decoder layer as one recorded op with its own gradient (`layerForward`, `layerBackward`): what is kept for the backward pass is chosen there, the frozen weights get
 * no gradients, and the kept tensors go as soon as they are used.
 */
export function recordedLayer(
  w: LayerWeights,
  x: tf.Tensor2D,
  context: PassContext,
  { adapters, wantInput, recompute }: RecordedLayerOptions,
): tf.Tensor2D {
  const own = adapters ?? { qkv: null, o: null, gateUp: null, down: null };
  const inputs = [...(wantInput ? [x] : []), ...adapterTensors(own)];
  return tf.customGrad((...args) => {
    const save = args[args.length - 1] as unknown as tf.GradSaveFunc;
    const { value, saved } = layerForward(w, x, context, adapters);
    const { tensors, restore } = flatten({ x, saved: recompute ? null : saved, context }); // the context's tensors would not outlive the forward pass
    save(tensors);
    return {
      value,
      gradFunc: (dz: tf.Tensor2D, kept: tf.Tensor[]) => {
        const { x, saved, context } = restore(kept);
        // a scope, since tfjs has none around a gradient: what this one computes on its way would stay to the end of all
        const gradients = tf.tidy(() => {
          const { dx, dAdapters } = layerBackward(dz, w, saved ?? layerForward(w, x, context, adapters).saved, context, own, wantInput);
          return dx ? [dx, ...dAdapters] : dAdapters;
        });
        tf.dispose(kept);
        return gradients;
      },
    };
  })(...inputs) as tf.Tensor2D;
}

/** The tensors of a nested record, and the way back from a list of the same length. */
function flatten<T extends object>(record: T): { tensors: tf.Tensor[]; restore(list: tf.Tensor[]): T } {
  const tensors: tf.Tensor[] = [];
  const walk = (value: unknown): ((list: tf.Tensor[]) => unknown) => {
    if (value instanceof tf.Tensor) {
      const at = tensors.push(value) - 1;
      return (list) => list[at];
    }
    if (typeof value !== "object" || value === null || Array.isArray(value) || ArrayBuffer.isView(value)) return () => value;
    const fields = Object.entries(value).map(([key, field]) => [key, walk(field)] as const);
    return (list) => Object.fromEntries(fields.map(([key, get]) => [key, get(list)]));
  };
  const restore = walk(record);
  return { tensors, restore: (list) => restore(list) as T };
}
