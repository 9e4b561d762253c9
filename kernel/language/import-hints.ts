import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

import ts = require("typescript");

import { exportsName } from "./library-names.js";
import { declaredNames } from "./names.js";
import { parseCell } from "./parse-cell.js";

/** "Cannot find name 'x'", with and without another name that was meant; the last is of `{ x }`. */
const UNKNOWN_NAME = new Set([2304, 2552, 2503, 18004]);

/** What names mean that readers of packages' pages know, of the packages that come with the kernel. */
const known: Readonly<Record<string, string>> = {
  tf: 'import * as tf from "@tensorflow/tfjs";',
  dfd: 'import * as dfd from "danfojs-node";',
  DataFrame: 'import { DataFrame } from "danfojs-node";',
  Series: 'import { Series } from "danfojs-node";',
  marked: 'import { marked } from "marked";',
  z: 'import { z } from "zod";',
  OpenAI: 'import OpenAI from "openai";',
};

/**
 * What to import for a name that nothing declares: a completion can only write where the cursor stands, and the import stands elsewhere.
 * @returns a sentence; undefined where neither `erpo` nor a file beside the notebook nor Node nor a package of the kernel exports the name
 */
export function importHint({ code, start, length, file }: ts.Diagnostic, program: ts.Program): string | undefined {
  if (!UNKNOWN_NAME.has(code) || !file || start === undefined) return undefined;
  const name = file.text.slice(start, start + (length ?? 0));
  const lines = importsOf(name, program).slice(0, 2);
  return lines.length ? `It comes with: ${lines.join(" or ")}` : undefined;
}

function importsOf(name: string, program: ts.Program): string[] {
  const named = (module: string) => `import { ${name} } from "${module}";`;
  const files = localFiles(name, program.getCurrentDirectory()).map(named);
  if (exportsName(name)) return [named("erpo"), ...files];
  if (Object.hasOwn(known, name)) return [...files, known[name]!];
  const modules = program
    .getTypeChecker()
    .getAmbientModules()
    .filter((module) => module.name.startsWith('"node:'));
  if (modules.some((module) => module.name === `"node:${name}"`)) return [...files, `import ${name} from "node:${name}";`];
  return [...files, ...nodeModules(name, modules, program.getTypeChecker()).map(named)];
}

/** A module that has the same as another one. */
const VARIANT = /\/(?:posix|win32|strict)$/;

/** Node's modules that export a name: `path` first, where names such as `resolve` are meant for, then those with the shortest names. */
function nodeModules(name: string, modules: readonly ts.Symbol[], checker: ts.TypeChecker): string[] {
  const rank = (module: string) => (module === "node:path" ? 0 : module.length);
  return modules
    .filter((module) => checker.tryGetMemberInModuleExports(name, module) ?? propertyOf(name, module, checker))
    .map((module) => module.name.slice(1, -1))
    .filter((module) => !VARIANT.test(module))
    .sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

/** What `export =` gives a module beside its declarations, but for what a class or a function has anyway. */
function propertyOf(name: string, module: ts.Symbol, checker: ts.TypeChecker): ts.Symbol | undefined {
  const whole = module.exports?.get(ts.InternalSymbolName.ExportEquals);
  if (!whole) return undefined;
  const value = whole.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(whole) : whole;
  return value.flags & ts.SymbolFlags.Variable ? checker.getTypeOfSymbol(value).getProperty(name) : undefined;
}

/** More and longer files are not read for a hint. */
const [MAX_FILES, MAX_BYTES] = [200, 200_000];

/** Files of TypeScript in a folder that export a name, as a cell imports them. */
function localFiles(name: string, folder: string): string[] {
  return filesOf(folder)
    .filter((file) => /\.[cm]?tsx?$/.test(file) && !/\.d\.[cm]?ts$/.test(file))
    .slice(0, MAX_FILES)
    .filter((file) => exportsOf(join(folder, file), name))
    .map((file) => `./${file}`);
}

function filesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // removed meanwhile
  }
}

function exportsOf(file: string, name: string): boolean {
  try {
    if (statSync(file).size > MAX_BYTES) return false;
    const text = readFileSync(file, "utf8");
    return text.includes(name) && declaredNames(parseCell(text, file)).some((declared) => declared.name === name && declared.exported);
  } catch {
    return false; // a folder, or what may not be read
  }
}
