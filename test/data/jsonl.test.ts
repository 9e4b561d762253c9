import { appendFileSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { DataError } from "../../src/data/errors.js";
import { appendJsonl, formatJsonl, parseJsonl, readFirstJsonl, readJsonl } from "../../src/data/jsonl.js";
import { FileError } from "../../src/setup/atomic.js";

const folder = () => mkdtempSync(join(tmpdir(), "erpo-jsonl-"));

test("what is written is what is read", () => {
  fc.assert(
    fc.property(
      fc.array(fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.integer(), fc.boolean()), { noNullPrototype: true })),
      (rows) => {
        expect(parseJsonl(formatJsonl(rows), "x").map(({ value }) => value)).toEqual(JSON.parse(JSON.stringify(rows)));
      },
    ),
  );
});

test("a wrong line is named with its file and number", () => {
  const path = join(folder(), "rows.jsonl");
  writeFileSync(path, '{"a":1}\n\n{"a":\n');
  expect(() => readJsonl(path)).toThrow(`${path}:3: not JSON`);
  writeFileSync(path, "[1]\n");
  expect(() => readJsonl(path)).toThrow(`${path}:1: expected a JSON object`);
  const csv = join(folder(), "rows.csv");
  writeFileSync(csv, "prompt,label\na,safe\n");
  for (const read of [readJsonl, (file: string) => readFirstJsonl(file, 1)])
    expect(() => read(csv)).toThrow(/rows\.csv:1: not JSON \(.*\): give JSON Lines, an object per line, in the place of CSV$/);
  expect(() => readJsonl(`${path}x`)).toThrow(new DataError(`${path}x: no such file`));
});

test("a file that cannot be written is named", () => {
  expect(() => appendJsonl("/proc/no/f.jsonl")).toThrow(
    new FileError("/proc/no/f.jsonl: cannot be written (ENOENT: no such file or directory)"),
  );
});

test("however a write was cut off, whole rows stay and the next one fits", () => {
  const rows = [{ id: "a", text: "grün" }, { id: "b", text: "line\nbreak" }, { id: "c" }];
  const bytes = Buffer.from(formatJsonl(rows));
  for (let cut = 0; cut <= bytes.length; cut += 1) {
    const path = join(folder(), "results.jsonl");
    writeFileSync(path, bytes.subarray(0, cut));
    // A row counts when all of it but perhaps its newline is there.
    const whole = rows.filter((_, i) => Buffer.byteLength(formatJsonl(rows.slice(0, i + 1))) - 1 <= cut);
    const log = appendJsonl(path);
    expect(log.rows).toEqual(whole);
    log.append({ id: "next" });
    log.close();
    expect(readJsonl(path).map(({ value }) => value)).toEqual([...whole, { id: "next" }]);
  }
});

test("a torn line in the middle is an error, not a repair", () => {
  const path = join(folder(), "results.jsonl");
  writeFileSync(path, '{"a":1}\n{"a"');
  appendFileSync(path, '\n{"a":3}\n');
  expect(() => appendJsonl(path)).toThrow(`${path}:2: not JSON`);
});
