import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { RunFiles } from "../../reports/compare/files.js";
import { parseAxis } from "../../reports/sweep/axes.js";
import { readSuite } from "../../src/data/csv.js";
import { readJson } from "../../src/data/jsonl.js";
import { readPreferences } from "../../src/data/preferences.js";
import { readPrompts } from "../../src/evaluation/prompt-file.js";
import { readRules } from "../../src/exante/rule-file.js";
import { profile } from "../../src/runs/profile.js";
import { MAX_DEPTH, parseJsonText } from "../../src/setup/json.js";
import { readPlan } from "../../src/training/plan-file.js";
import { readRunConfig } from "../../src/training/run-config.js";

const folder = mkdtempSync(join(tmpdir(), "erpo-json-"));
const file = (name: string, text: string) => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
const why = `more than ${MAX_DEPTH} brackets inside each other`;

test("any JSON is read as JSON.parse reads it, brackets in texts and escaped quotes included", () => {
  const padding = " ".repeat(MAX_DEPTH); // short texts are not looked at
  fc.assert(
    fc.property(
      fc.oneof(
        fc.json(),
        fc.string({ unit: fc.constantFrom("[", "{", '"', "\\", "]") }).map((text) => JSON.stringify(text)),
      ),
      (text) => {
        expect(parseJsonText(padding + text)).toEqual(JSON.parse(text));
      },
    ),
  );
  expect(parseJsonText(JSON.stringify("[".repeat(1000)))).toBe("[".repeat(1000));
});

test("the depth that is allowed is read, one more is not, in lists and objects", () => {
  expect(parseJsonText(nested(MAX_DEPTH))).toHaveLength(1);
  expect(parseJsonText(`[${"[],".repeat(2000)}[]]`)).toHaveLength(2001); // beside each other
  expect(() => parseJsonText(nested(MAX_DEPTH + 1))).toThrow(why);
  expect(() => parseJsonText(`${'{"a":'.repeat(MAX_DEPTH + 1)}1${"}".repeat(MAX_DEPTH + 1)}`)).toThrow(why);
});

const deep = nested(100_000);
const row = `{"prompt":${deep},"label":"safe"}\n`;
test.each<[string, string, (path: string) => unknown]>([
  ["run.json", `{"model":${deep}}`, readRunConfig],
  ["batches.json", deep, (path) => readPlan(path, { rows: [], leftOut: [] })],
  ["prompts.jsonl", row, readPrompts],
  ["first.jsonl", row, (path) => readPrompts(path, 1)],
  ["suite.jsonl", row, readSuite],
  ["pairs.jsonl", row, readPreferences],
  ["profile.json", `{"name":${deep}}`, profile],
  ["any.json", `{"a":${deep}}`, readJson],
  ["rules.yaml", `rules: ${deep}`, readRules],
])("%s with brackets 100,000 deep is refused in one line that names it", (name, text, read) => {
  const path = file(name, text);
  let message = "";
  try {
    read(path);
  } catch (error) {
    message = (error as Error).message;
  }
  expect(message).toContain(why);
  expect(message).toContain(name);
  expect(message).not.toContain("\n");
});

test("a sweep's values and a compared run's files are refused likewise", () => {
  expect(() => parseAxis(`beta=${deep}`)).toThrow(`beta: has ${why}`);
  file("metrics.jsonl", `{"step":1}\n{"step":${deep}}\n`);
  const files = new RunFiles(folder);
  expect(files.lines("metrics.jsonl")).toEqual([{ step: 1 }]);
  expect(files.faults).toEqual(["metrics.jsonl: line 2 is not whole JSON and is left out"]);
});

test("a folder in a file's place is called one", () => {
  expect(() => readRunConfig(folder)).toThrow(new RegExp(`^${folder}: is a folder, not a file$`));
});
