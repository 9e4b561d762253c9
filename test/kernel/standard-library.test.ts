import { expect, test } from "vitest";
import { NEWER, standardLibrary } from "../../kernel/language/standard-library.js";

import ts = require("typescript");

/** What a checker that knows nothing but this library finds in `code`. */
function faults(code: string, newer?: readonly string[]): string[] {
  const files = new Map(standardLibrary(newer).map(({ file, text }) => [file, text]));
  files.set("/cell.ts", code);
  const options = { noLib: true, target: ts.ScriptTarget.ESNext, types: [], strict: true };
  const host = ts.createCompilerHost(options);
  const program = ts.createProgram([...files.keys()], options, {
    ...host,
    fileExists: (file) => files.has(file),
    readFile: (file) => files.get(file),
    getSourceFile: (file, target) => (files.has(file) ? ts.createSourceFile(file, files.get(file)!, target) : undefined),
  });
  const found = [...program.getGlobalDiagnostics(), ...program.getSemanticDiagnostics(program.getSourceFile("/cell.ts"))];
  return found.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"));
}

const everything = NEWER.map(([library]) => library);
const PLAIN = "const all: Promise<number[]> = Promise.all([1, 2].map((n) => Promise.resolve(n))); Symbol.dispose; all";

test.each([["none"], ["all"], ...everything.map((library) => [library])])(
  "with %s of what newer Nodes have, the rest has its types",
  (which) => {
    const newer = which === "none" ? [] : which === "all" ? everything : [which];
    expect(faults(PLAIN, newer)).toEqual([]);
  },
);

test("what a newer Node has, its cells have; on an older one it is a fault", () => {
  const code =
    "[1, 2].values().map((n: number) => 2 * n).toArray().length; new Set([1]).union(new Set([2])); Promise.withResolvers<number>();";
  expect(faults(code, everything)).toEqual([]);
  expect(faults(code, [])).toHaveLength(3);
});
