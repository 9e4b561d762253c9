import fc from "fast-check";
import { expect, test } from "vitest";
import { createRng } from "../../src/backend/random.js";
import { groupTexts, jaccard, NearIndex, normalise, wordSet } from "../../src/data/near-duplicates.js";

const vocabulary = ["how", "do", "i", "wash", "a", "rug", "the", "red", "old", "shop", "burn", "in"];
const text = fc.array(fc.constantFrom(...vocabulary), { maxLength: 8 }).map((words) => words.join(" "));

test("case, punctuation, apostrophes and compatibility forms do not count", () => {
  expect(normalise("  Don’t WASH the “rug”, ﬁne?! ")).toBe("dont wash the rug fine");
  expect(normalise("Ünïcode 中文 7")).toBe("ünïcode 中文 7");
  expect(normalise("A heart ❤️, please")).toBe("a heart please");
});

test("vowel signs are a part of their word: words that differ in them are others", () => {
  expect(normalise("हिन्दी भाषा?")).toBe("हिन्दी भाषा");
  expect(jaccard(wordSet("की"), wordSet("का"))).toBe(0);
});

test("where a script has no spaces, pairs of characters are compared", () => {
  expect([...wordSet("洗地毯 rug 洗")]).toEqual(["洗地", "地毯", "rug", "洗"]);
  expect(new NearIndex(["我应该怎么洗这条地毯?"]).near("我应该怎么洗这条旧地毯")).toEqual([0]); // 8 common of 11
  expect(new NearIndex(["我应该怎么洗这条地毯?"]).near("哪里可以买到便宜的地毯")).toEqual([]);
});

test("by hand", () => {
  // {how do i wash a rug} and {how do i wash a red rug}: 6 common of 7
  expect(jaccard(wordSet("How do I wash a rug?"), wordSet("how do i wash a red rug"))).toBeCloseTo(6 / 7, 12);
  expect(jaccard(wordSet("?"), wordSet("!"))).toBe(1);
  // 3 common of 5 is exactly the threshold, and counts
  expect(new NearIndex(["a b c d"]).near("a b c e")).toEqual([0]);
  expect(new NearIndex(["a b c d"]).near("a b x e")).toEqual([]);
});

test("the index finds exactly what comparing everything finds", () => {
  fc.assert(
    fc.property(fc.array(text, { maxLength: 25 }), text, fc.constantFrom(0.3, 0.5, 0.6, 0.75, 1), (texts, query, threshold) => {
      const all = texts.flatMap((t, i) => (jaccard(wordSet(t), wordSet(query)) >= threshold ? [i] : []));
      expect(new NearIndex(texts, threshold).near(query)).toEqual(all);
    }),
    { numRuns: 500 },
  );
});

test("near-duplicates and equal keys share a group, and groups are no larger than that", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(text, fc.option(fc.constantFrom("f", "g"), { nil: undefined })), { maxLength: 20 }), (rows) => {
      const texts = rows.map(([t]) => t);
      const keys = rows.map(([, key]) => key);
      const groups = groupTexts(texts, keys);
      const linked = (i: number, j: number) =>
        (keys[i] !== undefined && keys[i] === keys[j]) || jaccard(wordSet(texts[i]!), wordSet(texts[j]!)) >= 0.6;
      expect(groups).toEqual(closure(texts.length, linked));
    }),
  );
});

test("5,000 prompts take seconds, not minutes", () => {
  // Twelve words a prompt, the commonest word in most of them, as in English: word number n with probability about 1/n.
  const rng = createRng(1);
  const word = () => `w${Math.floor(4000 ** rng.uniform())}`;
  const texts = Array.from({ length: 5000 }, () => Array.from({ length: 12 }, word).join(" "));
  const start = process.cpuUsage();
  groupTexts(texts);
  expect(process.cpuUsage(start).user / 1e6).toBeLessThan(20);
});

test("a wrong threshold is named", () => {
  expect(() => new NearIndex([], 0)).toThrow("threshold must be in (0, 1], got 0");
});

/** For every index the smallest one that can be reached from it. */
function closure(n: number, linked: (i: number, j: number) => boolean): number[] {
  const label = Array.from({ length: n }, (_, i) => i);
  for (let changed = true; changed; ) {
    changed = false;
    for (let i = 0; i < n; i += 1) {
      for (let j = 0; j < n; j += 1) {
        if (linked(i, j) && label[j]! < label[i]!) {
          label[i] = label[j]!;
          changed = true;
        }
      }
    }
  }
  return label;
}
