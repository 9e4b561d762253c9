import * as tf from "@tensorflow/tfjs";
import { type LinearSaved, type LowRank, linearBackward, linearForward } from "../backend/ops/linear.js";
import { rmsNormAgain, rmsNormBackward, rmsNormForward } from "../backend/ops/rms-norm.js";
import type { DecoderConfig } from "./config.js";
import { type Lora, linearShape, moduleGroups } from "./lora.js";
import { type MixSaved, mixBackward, mixForward } from "./mix.js";
import { gatedUnit, type OutputNormSaved, outputNorm, outputNormBackward } from "./parts.js";
import type { PassContext } from "./pass.js";
import { type QkvSaved, qkvBackward, qkvForward } from "./qkv.js";
import type { LayerWeights } from "./weights.js";

/** The adapters of one layer, by stacked weight. */
export type LayerAdapters = Record<"qkv" | "o" | "gateUp" | "down", LowRank | null>;

/** The adapters of a layer, or null where it has none. */
export function layerAdapters(config: DecoderConfig, lora: Lora | null, layer: number): LayerAdapters | null {
  if (!lora) return null;
  const groups = moduleGroups(config);
  const group = (name: keyof LayerAdapters): LowRank | null => {
    let offset = 0;
    const parts: LowRank["parts"] = [];
    for (const module of groups[name]) {
      const A = lora.A(layer, module);
      const B = lora.B(layer, module);
      if (A && B) parts.push({ A, B, offset, mask: lora.inputMask(layer, module) });
      offset += linearShape(config, module)[0];
    }
    return parts.length ? { parts, scale: lora.scale } : null;
  };
  const adapters = { qkv: group("qkv"), o: group("o"), gateUp: group("gateUp"), down: group("down") };
  return Object.values(adapters).some((a) => a) ? adapters : null;
}

const ORDER = ["qkv", "o", "gateUp", "down"] as const;

/** The matrices of a layer's adapters, in the order in which `layerBackward` gives their gradients. */
export const adapterTensors = (adapters: LayerAdapters): tf.Tensor2D[] =>
  ORDER.flatMap((g) => adapters[g]?.parts.flatMap((p) => [p.A, p.B]) ?? []);

/** Tensors that the backward pass of a layer needs; the rest is recomputed. */
interface LayerSaved {
  x: tf.Tensor2D;
  scale1: tf.Tensor2D;
  lowQkv: LinearSaved | null;
  norms: QkvSaved;
  mix: MixSaved;
  o: tf.Tensor2D;
  lowO: LinearSaved | null;
  normO: OutputNormSaved;
  y: tf.Tensor2D;
  scale2: tf.Tensor2D;
  lowGateUp: LinearSaved | null;
  gateUp: tf.Tensor2D;
  lowDown: LinearSaved | null;
  normDown: OutputNormSaved;
}

/** One decoder layer. x [P + N, C] -> the same shape. Not recorded for gradients. */
export function layerForward(
  w: LayerWeights,
  x: tf.Tensor2D,
  context: PassContext,
  adapters: LayerAdapters | null,
): { value: tf.Tensor2D; saved: LayerSaved } {
  const { config: c } = context;
  const { value: h1, scale: scale1 } = rmsNormForward(x, w.inputNorm, c.rmsNormEps);
  const { value: product, saved: lowQkv } = linearForward(h1, w.qkv, adapters?.qkv ?? null);
  const { value: qkv, saved: norms } = qkvForward(product, w, c.rmsNormEps);
  const { value: o, saved: mix } = mixForward(qkv, context);
  const { value: projected, saved: lowO } = linearForward(o, w.o, adapters?.o ?? null);
  const { value: mixed, saved: normO } = outputNorm(projected, w.attentionNorm, c.rmsNormEps);
  const y = tf.add(x, mixed) as tf.Tensor2D;
  const { value: h2, scale: scale2 } = rmsNormForward(y, w.postNorm, c.rmsNormEps);
  const { value: gateUp, saved: lowGateUp } = linearForward(h2, w.gateUp, adapters?.gateUp ?? null);
  const act = gatedUnit(c).forward(gateUp);
  const { value: lowered, saved: lowDown } = linearForward(act, w.down, adapters?.down ?? null);
  const { value: fed, saved: normDown } = outputNorm(lowered, w.mlpNorm, c.rmsNormEps);
  const saved = { x, scale1, lowQkv, norms, mix, o, lowO, normO, y, scale2, lowGateUp, gateUp, lowDown, normDown };
  return { value: tf.add(y, fed), saved };
}

/** Gradients of `layerForward`: dz [P + N, C] -> dx (null where not wanted) and those of `adapterTensors`. */
export function layerBackward(
  dz: tf.Tensor2D,
  w: LayerWeights,
  s: LayerSaved,
  context: PassContext,
  adapters: LayerAdapters,
  wantInput: boolean,
): { dx: tf.Tensor2D | null; dAdapters: tf.Tensor2D[] } {
  const unit = gatedUnit(context.config);
  const dDown = outputNormBackward(dz, w.mlpNorm, s.normDown);
  const down = linearBackward(dDown, unit.forward(s.gateUp), w.down, adapters.down, s.lowDown);
  const dGateUp = unit.backward(down.dx!, s.gateUp);
  const gateUp = linearBackward(dGateUp, rmsNormAgain(s.y, s.scale2, w.postNorm), w.gateUp, adapters.gateUp, s.lowGateUp);
  const dy = rmsNormBackward(gateUp.dx!, s.y, s.scale2, w.postNorm, dz);
  const o = linearBackward(outputNormBackward(dy, w.attentionNorm, s.normO), s.o, w.o, adapters.o, s.lowO);
  const dQkv = qkvBackward(mixBackward(o.dx!, s.mix, context), w, s.norms);
  const qkv = linearBackward(dQkv, rmsNormAgain(s.x, s.scale1, w.inputNorm), w.qkv, adapters.qkv, s.lowQkv, wantInput);
  const dx = qkv.dx && rmsNormBackward(qkv.dx, s.x, s.scale1, w.inputNorm, dy);
  return { dx, dAdapters: [...qkv.dLow, ...o.dLow, ...gateUp.dLow, ...down.dLow] };
}
