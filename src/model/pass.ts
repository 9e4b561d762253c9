import type * as tf from "@tensorflow/tfjs";
import { causalMask } from "../backend/ops/attention.js";
import { type RotaryTables, rotaryTables } from "../backend/ops/rotary.js";
import { type RowLayout, rowLayout, type SharedStart } from "../backend/ops/rows.js";
import type { DecoderConfig } from "./config.js";

/** What a layer knows of one pass over rows; layers with the same window and the same frequencies share it. */
export interface PassContext {
  config: DecoderConfig;
  layout: RowLayout;
  rotary: RotaryTables; // of the P + N tokens
  mask: tf.Tensor2D; // [T, P + T]
  prefixMask: tf.Tensor2D | null; // [P, P]
}

/** Each layer's angles at these positions: layers with a window may have a base of their own. */
export function rotaryByLayer(config: DecoderConfig, positions: ArrayLike<number>): RotaryTables[] {
  const { localRopeTheta: local } = config;
  const all = rotaryTables(config, positions);
  const near = local === undefined ? all : rotaryTables({ ...config, ropeTheta: local, ropeScaling: null }, positions);
  return config.windows.map((window) => (window === null ? all : near));
}

/**
 * Each layer's context of a pass over rows with these many tokens after a prefix, some of which begin as earlier ones do.
 * @throws RangeError when a sequence is longer than the decoder's positions
 */
export function passContexts(
  config: DecoderConfig,
  prefix: number,
  lengths: readonly number[],
  shared?: readonly (SharedStart | null)[],
): PassContext[] {
  const layout = rowLayout(prefix, lengths, shared);
  const S = prefix + layout.width;
  if (S > config.maxPositions) throw new RangeError(`decoder: a row has ${S} tokens, the model's positions end at ${config.maxPositions}`);
  const rotary = rotaryByLayer(config, layout.positions);
  const contexts = new Map<RotaryTables, Map<number, PassContext>>();
  return config.windows.map((window, layer) => {
    const tables = rotary[layer]!;
    const seen = Math.min(window ?? S, S); // a window that holds every token is none
    const byWindow = contexts.get(tables) ?? new Map<number, PassContext>();
    contexts.set(tables, byWindow);
    const context = byWindow.get(seen) ?? {
      config,
      layout,
      rotary: tables,
      mask: causalMask(layout.width, S, seen),
      prefixMask: prefix > 0 ? causalMask(prefix, prefix, seen) : null,
    };
    byWindow.set(seen, context);
    return context;
  });
}
