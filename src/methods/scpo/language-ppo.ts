import * as tf from "@tensorflow/tfjs";
import type { CompletionRow } from "../../data/tokens.js";
import { clippedSurrogate } from "../../objectives/clipped-surrogate.js";
import type { Objective } from "../../training/objective.js";

/** An answer as PPO is trained on it. */
export interface PpoRow extends CompletionRow {
  before: number[];
  advantage: number;
}

/** Minus the clipped surrogate, its mean over tokens. */
export const ppoObjective = (clip: number): Objective<PpoRow> => ({
  name: "ppo",
  settings: { clip },
  completions: (rows) => rows,
  weight: ({ completion }) => completion.length,
  metrics: [],
  loss({ rows, logps, row, position, weight }) {
    const before = tf.tensor1d(row.map((b, n) => rows[b]!.before[position[n]!]!));
    const advantages = tf.tensor1d(row.map((b) => rows[b]!.advantage));
    return { loss: tf.neg(tf.div(tf.sum(clippedSurrogate(logps, before, advantages, clip)), weight)) as tf.Scalar };
  },
});
