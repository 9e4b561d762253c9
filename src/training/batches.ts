import type { Rng } from "../backend/random.js";
import { pieces } from "../setup/lists.js";

/** The rows of every optimizer step, as indices into the data. */
export type Plan = number[][];

/**
 * File order, then from the top, until there are `steps` batches. The last batch of an epoch may be smaller, as in PyTorch's loader.
 * @param rows how many there are
 * @throws RangeError when there are no rows, or a number is not whole
 */
export function sequential(rows: number, batchSize: number, steps: number): Plan {
  return epochs(rows, batchSize, steps, (order) => order);
}

/** Like `sequential`, in a new random order each epoch. @throws RangeError as there */
export function shuffled(rows: number, batchSize: number, steps: number, rng: Rng): Plan {
  return epochs(rows, batchSize, steps, (order) => rng.shuffle(order));
}

/**
 * One epoch of batches of like length, which pads little: rows are shuffled, blocks of eight batches are sorted by length, and a block's batches come in random
 * order.
 * @param lengths tokens of each row
 * @throws RangeError when there are no rows or the batch size is not a whole number >= 1
 */
export function lengthSorted(lengths: readonly number[], batchSize: number, rng: Rng): Plan {
  check(lengths.length, batchSize);
  const order = rng.shuffle(lengths.map((_, i) => i));
  return pieces(order, 8 * batchSize).flatMap((block) => {
    const sorted = block.sort((a, b) => lengths[a]! - lengths[b]!);
    return rng.shuffle(pieces(sorted, batchSize));
  });
}

/**
 * Batches with equally many rows of each group. The largest group is gone through once, less a rest that fills no batch; smaller ones begin again from their
 * top.
 * @param groups row indices of each group, none empty
 * @param batchSize rows per batch, a multiple of the number of groups
 * @throws RangeError when a group is empty or the batch size is not such a multiple
 */
export function balanced(groups: readonly (readonly number[])[], batchSize: number, rng: Rng): Plan {
  const share = batchSize / groups.length;
  if (!Number.isInteger(share) || share < 1) {
    throw new RangeError(`batches: a batch of ${batchSize} cannot hold equally many rows of ${groups.length} groups`);
  }
  const empty = groups.findIndex((group) => group.length === 0);
  if (empty >= 0) throw new RangeError(`batches: group ${empty + 1} of ${groups.length} has no rows`);
  const steps = Math.floor(Math.max(...groups.map((group) => group.length)) / share);
  const orders = groups.map((group) => rng.shuffle(group));
  return Array.from({ length: steps }, (_, s) =>
    orders.flatMap((order) => Array.from({ length: share }, (_, i) => order[(s * share + i) % order.length]!)),
  );
}

function epochs(rows: number, batchSize: number, steps: number, order: (indices: number[]) => number[]): Plan {
  check(rows, batchSize);
  if (!(Number.isInteger(steps) && steps >= 0)) throw new RangeError(`batches: steps must be a whole number >= 0, got ${steps}`);
  const plan: Plan = [];
  while (plan.length < steps) plan.push(...pieces(order(Array.from({ length: rows }, (_, i) => i)), batchSize));
  return plan.slice(0, steps);
}

function check(rows: number, batchSize: number): void {
  if (rows < 1) throw new RangeError("batches: there are no rows");
  if (!Number.isInteger(rows)) throw new RangeError(`batches: rows must be a whole number >= 1, got ${rows}`);
  if (!Number.isInteger(batchSize) || batchSize < 1)
    throw new RangeError(`batches: the batch size must be a whole number >= 1, got ${batchSize}`);
}
