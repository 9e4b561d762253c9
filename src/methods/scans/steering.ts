import * as tf from "@tensorflow/tfjs";
import type { StateRule, StateRules, StateRulesFor } from "../../generation/decoding.js";
import { withEdits } from "../../generation/decoding.js";
import type { Policy } from "../../generation/policy.js";
import { isHarmful, transitionScore } from "./classifier.js";
import { type Directions, transitionCosines } from "./directions.js";
import { promptStates } from "./states.js";

/** How a policy is steered. */
export interface Steering {
  directions: Directions;
  /** SHA-256 of the directions, for the identity. */
  digest: string;
  /** Steered layers, ascending, at least one; the first is where the classifier begins to look. */
  layers: readonly number[];
  /** c: the length of what is added, as a share of the mean length of the anchors' states after that layer; >= 0. */
  strength: number;
  /** Prompts with a score from here on are pushed towards refusal, the others away from it. */
  threshold: number;
}

/** How one prompt is steered: +1 towards refusal, -1 away from it, and the position of its instruction's last token, from 0. */
export interface PromptSteering {
  sign: 1 | -1;
  end: number;
}

/**
 * States [B, T, C] with a vector added, times each row's multiplier, from a position of each row on. All other states stay as they are, bit for bit.
 *
 * @param vector [C]
 * @param rows multiplier, first changed position, and position of the row's first state, for each of B rows
 */
export function addFrom(
  states: tf.Tensor3D,
  vector: Float32Array,
  rows: readonly { multiplier: number; from: number; position: number }[],
): tf.Tensor3D {
  const [B, T] = states.shape;
  return tf.tidy(() => {
    const changed = rows.flatMap(({ multiplier, from, position }) =>
      Array.from({ length: T }, (_, t) => (multiplier !== 0 && position + t >= from ? 1 : 0)),
    );
    const by = tf.tensor3d(
      rows.map(({ multiplier }) => multiplier),
      [B, 1, 1],
    );
    const moved = tf.add(states, tf.mul(by, tf.tensor3d(vector, [1, 1, vector.length]))); // [B, T, C]
    return tf.where(tf.tensor3d(changed, [B, T, 1], "bool"), moved, states) as tf.Tensor3D;
  });
}

/**
 * h_t <- h_t + m v_r^l for all t from the end of the instruction on, generated tokens included, with m = +c n^l for harmful prompts and -c n^l for the others (Cao et al.
 * 2024). The paper adds a fixed multiple of the unit vector; n^l, the mean length of the anchors' states, is this project's scale.
 *
 * @param prompts how each prompt of the call is steered, by its index there
 */
export function steeringRules({ directions, layers, strength }: Steering, prompts: readonly PromptSteering[]): StateRules {
  const rule =
    (l: number): StateRule =>
    (states, { positions, rows }) => {
      const size = strength * directions.norms[l]!;
      const steered = rows.map(({ index }, b) => ({
        multiplier: prompts[index]!.sign * size,
        from: prompts[index]!.end,
        position: positions[b]!,
      }));
      return addFrom(states, directions.refusal[l]!, steered);
    };
  return Object.fromEntries(layers.map((l) => [l, rule(l)]));
}

/**
 * A policy steered by SCANS: each prompt is classified by the transition of its hidden states, which costs a pass over it, and then answered with its states moved at the steered
 * layers. Strength 0 is the policy itself, whatever the rest. Nothing is trained; the policy's adapter stays in place.
 *
 * @param name of the steered policy
 * @throws RangeError when the strength is below 0 or no number, there is no layer or one without a direction, or the policy edits states already
 */
export function steered(policy: Policy, steering: Steering, name: string): Policy {
  const { directions, digest, layers, strength, threshold } = steering;
  if (!(strength >= 0 && Number.isFinite(strength))) throw new RangeError(`SCANS: the strength must be >= 0, got ${strength}`);
  const wrong = layers.findIndex((l) => directions.refusal[l] === undefined);
  if (layers.length === 0 || wrong >= 0)
    throw new RangeError(
      `SCANS: steered layers must be some of 0..${directions.refusal.length - 1}, got ${wrong < 0 ? "none" : layers[wrong]}`,
    );
  if (policy.decoding.edits) throw new RangeError(`SCANS: ${policy.name} edits hidden states already: steer it without that`);
  if (strength === 0) return { ...policy, name };
  const needsScores = threshold > -1 && threshold <= 1;
  const rulesFor: StateRulesFor = async (prompts) => {
    const scores = needsScores ? await promptScores(policy, prompts, steering) : prompts.map(() => 0);
    return steeringRules(
      steering,
      prompts.map(({ instruction }, i) => ({ sign: isHarmful(scores[i]!, threshold) ? 1 : -1, end: instruction - 1 })),
    );
  };
  const settings = { method: "SCANS", directions: digest, layers, strength, threshold };
  return { ...policy, name, decoding: withEdits(rulesFor, settings, policy.decoding) };
}

/** Scores of prompts by the transition of their hidden states, in [-1, 1]: what `steered` classifies by. */
export async function promptScores(
  policy: Pick<Policy, "model" | "adapter">,
  prompts: Parameters<StateRulesFor>[0],
  { directions, layers }: Pick<Steering, "directions" | "layers">,
): Promise<number[]> {
  const states = await promptStates(policy, prompts);
  return states.map((of) => transitionScore(transitionCosines(of, directions), layers[0]!));
}
