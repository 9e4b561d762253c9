import { UNSPACED } from "./unspaced.js";

/** Prompts whose sets of words have at least this Jaccard similarity are near-duplicates. */
const nearThreshold = 0.6;

/** A prompt as it is compared: compatibility forms folded, lower case, everything but letters with their marks, and digits, a single space. */
export function normalise(text: string): string {
  return text
    .normalize("NFKC")
    .toLowerCase()
    .replace(/['’]/g, "")
    .replace(/(?:[^\p{L}\p{M}\p{N}]\p{M}*)+/gu, " ") // a sign goes with its marks
    .trim();
}

/** The distinct words of a normalised text; where a script has no spaces between words, its pairs of neighbouring characters. */
export function wordSet(text: string): Set<string> {
  const words = normalise(text);
  return new Set(words === "" ? [] : words.split(" ").flatMap((word) => (UNSPACED.test(word) ? characterPairs(word) : word)));
}

function characterPairs(word: string): string[] {
  const [first = "", ...others] = word;
  return others.length === 0 ? [first] : others.map((character, i) => (others[i - 1] ?? first) + character);
}

/** |A and B| / |A or B|, 0 to 1. Two empty sets are alike (1). */
export function jaccard(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  if (a.size === 0 && b.size === 0) return 1;
  let common = 0;
  for (const word of a) if (b.has(word)) common += 1;
  return common / (a.size + b.size - common);
}

/**
 * Finds, among fixed texts, those that are near-duplicates of a given text.
 *
 * Words are numbered from the rarest to the commonest. Two sets with Jaccard similarity >= t share a word among the first
 * |A| - ceil(t |A|) + 1 of each in this order (prefix filter of Bayardo et al. 2007), so only texts that share a rare word are compared.
 */
export class NearIndex {
  /** place of a word, 0 for the rarest */
  private readonly ranks: Map<string, number>;
  /** of each text its words' ranks, ascending */
  private readonly sets: number[][];
  private readonly postings = new Map<number, number[]>();

  /** @param threshold in (0, 1] */
  constructor(
    texts: readonly string[],
    private readonly threshold = nearThreshold,
  ) {
    if (!(threshold > 0 && threshold <= 1)) throw new RangeError(`NearIndex: threshold must be in (0, 1], got ${threshold}`);
    const words = texts.map(wordSet);
    const frequency = new Map<string, number>();
    for (const set of words) for (const word of set) frequency.set(word, (frequency.get(word) ?? 0) + 1);
    const rareFirst = [...frequency].sort((a, b) => a[1] - b[1]);
    this.ranks = new Map(rareFirst.map(([word], rank) => [word, rank]));
    this.sets = words.map((set) => this.ranked(set));
    for (const [i, set] of this.sets.entries()) {
      for (const rank of this.prefix(set)) {
        const list = this.postings.get(rank);
        if (list) list.push(i);
        else this.postings.set(rank, [i]);
      }
    }
  }

  /** Indices of all texts that are near-duplicates of `text`, ascending. */
  near(text: string): number[] {
    const set = this.ranked(wordSet(text));
    if (set.length === 0) return this.sets.flatMap((other, i) => (other.length === 0 ? i : []));
    const candidates = new Set<number>();
    for (const rank of this.prefix(set)) for (const i of this.postings.get(rank) ?? []) candidates.add(i);
    return [...candidates].filter((i) => this.alike(set, this.sets[i]!)).sort((a, b) => a - b);
  }

  /** Unknown words come first, all with rank -1: they match nothing. */
  private ranked(words: ReadonlySet<string>): number[] {
    return [...words].map((word) => this.ranks.get(word) ?? -1).sort((a, b) => a - b);
  }

  private prefix(set: readonly number[]): readonly number[] {
    // The subtracted amount keeps 0.6 * 5 from being rounded up to 4.
    return set.slice(0, set.length - Math.ceil(this.threshold * set.length - 1e-9) + 1);
  }

  /** Whether |A and B| >= t |A or B|, that is >= t / (1 + t) (|A| + |B|); gives up as soon as too few words are left. */
  private alike(a: readonly number[], b: readonly number[]): boolean {
    const needed = Math.ceil((this.threshold / (1 + this.threshold)) * (a.length + b.length) - 1e-9);
    let common = 0;
    for (let i = 0, j = 0; common + Math.min(a.length - i, b.length - j) >= needed; ) {
      if (i === a.length || j === b.length) return true;
      if (a[i]! < b[j]!) i += 1;
      else if (a[i]! > b[j]!) j += 1;
      else {
        common += 1;
        i += 1;
        j += 1;
      }
    }
    return false;
  }
}

/**
 * Groups of texts that are linked by near-duplication or by a shared key, found by union-find.
 *
 * @param keys texts with the same key (a frame) are in one group, whatever their words; undefined links nothing
 * @returns for every text the index of the first text of its group
 */
export function groupTexts(texts: readonly string[], keys: readonly (string | undefined)[] = []): number[] {
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

  const index = new NearIndex(texts);
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
