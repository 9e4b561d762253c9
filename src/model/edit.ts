import * as tf from "@tensorflow/tfjs";
import { givenInWords, hasShape } from "../backend/given.js";
import { gatherRows, type RowLayout, spreadRows } from "../backend/ops/rows.js";
import type { DecoderConfig } from "./config.js";

/** Which states an edit is given: those of B rows, each right-padded to T. */
export interface StatePlace {
  /** Position in its sequence of each row's first state, [B]; from 0. */
  positions: readonly number[];
  /** Real states of each row, [B], each in 1..T; what an edit makes of the pads behind them is dropped. */
  lengths: readonly number[];
}

/** Replaces states of the residual stream: [B, T, C] -> the same shape, as every later layer sees them. The input must not be disposed of. */
export type StateEdit = (states: tf.Tensor3D, place: StatePlace) => tf.Tensor3D;

/** Edits by the layer after whose output they come: 0 is the first decoder layer, -1 the embedding as that layer sees it. The last layer's come before the final norm. */
export type StateEdits = Readonly<Record<number, StateEdit>>;

/** The layers that have edits, ascending. */
export const editedLayers = (edits: StateEdits): number[] =>
  Object.keys(edits)
    .map(Number)
    .sort((a, b) => a - b);

/** @throws RangeError when a layer is not one of the decoder's, nor -1 for the embedding */
export function checkLayers({ numLayers }: DecoderConfig, layers: readonly number[]): void {
  const wrong = layers.find((layer) => !Number.isInteger(layer) || layer < -1 || layer >= numLayers);
  if (wrong !== undefined) throw new RangeError(`decoder: no layer ${wrong}; layers are 0..${numLayers - 1}, and -1 for the embedding`);
}

/**
 * States after a layer, [B, T, C], as its edit makes them; the same ones where it has none.
 * @throws RangeError when the edit gives another shape, or no tensor
 */
export function editStates(edits: StateEdits, layer: number, states: tf.Tensor3D, place: StatePlace): tf.Tensor3D {
  const edit = edits[layer];
  if (!edit) return states;
  const edited = edit(states, place);
  if (!hasShape(edited, states.shape)) {
    const gave = givenInWords(edited);
    throw new RangeError(`edit after layer ${layer}: the states are [${states.shape}], it gave ${gave}; return a tensor of the same shape`);
  }
  return edited;
}

/** The rows' own tokens [N, C] as [B, T, C], T being the longest row's length, with zeros at the pads and at starts that other rows run. */
export const rowsOf = (x: tf.Tensor2D, layout: RowLayout): tf.Tensor3D =>
  tf.reshape(spreadRows(x, layout), [layout.lengths.length, layout.width, x.shape[1]]);

/** `editStates` for whole rows that lie in one matrix: states x [N, C] after a layer -> [N, C]. The layout has no prefix and no shared starts. */
export function editPacked(edits: StateEdits, layer: number, x: tf.Tensor2D, layout: RowLayout): tf.Tensor2D {
  if (!edits[layer]) return x;
  const { lengths } = layout;
  const edited = editStates(edits, layer, rowsOf(x, layout), { positions: lengths.map(() => 0), lengths });
  return gatherRows(tf.reshape(edited, [-1, x.shape[1]]), layout);
}
