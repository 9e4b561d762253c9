import * as tf from "@tensorflow/tfjs";
import { giveWay } from "../../backend/give-way.js";
import { readLast } from "../../backend/read.js";
import { mean } from "../../evaluation/averages.js";
import { lastLogits, nextTokenLogOdds, refusalTokens } from "../../evaluation/readout.js";
import type { Prompt } from "../../generation/asking.js";
import { contextTokens } from "../../generation/contexts.js";
import { boundEdits, type StateRule, type StateRules, withEdits } from "../../generation/decoding.js";
import type { Policy } from "../../generation/policy.js";
import type { Directions } from "./directions.js";

/** What the direction of a layer does to the first token of answers: to held-out prompts of the training set, not to anchors. */
export interface LayerScore {
  layer: number;
  /** Mean log-odds of beginning a refusal, in nats: of harmful prompts with the direction taken out of all states, and of benign prompts with it added after its layer. */
  ablated: number;
  induced: number;
  /** Mean KL divergence of benign prompts' first tokens with the direction taken out from those without, in nats. */
  kl: number;
}

/** The rule of selection: only layers below this share of the depth, at most so much KL, at least so much induced refusal (Arditi et al. 2024, appendix C). */
export const selection = { depth: 0.8, kl: 0.1, induced: 0 } as const;

/** Prompts that are run together. */
const batchSize = 32;

/** x - (x . v) v: states [B, T, C] without their part along a unit vector. */
export const without =
  (v: Float32Array): StateRule =>
  (states) =>
    tf.tidy(() => {
      const unit = tf.tensor1d(v);
      const along = tf.sum(tf.mul(states, unit), 2, true); // [B, T, 1]
      return tf.sub(states, tf.mul(along, unit)) as tf.Tensor3D;
    });

/**
 * Scores of all layers that may be selected: two kinds of passes per layer over the harmful, and two over the benign prompts. The direction is taken out after the embedding and
 * after every layer; added is the whole difference of the anchors' means, after the layer that it comes from.
 * @param tokens that begin refusals
 */
export async function layerScores(
  policy: Policy,
  { refusal, gaps }: Directions,
  { harmful, benign }: Record<"harmful" | "benign", readonly Prompt[]>,
  tokens = refusalTokens(policy.model.tokenizer),
): Promise<LayerScore[]> {
  const L = refusal.length;
  const everywhere = Array.from({ length: L + 1 }, (_, l) => l - 1);
  const edited = (rules: StateRules): Policy => ({ ...policy, decoding: withEdits(rules, {}) });
  const scores: LayerScore[] = [];
  for (let layer = 0; layer < candidates(L); layer++) {
    const v = refusal[layer]!;
    const ablation = Object.fromEntries(everywhere.map((l) => [l, without(v)]));
    const addition: StateRule = (states) => tf.tidy(() => tf.add(states, tf.mul(gaps[layer]!, tf.tensor1d(v))) as tf.Tensor3D);
    scores.push({
      layer,
      ablated: mean(await nextTokenLogOdds(edited(ablation), harmful, tokens, batchSize)),
      induced: mean(await nextTokenLogOdds(edited({ [layer]: addition }), benign, tokens, batchSize)),
      kl: await meanKl(policy, ablation, benign),
    });
  }
  return scores;
}

/** Layers that may be selected, from the lowest on. */
const candidates = (L: number): number => Math.max(1, Math.floor(selection.depth * L));

/** Mean KL(p || p_edited) of the token after each prompt, in nats. */
async function meanKl(policy: Policy, rules: StateRules, prompts: readonly Prompt[]): Promise<number> {
  const { model, adapter } = policy;
  const ids = contextTokens(policy, prompts, "KL")[0]!;
  const values: number[] = [];
  for (let start = 0; start < ids.length; start += batchSize) {
    await giveWay();
    const batch = ids.slice(start, start + batchSize);
    const rows = batch.map((_, index) => ({ index, ids: [] }));
    const kl = tf.tidy(() => {
      const plain = tf.logSoftmax(lastLogits(model, adapter, batch, {})); // [B, V]
      const edited = tf.logSoftmax(lastLogits(model, adapter, batch, boundEdits(rules, rows)));
      return tf.sum(tf.mul(tf.exp(plain), tf.sub(plain, edited)), 1); // [B]
    });
    values.push(...(await readLast(kl)));
  }
  return mean(values);
}

/** The layer that the rule selects: of those that keep its bounds, the one without whose direction harmful prompts are refused least; null where none does. */
export function selectedLayer(scores: readonly LayerScore[]): LayerScore | null {
  const allowed = scores.filter(({ kl, induced }) => kl <= selection.kl && induced >= selection.induced);
  return allowed.reduce<LayerScore | null>((best, score) => (best === null || score.ablated < best.ablated ? score : best), null);
}

/**
 * Layers to steer, ascending. Without a selected layer those at the depth of the paper's, 10 to 19 of 32; else as many around the selected one, within the layers that may be
 * selected. That a window is put around the layer is this project's choice: the rule was made for one direction that is taken out everywhere.
 */
export function steeredLayers(L: number, selected: number | null): number[] {
  const [first, last] = [10, 19].map((l) => Math.min(L - 1, Math.round((l * L) / 32))) as [number, number];
  const width = last - first + 1;
  const start = selected === null ? first : Math.max(0, Math.min(selected - (width >> 1), candidates(L) - width));
  return Array.from({ length: width }, (_, i) => start + i);
}
