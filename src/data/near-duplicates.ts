/** Prompts whose sets of words have at least this Jaccard similarity are near-duplicates (FINDINGS 9). */
export const nearThreshold = 0.6;

/** A prompt as it is compared: compatibility forms folded, lower case, everything but letters and digits a single space. */
export function normalise(text: string): string {
  return text
    .normalize("NFKC")
    .toLowerCase()
    .replace(/['’]/g, "")
    .replace(/[^\p{L}\p{N}]+/gu, " ")
    .trim();
}

/** The distinct words of a normalised text. */
export function wordSet(text: string): Set<string> {
  const words = normalise(text);
  return new Set(words === "" ? [] : words.split(" "));
}

/** |A and B| / |A or B|, 0 to 1. Two empty sets are alike (1). */
export function jaccard(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  if (a.size === 0 && b.size === 0) return 1;
  let common = 0;
  for (const word of a) if (b.has(word)) common += 1;
  return common / (a.size + b.size - common);
}

/**
 * Finds, among fixed texts, one that is a near-duplicate of a given text.
 *
 * Two sets with Jaccard similarity >= t share a word among the first |A| - ceil(t |A|) + 1 of each, if both are sorted by how rare
 * a word is (prefix filter of Bayardo et al. 2007). So only texts that share a rare word are compared.
 */
export class NearIndex {
  private readonly sets: Set<string>[];
  private readonly postings = new Map<string, number[]>();
  private readonly frequency = new Map<string, number>();
  private readonly empty: number[] = [];

  /** @param threshold in (0, 1] */
  constructor(
    texts: readonly string[],
    private readonly threshold = nearThreshold,
  ) {
    if (!(threshold > 0 && threshold <= 1)) throw new RangeError(`NearIndex: threshold must be in (0, 1], got ${threshold}`);
    this.sets = texts.map(wordSet);
    for (const set of this.sets) for (const word of set) this.frequency.set(word, (this.frequency.get(word) ?? 0) + 1);
    for (const [i, set] of this.sets.entries()) {
      if (set.size === 0) this.empty.push(i);
      for (const word of this.prefix(set)) {
        const list = this.postings.get(word);
        if (list) list.push(i);
        else this.postings.set(word, [i]);
      }
    }
  }

  /** Indices of all texts that are near-duplicates of `text`, ascending. */
  near(text: string): number[] {
    const set = wordSet(text);
    if (set.size === 0) return [...this.empty];
    const candidates = new Set<number>();
    for (const word of this.prefix(set)) for (const i of this.postings.get(word) ?? []) candidates.add(i);
    return [...candidates].filter((i) => jaccard(set, this.sets[i]!) >= this.threshold).sort((a, b) => a - b);
  }

  private prefix(set: ReadonlySet<string>): string[] {
    const count = (word: string) => this.frequency.get(word) ?? 0;
    const rareFirst = [...set].sort((a, b) => count(a) - count(b) || (a < b ? -1 : 1));
    // The subtracted amount keeps 0.6 * 5 from being rounded up to 4.
    return rareFirst.slice(0, set.size - Math.ceil(this.threshold * set.size - 1e-9) + 1);
  }
}

/**
 * Groups of texts that are linked by near-duplication or by a shared key, found by union-find.
 *
 * @param keys texts with the same key (a frame) are in one group, whatever their words; undefined links nothing
 * @returns for every text the index of the first text of its group
 */
export function groupTexts(texts: readonly string[], keys: readonly (string | undefined)[] = [], threshold = nearThreshold): number[] {
  const parent = texts.map((_, i) => i);
  const root = (i: number): number => {
    let top = i;
    while (parent[top] !== top) top = parent[top]!;
    for (let at = i; at !== top; ) [at, parent[at]] = [parent[at]!, top];
    return top;
  };
  const link = (i: number, j: number) => {
    const [a, b] = [root(i), root(j)];
    parent[Math.max(a, b)] = Math.min(a, b);
  };

  const index = new NearIndex(texts, threshold);
  const first = new Map<string, number>();
  for (const [i, text] of texts.entries()) {
    for (const j of index.near(text)) link(i, j);
    const key = keys[i];
    if (key !== undefined) {
      const earlier = first.get(key);
      if (earlier === undefined) first.set(key, i);
      else link(i, earlier);
    }
  }
  return texts.map((_, i) => root(i));
}
