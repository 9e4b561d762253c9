import * as tf from "@tensorflow/tfjs";
import { giveWay } from "../../backend/give-way.js";
import { readLast } from "../../backend/read.js";
import type { AskedPrompt } from "../../generation/decoding.js";
import type { Policy } from "../../generation/policy.js";

/** What is put behind an instruction to see how the model takes to it. The paper's word. */
export const affirmation = "Sure";

/** Hidden states of one prompt after every layer: L vectors [C], the first decoder layer's first. */
export interface PromptStates {
  /** At the last token of the instruction, where the model's turn has just been opened: s1 in the paper. */
  end: readonly Float32Array[];
  /** At the last token of the affirmation behind it: s2. */
  affirmed: readonly Float32Array[];
}

/**
 * States of prompts, one pass per batch over instruction and affirmation; what stands behind the instruction, such as a prefill, is left out. The policy's own edits do not count.
 * @param batchSize prompts that are run together, the shortest first
 */
export async function promptStates(
  { model, adapter }: Pick<Policy, "model" | "adapter">,
  prompts: readonly AskedPrompt[],
  batchSize = 32,
): Promise<PromptStates[]> {
  const affirmed = model.tokenizer.encode(affirmation);
  const { numLayers: L, hiddenSize: C } = model.config;
  const capture = Array.from({ length: L }, (_, l) => l);
  const rows = prompts.map(({ ids, instruction }) => [...ids.slice(0, instruction), ...affirmed]);
  const order = rows.map((_, i) => i).sort((a, b) => rows[a]!.length - rows[b]!.length || a - b);
  const result = new Array<PromptStates>(rows.length);
  for (let start = 0; start < order.length; start += batchSize) {
    await giveWay();
    const indices = order.slice(start, start + batchSize);
    const lengths = indices.map((i) => rows[i]!.length);
    const T = Math.max(...lengths);
    const gathered = tf.tidy(() => {
      const padded = indices.flatMap((i) => [...rows[i]!, ...new Array<number>(T - rows[i]!.length).fill(0)]);
      const ids = tf.tensor2d(padded, [indices.length, T], "int32");
      const { layers } = model.decoder.forward(ids, { lora: adapter, lengths, capture });
      const places = lengths.flatMap((length, b) => [b * T + length - affirmed.length - 1, b * T + length - 1]);
      const at = tf.tensor1d(places, "int32");
      return tf.stack(capture.map((l) => tf.gather(tf.reshape(layers[l]!, [indices.length * T, C]), at))); // [L, 2 B, C]
    });
    const values = (await readLast(gathered)) as Float32Array;
    const state = (row: number) =>
      capture.map((l) => values.slice((l * 2 * indices.length + row) * C, (l * 2 * indices.length + row + 1) * C));
    indices.forEach((i, b) => {
      result[i] = { end: state(2 * b), affirmed: state(2 * b + 1) };
    });
  }
  return result;
}
