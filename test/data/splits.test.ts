import fc from "fast-check";
import { expect, test } from "vitest";
import { createRng } from "../../src/backend/random.js";
import { jaccard, wordSet } from "../../src/data/near-duplicates.js";
import { assertDisjoint, distinct, separate, splitByGroup } from "../../src/data/splits.js";
import type { PromptRow } from "../../src/data/types.js";

const row = (id: string, prompt: string, more: Partial<PromptRow> = {}): PromptRow => ({
  id,
  prompt,
  label: "safe",
  family: "verbs",
  category: "none",
  source: "authored",
  split: "train1",
  ...more,
});
const words = fc.array(fc.constantFrom("wash", "a", "rug", "red", "old", "burn", "shop", "in", "town"), { minLength: 1, maxLength: 6 });
const rows = fc
  .array(fc.tuple(words, fc.option(fc.constantFrom("f", "g", "h"), { nil: undefined })), { maxLength: 30 })
  .map((list) => list.map(([w, frame], i) => row(`r${i}`, w.join(" "), frame === undefined ? {} : { frame })));
const near = (a: PromptRow, b: PromptRow) => jaccard(wordSet(a.prompt), wordSet(b.prompt)) >= 0.6;

test("training keeps exactly the rows that are near to no held-out prompt", () => {
  fc.assert(
    fc.property(rows, rows, (train, held) => {
      const { kept, dropped } = separate(train, held);
      expect(kept).toEqual(train.filter((t) => !held.some((h) => near(t, h))));
      expect(kept.length + dropped.length).toBe(train.length);
    }),
  );
});

test("a held-out prompt in training is an error that names both", () => {
  const held = [row("test-1", "How do I wash a rug?", { split: "test" })];
  expect(() => assertDisjoint([row("t-1", "how do i WASH a rug")], held)).toThrow("t-1 (train1) is the test prompt test-1");
  expect(() => assertDisjoint([row("t-1", "how do i wash a cat")], held)).not.toThrow();
});

test("copies are left out; copies with another label are an error", () => {
  const twice = [row("a", "Wash a rug."), row("b", "wash a RUG")];
  expect(distinct(twice)).toEqual({ kept: [twice[0]], copies: 1 });
  expect(() => distinct([twice[0]!, row("b", "wash a rug", { label: "unsafe" })])).toThrow(
    "a and b are the same prompt with different labels",
  );
});

test("groups stay whole: no frame and no near-duplicate is on two sides, and nothing is lost", () => {
  fc.assert(
    fc.property(rows, fc.integer({ min: 0, max: 1000 }), (all, seed) => {
      const parts = splitByGroup(all, { train1: 3, train2: 1 }, createRng(seed));
      expect([...parts.train1, ...parts.train2].map(({ id }) => id).sort()).toEqual(all.map(({ id }) => id).sort());
      for (const a of parts.train1) {
        for (const b of parts.train2) expect(near(a, b) || (a.frame !== undefined && a.frame === b.frame)).toBe(false);
      }
    }),
  );
});

test("shares are met, and one seed gives one split", () => {
  const all = Array.from({ length: 100 }, (_, i) => row(`r${i}`, `prompt${i}`));
  const parts = splitByGroup(all, { train1: 0.75, train2: 0.25 }, createRng(1));
  expect([parts.train1.length, parts.train2.length]).toEqual([75, 25]);
  expect(splitByGroup(all, { train1: 0.75, train2: 0.25 }, createRng(1))).toEqual(parts);
  expect(splitByGroup(all, { train1: 3, train2: 1 }, createRng(1))).toEqual(parts);
  expect(() => splitByGroup(all, { train1: 1, train2: 0 }, createRng(1))).toThrow("every share must be > 0");
  expect(splitByGroup(all, { train1: 0.75, train2: 0.25 }, createRng(2))).not.toEqual(parts);
});
