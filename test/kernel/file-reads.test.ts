import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { createLanguage } from "../../kernel/language/language.js";

import ts = require("typescript");

/** What the type checker reads of the disk: to read what Node's types say of themselves again took a tenth of a cell's time. */

const folder = mkdtempSync(join(tmpdir(), "erpo-reads-"));
const language = createLanguage(folder, new Set(), () => false);
const read = vi.spyOn(ts.sys, "readFile");

/** Checks a cell, which must be sound, and takes it to have run. @returns the files that were read */
function compile(code: string, names: string[] = []): string[] {
  read.mockClear();
  const compiled = language.compile(code, "strict");
  if ("faults" in compiled) throw new Error(compiled.faults.map(({ message }) => message).join("\n"));
  language.commit({ label: "In[1]", code, names });
  return read.mock.calls.map(([file]) => file);
}

test("a cell that uses the names of earlier ones reads no file; one with an import looks again", () => {
  language.readNode();
  compile("function next(x: number): number { return x + 1; }", ["next"]);
  compile("interface Pair { left: number; right: number }", ["Pair"]);
  const cells = ["next(1)", "next(2)", "next(3)", "const pair: Pair = { left: next(4), right: 5 };"];
  const reads = cells.map((code) => compile(code, code.includes("const") ? ["pair"] : []));
  expect(reads[1]!.length).toBeGreaterThan(0); // a cell's module has joined the program: what packages say of themselves is read once more
  expect(reads.slice(2)).toEqual([[], []]);

  writeFileSync(join(folder, "local.ts"), "export const local = 6;");
  const importing = 'import { local } from "./local"; next(local)';
  expect(compile(importing).length).toBeGreaterThan(0);
  expect(compile(importing).length).toBeGreaterThan(0);
});
