import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { readSuite } from "../../src/data/csv.js";
import { csvRecords, formatCsv } from "../../src/data/csv-records.js";
import { readFirstJsonl, readJsonl } from "../../src/data/jsonl.js";
import { readPrompts } from "../../src/evaluation/prompt-file.js";
import { openSuite, rowsFor, take } from "../../src/evaluation/suites.js";

const folder = mkdtempSync(join(tmpdir(), "erpo-beginning-"));
const at = (name: string) => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true }));

/** Rows of all sorts: commas, quotes, line breaks in quotes, characters of several bytes; 3 MB of them, over the places where reading stops for the time being. */
const rows = Array.from({ length: 20_000 }, (_, i) => ({
  prompt: `row ${i} ${"é\u{1F600}".repeat(i % 17)}${i % 3 ? "" : ', "q"\n'}${"x".repeat(i % 60)}`,
  label: i % 2 ? "safe" : "unsafe",
}));

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);

test("the first rows of a file are those of the whole file, wherever reading stops", () => {
  writeFileSync(at("rows.csv"), formatCsv(["prompt", "label"], rows));
  writeFileSync(at("rows.jsonl"), `\uFEFF${rows.map((row, i) => `${JSON.stringify(row)}\n${i % 5 ? "" : "\n"}`).join("")}`);
  const csv = csvRecords(at("rows.csv"), ["prompt"]);
  const jsonl = readJsonl(at("rows.jsonl"));
  expect(
    same(
      csv.map(({ value }) => value),
      rows,
    ),
  ).toBe(true);
  for (const n of [1, 7_001, 19_999, 20_000, 10 ** 9]) {
    expect(same(csvRecords(at("rows.csv"), ["prompt"], { rows: n }), csv.slice(0, n)), `${n} of CSV`).toBe(true);
    expect(same(readFirstJsonl(at("rows.jsonl"), n), jsonl.slice(0, n)), `${n} of JSON Lines`).toBe(true);
  }
});

test("a row in which reading stops is read to its end", () => {
  const long = `${"x".repeat(1 << 20)}y`;
  writeFileSync(at("torn.csv"), `prompt\n${long}\n`);
  expect(csvRecords(at("torn.csv"), ["prompt"], { rows: 1 })[0]!.value.prompt!.length).toBe(long.length);
  writeFileSync(at("torn.jsonl"), `${JSON.stringify({ long })}\n`);
  expect(readFirstJsonl(at("torn.jsonl"), 1)).toHaveLength(1);
});

test("a few rows of files of 8 GB: what lies behind is not read, and may be broken", async () => {
  const [csv, jsonl] = [at("huge.csv"), at("huge.jsonl")];
  writeFileSync(csv, `prompt,label\n${"a question,safe\n".repeat(100_000)}`);
  writeFileSync(jsonl, '{"prompt":"a question","label":"safe"}\n'.repeat(50_000));
  for (const path of [csv, jsonl]) {
    truncateSync(path, 8e9); // zeros, which take no room
    expect(readSuite(path, { rows: 2 })).toMatchObject([{ prompt: "a question" }, { label: "safe" }]);
    expect(await openSuite(path, () => Promise.reject(new Error("no data sets")), { rows: rowsFor(2) })).toHaveLength(5_000);
  }
  expect(readPrompts(jsonl, 3).map(({ line }) => line)).toEqual([1, 2, 3]);
});

test("a smaller subset of a long file is part of a larger one", () => {
  writeFileSync(at("long.csv"), `prompt,label,family\n${Array.from({ length: 21_000 }, (_, i) => `p${i},safe,f${i % 3}\n`).join("")}`);
  const ids = (n: number) => take(readSuite(at("long.csv"), { rows: rowsFor(n) }), n).map(({ id }) => id);
  const [few, more, most] = [ids(5), ids(4_000), ids(20_500)];
  expect(few).toHaveLength(5);
  expect(most).toHaveLength(20_500);
  const isPart = (part: readonly string[], of: readonly string[]) => new Set([...of, ...part]).size === of.length;
  expect([isPart(few, more), isPart(more, most)]).toEqual([true, true]);
});

test("an open quote in the rows that are asked for is named; a folder and a missing file too", () => {
  writeFileSync(at("open.csv"), `prompt,label\n"never closed,safe\n${"x,safe\n".repeat(300_000)}`);
  expect(() => readSuite(at("open.csv"), { rows: 2 })).toThrow(/open\.csv: not CSV \(Quote Not Closed/);
  expect(() => readFirstJsonl(folder, 2)).toThrow(`${folder}: is a folder, not a file`);
  expect(() => readFirstJsonl(at("none.jsonl"), 2)).toThrow(`${at("none.jsonl")}: no such file`);
});
