import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";

import ts = require("typescript");

/** What cells may use of the language's own library. */
const LIBRARIES = ["es2023", "esnext.disposable"];

/**
 * The declarations of the language's own library as one file: the type checker merges what several files declare anew at every cell, and what
 * one file declares just once.
 */
export function standardLibrary(): { file: string; text: string } {
  const folder = dirname(ts.getDefaultLibFilePath({}));
  const seen = new Set<string>();
  const textOf = (name: string): string => {
    if (seen.has(name)) return "";
    seen.add(name);
    const text = readFileSync(join(folder, `lib.${name}.d.ts`), "utf8");
    const needed = [...text.matchAll(/^\/\/\/ <reference lib="([\w.]+)" \/>/gm)].map(([, lib]) => textOf(lib!));
    return [...needed, text.replaceAll(/^\/\/\/ <reference .*$/gm, "")].join("\n");
  };
  return { file: join(folder, "lib.cells.d.ts"), text: LIBRARIES.map(textOf).join("\n") };
}
