import { execFileSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { createLanguage } from "../../kernel/language/language.js";
import { typeRoot } from "../../kernel/language/packages.js";
import { NEWER, standardLibrary } from "../../kernel/language/standard-library.js";
import { LANGUAGE, NODE } from "../../kernel/language/undeclared.js";
import { packageRoot } from "../../src/setup/paths.js";

import ts = require("typescript");

/** What cells may use is what the running Node has. */

const language = createLanguage(mkdtempSync(join(tmpdir(), "erpo-newer-")), new Set(), () => false);

/** The faults of a cell. */
const faults = (code: string): string[] => {
  const compiled = language.compile(code, "strict");
  return "faults" in compiled ? compiled.faults.map(({ message }) => message) : [];
};

/** The names that a plain Node has on its global object. With `-e` it has more. */
const script = join(mkdtempSync(join(tmpdir(), "erpo-newer-")), "globals.mjs");
writeFileSync(script, "console.log(JSON.stringify(Object.getOwnPropertyNames(globalThis)))");
const there: string[] = JSON.parse(execFileSync(process.execPath, [script], { encoding: "utf8" }));

test("every global of the running Node has a type", () => {
  expect(faults(there.map((name) => `void ${name};`).join("\n"))).toEqual([]);
});

/** Declared by `@types/node` for all Nodes; each is there with a flag of Node's only, or in a module's file. */
const ELSEWHERE = ["EventSource", "gc", "exports", "module", "require", "__dirname", "__filename"];

test("no global has a type that the running Node does not have", () => {
  const { service, file } = language.open("");
  const program = service.getProgram()!;
  const found = program
    .getTypeChecker()
    .getSymbolsInScope(program.getSourceFile(file)!, ts.SymbolFlags.Variable | ts.SymbolFlags.Function | ts.SymbolFlags.Class);
  const names = found
    .map(({ name }) => name)
    .filter((name) => !["prompt", "confirm", "undefined", "arguments", ...ELSEWHERE].includes(name));
  expect(names.filter((name) => !there.includes(name))).toEqual([]);
});

/** Uses of what newer Nodes have, and whether the running one has it. */
test.each([
  ["a global of Node's", "navigator", "navigator.hardwareConcurrency.toFixed();"],
  ["a socket", "WebSocket", "const open = (url: string) => new WebSocket(url).addEventListener('message', ({ data }) => data);"],
  ["an event", "CloseEvent", "const codeOf = (e: CloseEvent): number => e.code; codeOf(new CloseEvent('close', { code: 1 }));"],
  ["a pattern", "URLPattern", "const id = new URLPattern({ pathname: '/:id' }).exec('https://a/b')?.pathname.groups.id;"],
  ["a stack of resources", "DisposableStack", "using all = new DisposableStack(); all.defer(() => {});"],
  ["a resource that is an iterator", "DisposableStack", "using items = [1].values();"],
  ["a text for a regular expression", "RegExp.escape", "new RegExp(RegExp.escape('a.b'));"],
  ["a piece of JSON", "JSON.rawJSON", "JSON.stringify([JSON.rawJSON('1e3')]);"],
  ["a duration", "Intl.DurationFormat", "const text: string = new Intl.DurationFormat('en', { style: 'short' }).format({ hours: 1 });"],
  ["a wait on shared memory", "Atomics.waitAsync", "Atomics.waitAsync(new Int32Array(new SharedArrayBuffer(4)), 0, 1).async;"],
  [
    "a module",
    "process.getBuiltinModule?.('node:sqlite')",
    "import { DatabaseSync } from 'node:sqlite'; new DatabaseSync(':memory:').close();",
  ],
  [
    "a function of a module",
    "process.getBuiltinModule?.('fs').glob",
    "import { glob } from 'node:fs/promises'; for await (const f of glob('*')) f.length;",
  ],
])("%s passes where it is there: %s", (_, what, code) => {
  const isThere = execFileSync(process.execPath, ["-p", `try { (${what}) !== undefined } catch { false }`], { encoding: "utf8" }).trim();
  expect([what, faults(code).length === 0]).toEqual([what, isThere === "true"]);
});

test("the declarations are without fault, and say what their uses give", () => {
  const at = (name: string) => join(packageRoot(), name); // nothing is written there
  const texts = new Map(standardLibrary(NEWER.map(([library]) => library)).map(({ file, text }) => [file, text]));
  texts.set(
    at("language.d.ts"),
    LANGUAGE.filter(({ isThere }) => !isThere())
      .map(({ text }) => text)
      .join("\n"),
  );
  texts.set(at("node.d.ts"), `/// <reference types="node" />\n${NODE.map(({ text }) => text).join("\n")}`);
  const uses = `
    import { DatabaseSync } from "node:sqlite"; import { globSync, glob } from "node:fs"; import { zstdCompressSync } from "node:zlib"; import { diff } from "node:util";
    const row = new DatabaseSync(":memory:").prepare("select ? as n").get(1)?.n;
    const sum: number = diff("a", "b").reduce((all, [operation]) => all + operation, row === null ? 0 : 1);
    glob("*", { withFileTypes: true }, (_, entries) => entries[0]?.isFile());
    export const sizes: number[] = [...globSync("*").map((name) => name.length), zstdCompressSync("x").length, sum];`;
  texts.set(at("uses.ts"), uses);
  const options: ts.CompilerOptions = {
    noLib: true, // `standardLibrary` stands for it
    strict: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    typeRoots: [typeRoot()],
    types: [],
  };
  const host = ts.createCompilerHost(options);
  const program = ts.createProgram([...texts.keys()], options, {
    ...host,
    fileExists: (file) => texts.has(file) || host.fileExists(file),
    readFile: (file) => texts.get(file) ?? host.readFile(file),
    getSourceFile: (file, target, ...rest) =>
      texts.has(file) ? ts.createSourceFile(file, texts.get(file)!, target) : host.getSourceFile(file, target, ...rest),
  });
  const found = [at("language.d.ts"), at("node.d.ts"), at("uses.ts")].flatMap((file) =>
    program.getSemanticDiagnostics(program.getSourceFile(file)),
  );
  expect(
    found.map(({ file, start, messageText }) => [file?.text.slice(start, start! + 40), ts.flattenDiagnosticMessageText(messageText, "\n")]),
  ).toEqual([]);
});

test("every part of TypeScript's library is taken or left out knowingly", () => {
  const folder = dirname(ts.getDefaultLibFilePath({}));
  const known = ["es2024.full", "es2024", "esnext.full", "esnext", "esnext.intl", "esnext.decorators"]; // collections, one that is empty, and what no Node has
  const taken = [...NEWER.map(([library]) => library), "es2024.regexp", "es2024.sharedmemory", "esnext.disposable"];
  const parts = ts.sys
    .readDirectory(folder, [".d.ts"], undefined, ["lib.*"])
    .flatMap((file) => /lib\.((?:es20(?:2[4-9]|[3-9]\d)|esnext)\b.*)\.d\.ts$/.exec(file)?.[1] ?? []);
  expect(parts.filter((part) => !taken.includes(part) && !known.includes(part))).toEqual([]);
  expect(taken.filter((part) => !parts.includes(part))).toEqual([]);
});
