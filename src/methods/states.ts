import * as tf from "@tensorflow/tfjs";
import { giveWay } from "../backend/give-way.js";
import { commonPrefix } from "../backend/ops/rows.js";
import type { LanguageModel } from "../model/load.js";
import type { Lora } from "../model/lora.js";

/** Token ids, and the places of those whose states are looked at. */
export interface WatchedRow {
  ids: readonly number[];
  at: readonly number[];
}

/**
 * States after the final norm at chosen tokens of some rows: of each row a list of `[C]`, as plain numbers. What all rows begin with is run once. Forward only.
 * @param rows at least one, each at least one token
 */
export async function statesAt({ decoder }: LanguageModel, lora: Lora | null, rows: readonly WatchedRow[]): Promise<number[][][]> {
  await giveWay();
  const P = Math.min(commonPrefix(rows.map(({ ids }) => ids)), ...rows.flatMap(({ ids, at }) => [ids.length - 1, ...at]));
  const own = rows.map(({ ids }) => ids.slice(P));
  const lengths = own.map((ids) => ids.length);
  const T = Math.max(...lengths);
  const chosen = tf.tidy(() => {
    const padded = Int32Array.from(own.flatMap((ids) => [...ids, ...new Array<number>(T - ids.length).fill(0)]));
    const states = decoder.hidden(tf.tensor2d(padded, [own.length, T], "int32"), { lora, prefix: rows[0]!.ids.slice(0, P), lengths }); // [B, T, C]
    const places = rows.flatMap(({ at }, b) => at.map((place) => b * T + place - P));
    return tf.gather(tf.reshape(states, [own.length * T, states.shape[2]]), tf.tensor1d(places, "int32")) as tf.Tensor2D; // [n, C]
  });
  const values = (await chosen.array()) as number[][];
  chosen.dispose();
  let next = 0;
  return rows.map(({ at }) => at.map(() => values[next++]!));
}
