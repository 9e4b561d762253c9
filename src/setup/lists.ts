/** Consecutive pieces of a list, such as batches of rows; the last may be smaller. @throws RangeError unless the size is a number >= 1 */
export function pieces<T>(items: readonly T[], size: number): T[][] {
  if (!(size >= 1 && Number.isFinite(size))) throw new RangeError(`the batch size must be a number >= 1, got ${size}`);
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}

/** The items that are there. */
export const present = <T>(items: readonly (T | null)[]): T[] => items.filter((item) => item !== null);

/** Items by a key, the keys in the order of their first items. */
export function grouped<T, Key>(items: readonly T[], keyOf: (item: T) => Key): Map<Key, T[]> {
  const groups = new Map<Key, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}
