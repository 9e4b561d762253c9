import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { undeclaredOfLanguage } from "./undeclared.js";

import ts = require("typescript");

/** What every Node that the kernel runs on has of the language's own library; of the last one, see `OPTIONAL`. */
const LIBRARIES = ["es2023", "es2024.regexp", "es2024.sharedmemory", "esnext.disposable"];

/** Declarations of values in these that only some Nodes have. */
const OPTIONAL = /^declare var (SuppressedError|DisposableStack|AsyncDisposableStack): .*$/gm;

/** Iterators are `Disposable` there; in some Nodes they are not. */
const DISPOSABLE_ITERATORS = /^interface (IteratorObject|AsyncIteratorObject)<T, TReturn, TNext> extends (Disposable|AsyncDisposable) \{/gm;

/** What newer ones have, each with something that is there where all of it is. */
export const NEWER: readonly [library: string, isThere: () => boolean][] = [
  ["es2024.string", () => "isWellFormed" in String.prototype],
  ["es2024.arraybuffer", () => "transfer" in ArrayBuffer.prototype],
  ["es2024.object", () => "groupBy" in Object],
  ["es2024.collection", () => "groupBy" in Map],
  ["es2024.promise", () => "withResolvers" in Promise],
  ["esnext.collection", () => "union" in Set.prototype],
  ["esnext.iterator", () => "Iterator" in globalThis],
  ["esnext.array", () => "fromAsync" in Array],
  ["esnext.promise", () => "try" in Promise],
  ["esnext.error", () => "isError" in Error],
  ["esnext.float16", () => "Float16Array" in globalThis],
  ["esnext.sharedmemory", () => "pause" in Atomics],
];

/** The parts that the running Node has beside what all have. */
const newerParts = (): string[] => NEWER.filter(([, isThere]) => isThere()).map(([library]) => library);

/**
 * The declarations of the language's own library, as far as the running Node has it, as one file: the type checker merges what several files declare anew at every cell, and what
 * one file declares just once. A part that is a module for itself stays one.
 */
export function standardLibrary(newer: readonly string[] = newerParts()): { file: string; text: string }[] {
  const folder = dirname(ts.getDefaultLibFilePath({}));
  const seen = new Set<string>();
  const modules: { file: string; text: string }[] = [];
  const textOf = (name: string): string => {
    if (seen.has(name)) return "";
    seen.add(name);
    const file = join(folder, `lib.${name}.d.ts`);
    const text = readFileSync(file, "utf8");
    const needed = [...text.matchAll(/^\/\/\/ <reference lib="([\w.]+)" \/>/gm)].map(([, lib]) => textOf(lib!));
    const own = asItIs(text.replaceAll(/^\/\/\/ <reference .*$/gm, ""));
    const isModule = /^export \{\};$/m.test(own);
    if (isModule) modules.push({ file, text: own });
    return [...needed, ...(isModule ? [] : [own])].join("\n");
  };
  const text = [...[...LIBRARIES, ...newer].map(textOf), undeclaredOfLanguage()].join("\n");
  return [{ file: join(folder, "lib.cells.d.ts"), text }, ...modules];
}

/** The text without the values that the running Node does not have. The types of these stay: others name them. */
function asItIs(text: string): string {
  const there = text.replaceAll(OPTIONAL, (declaration, name) => (name in globalThis ? declaration : ""));
  if (Symbol.dispose in Object.getPrototypeOf(Object.getPrototypeOf([].values()))) return there;
  return there.replaceAll(DISPOSABLE_ITERATORS, "interface $1<T, TReturn, TNext> {");
}
