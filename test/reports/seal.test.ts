import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { readReport } from "../../reports/provenance/read.js";
import { makeProject, steadyCells } from "./experiment.js";

let html: string;
beforeAll(async () => {
  html = readFileSync((await makeProject(steadyCells)).report, "utf8");
});

/** A report with another text, in a folder of its own. */
function altered(text: string): string {
  expect(text).not.toBe(html);
  const file = join(realpathSync(mkdtempSync(join(tmpdir(), "erpo-test-"))), "nb.html");
  writeFileSync(file, text);
  return file;
}

test("a changed character anywhere in a report is told", () => {
  const file = altered("");
  fc.assert(
    fc.property(fc.nat(html.length - 1), fc.constantFrom("x", "0", " ", '"'), (at, character) => {
      fc.pre(html[at] !== character);
      writeFileSync(file, html.slice(0, at) + character + html.slice(at + 1));
      let intact = false;
      try {
        intact = readReport(file).intact;
      } catch (error) {
        expect((error as Error).message).toMatch(/^\S+nb\.html: [^\n]+$/);
      }
      expect(intact).toBe(false);
    }),
    { numRuns: 300 },
  );
});

test.each<[string, (html: string) => string, string]>([
  ["changed JSON", (html) => html.replace('"seed": 3', '"seed": 4'), "its provenance was changed after the report was written"],
  [
    "no JSON",
    (html) => html.replace(/(data-sha256="[0-9a-f]{64}">)[^<]*/, "$1"),
    "its provenance was changed after the report was written",
  ],
  ["no seal", (html) => html.replace(/data-sha256="[0-9a-f]{64}"/, 'data-sha256=""'), "its provenance is damaged"],
  ["another page", () => "<!DOCTYPE html><p>provenance-json</p>", "not a report of a notebook by `erpo report`"],
])("%s ends in one line", (_, change, message) => {
  const report = altered(change(html));
  expect(() => readReport(report)).toThrow(`${report}: ${message}`);
});

test("JSON that was changed together with its seal still cannot make the check fail otherwise than in one line", () => {
  const forged = (json: string) =>
    altered(`<pre id="provenance-json" tabindex="0" data-sha256="${createHash("sha256").update(json).digest("hex")}">${json}</pre>`);
  const own = /<pre id="provenance-json"[^>]*>([^<]*)/.exec(html)![1]!;
  expect(() => readReport(forged(own))).not.toThrow();
  for (const json of [
    own.replace('"format": 1', '"format": 2'),
    "null",
    "[]",
    '{"format":1}',
    '{"format":1,"page_sha256":"","notebook":{"file":3}}',
    "nonsense",
  ]) {
    expect(() => readReport(forged(json))).toThrow(/its provenance has a form that this version of erpo does not know/);
  }
});
