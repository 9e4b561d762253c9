/** A pair's completions as token ids. */
export interface Completions {
  chosen: readonly number[];
  rejected: readonly number[];
}

/**
 * LD-DPO (Liu et al. 2024): of the longer completion, the tokens behind the shorter one's length count alpha times in the sums of log-probs, policy's and
 * reference's (TRL's `ld_alpha`). Any loss over pairs can then be taken of the sums.
 *
 * @param alpha in [0, 1]; 1 leaves the sums alone, 0 compares the common length only
 * @returns the pairs with a weight for each token
 * @throws RangeError when alpha is out of range
 */
export function lengthDesensitized<Pair extends Completions>(
  pairs: readonly Pair[],
  alpha: number,
): (Pair & { weights: { chosen: number[]; rejected: number[] } })[] {
  if (!(alpha >= 0 && alpha <= 1)) throw new RangeError(`lengthDesensitized: alpha must be in [0, 1], got ${alpha}`);
  return pairs.map((pair) => {
    const shared = Math.min(pair.chosen.length, pair.rejected.length);
    const weights = (ids: readonly number[]) => ids.map((_, t) => (t < shared ? 1 : alpha));
    return { ...pair, weights: { chosen: weights(pair.chosen), rejected: weights(pair.rejected) } };
  });
}
