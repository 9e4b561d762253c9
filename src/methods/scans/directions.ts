import { dot } from "../dot.js";
import type { PromptStates } from "./states.js";

/** What SCANS takes from its anchors. L layers, C dimensions. */
export interface Directions {
  /** v_r^l: unit vectors from benign to harmful anchors, L of [C]. */
  refusal: readonly Float32Array[];
  /** Length of the difference that v_r^l was, before it became a unit vector, [L]. */
  gaps: readonly number[];
  /** d_ref^l: mean over the harmful anchors of the state at the instruction's end less that behind the affirmation, L of [C]. */
  transition: readonly Float32Array[];
  /** Mean Euclidean length of the anchors' states at the instruction's end, [L]. */
  norms: readonly number[];
}

/**
 * Refusal directions and reference transition (Cao et al. 2024):
 *
 *     v_r^l   = normalize( mean_{harmful} a^l(q) - mean_{benign} a^l(q) )       a^l at the last token of the instruction
 *     d_ref^l = mean_{harmful} [ a^l(s1) - a^l(s2) ]
 *
 * The norms are this project's addition: strengths are shares of them, since models differ in the size of their states.
 * @throws RangeError when there are no anchors of a kind, or both kinds have the same mean
 */
export function directionsOf(harmful: readonly PromptStates[], benign: readonly PromptStates[]): Directions {
  if (harmful.length === 0 || benign.length === 0) {
    throw new RangeError(`SCANS: directions need anchors of both kinds, got ${harmful.length} harmful and ${benign.length} benign`);
  }
  const layers = harmful[0]!.end.map((_, l) => {
    const ends = (of: readonly PromptStates[]) => of.map(({ end }) => end[l]!);
    const difference = less(mean(ends(harmful)), mean(ends(benign)));
    const gap = length(difference);
    if (gap === 0) throw new RangeError(`SCANS: harmful and benign anchors have the same mean after layer ${l}: give other anchors`);
    return {
      refusal: Float32Array.from(difference, (x) => x / gap),
      gap,
      transition: Float32Array.from(mean(harmful.map((states) => less(states.end[l]!, states.affirmed[l]!)))),
      norm: [...ends(harmful), ...ends(benign)].reduce((sum, x) => sum + length(x), 0) / (harmful.length + benign.length),
    };
  });
  return {
    refusal: layers.map((layer) => layer.refusal),
    gaps: layers.map(({ gap }) => gap),
    transition: layers.map(({ transition }) => transition),
    norms: layers.map(({ norm }) => norm),
  };
}

/** How far a prompt lies along each refusal direction, [L]: v_r^l . a^l at the instruction's end. */
export const projections = ({ end }: PromptStates, { refusal }: Directions): number[] => end.map((x, l) => dot(x, refusal[l]!));

/** cos( d^l(q), d_ref^l ) of a prompt's transition d^l = a^l(s1) - a^l(s2) with the anchors', [L]; 0 where one of them is 0. */
export const transitionCosines = ({ end, affirmed }: PromptStates, { transition }: Directions): number[] =>
  end.map((x, l) => cosine(less(x, affirmed[l]!), transition[l]!));

/** The cosine of two vectors; 0 where one of them is 0. */
export function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const lengths = length(a) * length(b);
  return lengths === 0 ? 0 : dot(a, b) / lengths;
}

const length = (a: ArrayLike<number>): number => Math.sqrt(dot(a, a));

const less = (a: ArrayLike<number>, b: ArrayLike<number>): Float64Array => Float64Array.from(a, (x, i) => x - b[i]!);

function mean(rows: readonly ArrayLike<number>[]): Float64Array {
  const sum = new Float64Array(rows[0]!.length);
  for (const row of rows) for (let i = 0; i < sum.length; i++) sum[i]! += row[i]! / rows.length;
  return sum;
}
