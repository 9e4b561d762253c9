import { appendFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { createRng } from "../../src/backend/random.js";
import { allRows, buildDatasets, type Datasets } from "../../src/data/dataset.js";
import { jaccard, wordSet } from "../../src/data/near-duplicates.js";
import { loadDatasets, manifestOf, writeDatasets } from "../../src/data/store.js";

let sets: Datasets;
beforeAll(async () => {
  sets = await buildDatasets({ seed: 1, rng: createRng(1) });
});

test("no training prompt is near to any held-out prompt (every pair compared)", () => {
  const { general } = sets;
  const train = [...sets.train1, ...sets.train2, ...general.train1, ...general.train2].map((row) => wordSet(row.prompt));
  const held = [...sets.dev, ...sets.test, ...general.dev, ...general.test, ...sets.advbench.test, ...sets.harmbench.test];
  for (const row of held) {
    const words = wordSet(row.prompt);
    expect(train.some((other) => jaccard(words, other) >= 0.6)).toBe(false);
  }
}, 60_000);

test("AdvBench is for testing only, and its sample does not hang on the seed", async () => {
  expect(sets.advbench.test).toHaveLength(100);
  const own = [...sets.train1, ...sets.train2, ...sets.dev];
  expect(own.filter(({ source }) => source !== "authored" && source !== "do-not-answer")).toEqual([]);
  const other = await buildDatasets({ seed: 2, rng: createRng(2) });
  expect(other.advbench).toEqual(sets.advbench);
  expect(other.train1.map(({ id }) => id)).not.toEqual(sets.train1.map(({ id }) => id));
});

test("every row of every set has a unique id, a split that fits, and training rows all that a trace needs", () => {
  const rows = allRows(sets);
  expect(new Set(rows.map(({ id }) => id)).size).toBe(rows.length);
  for (const split of ["train1", "train2"] as const) {
    for (const row of sets[split]) expect(row).toMatchObject({ split, sense: expect.any(String), target: expect.any(String) });
  }
});

test("one seed gives one set of bytes; what is stored is what is loaded", async () => {
  const dir = mkdtempSync(join(tmpdir(), "erpo-data-"));
  const manifest = writeDatasets(dir, sets);
  expect(loadDatasets(dir)).toEqual(sets);
  expect(manifestOf(await buildDatasets({ seed: 1, rng: createRng(1) }))).toEqual(manifest);
  expect(JSON.parse(readFileSync(join(dir, "manifest.json"), "utf8"))).toEqual(manifest);
  expect(manifest.files.reduce((sum, { rows }) => sum + rows, 0)).toBe(allRows(sets).length);
  expect(manifest.sources.reduce((sum, { rows }) => sum + rows, 0)).toBe(allRows(sets).length);
});

test("a changed or missing file is named", () => {
  const dir = mkdtempSync(join(tmpdir(), "erpo-data-"));
  writeDatasets(dir, sets);
  appendFileSync(join(dir, "dev.jsonl"), "\n");
  expect(() => loadDatasets(dir)).toThrow(
    `${join(dir, "dev.jsonl")}: has changed since it was written (SHA-256 differs from manifest.json): remove ${dir}, and the data is built again`,
  );
  rmSync(join(dir, "dev.jsonl"));
  expect(() => loadDatasets(dir)).toThrow(`${join(dir, "dev.jsonl")}: no such file`);
  rmSync(join(dir, "manifest.json"));
  expect(() => loadDatasets(dir)).toThrow(`${join(dir, "manifest.json")}: no such file`);
});
