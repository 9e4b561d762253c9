import fc from "fast-check";
import { expect, test } from "vitest";
import type { Datasets } from "../../src/data/dataset.js";
import type { PromptRow } from "../../src/data/types.js";
import { openSuite, type SuiteName, suiteNames, suiteRows, take } from "../../src/evaluation/suites.js";
import { fixture } from "../model/open.js";

const row = (id: string, family: string, frame?: string, label: PromptRow["label"] = "safe"): PromptRow => ({
  id,
  prompt: `prompt ${id}`,
  label,
  family,
  category: "none",
  source: "test",
  split: "test",
  ...(frame === undefined ? {} : { frame }),
});

const rows = [
  ...Array.from({ length: 8 }, (_, i) => row(`v${i}`, "verbs", `frame-${i >> 1}`)),
  ...Array.from({ length: 4 }, (_, i) => row(`p${i}`, "privacy", "one-frame")),
];

test("a subset has every family in proportion, and of a family as many frames as can be", () => {
  const chosen = take(rows, 6); // a half: 4 of 8 verbs, 2 of 4 privacy
  expect(chosen.filter(({ family }) => family === "verbs").map(({ frame }) => frame)).toEqual(["frame-0", "frame-1", "frame-2", "frame-3"]);
  expect(chosen.filter(({ family }) => family === "privacy")).toHaveLength(2);
});

test("subsets are nested, keep the order, and do not depend on it", () => {
  fc.assert(
    fc.property(fc.nat(12), fc.nat(12), fc.shuffledSubarray(rows, { minLength: 12 }), (a, b, shuffled) => {
      const [small, large] = [take(rows, Math.min(a, b)), take(rows, Math.max(a, b))];
      expect(large).toEqual(expect.arrayContaining(small));
      expect(large).toEqual(rows.filter((r) => large.includes(r)));
      expect(new Set(take(shuffled, a).map(({ family }) => family)).size).toBe(new Set(take(rows, a).map(({ family }) => family)).size);
    }),
  );
  expect(take(rows, 100)).toEqual(rows);
  for (const n of [-1, 1.5, Number.NaN])
    expect(() => take(rows, n)).toThrow(`take: the number of rows must be a whole number >= 0, got ${n}`);
});

test("suites by name, by file, and unknown ones", async () => {
  expect(() => suiteRows({} as Datasets, "harmfull" as SuiteName)).toThrow('no suite is called "harmfull": choose harmful, harmbench');
  const test = [row("s", "verbs"), row("u", "verbs", undefined, "unsafe")];
  const data = {
    test,
    advbench: { test: [row("x", "advbench")] },
    harmbench: { test: [] },
    general: { test: [row("g", "general")] },
  } as unknown as Datasets;
  const build = async () => data;
  expect((await openSuite("look-alike-safe", build)).map(({ id }) => id)).toEqual(["s"]);
  expect((await openSuite("look-alike-unsafe", build)).map(({ id }) => id)).toEqual(["u"]);
  expect((await openSuite("harmful", build)).map(({ id }) => id)).toEqual(["x"]);
  expect((await openSuite("general", build)).map(({ id }) => id)).toEqual(["g"]);
  const never = () => Promise.reject(new Error("built"));
  expect((await openSuite(fixture("data-strongreject.csv"), never)).every(({ label }) => label === "unsafe")).toBe(true);
  await expect(openSuite("harmfull", never)).rejects.toThrow(
    `no suite is called "harmfull": choose ${suiteNames.join(", ")} or a .csv or .jsonl file`,
  );
  await expect(openSuite("no.csv", never)).rejects.toThrow("no.csv: no such file");
});
