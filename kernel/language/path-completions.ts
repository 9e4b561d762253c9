import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

import ts = require("typescript");

import { kernelRoot } from "./packages.js";
import { parseCell } from "./parse-cell.js";

/** What may stand in a string, in the place of its text from `start` on. */
export interface PathCompletions {
  /** In code units. */
  start: number;
  entries: { name: string; kind: ts.ScriptElementKind }[];
}

const MOST = 500;

/**
 * What may stand in the string at a position beside what the language service knows: the kernel's packages where a module is named; files and folders, from the notebook's folder,
 * in an argument of a call and wherever there is a slash. Undefined outside strings.
 */
export function pathCompletions(folder: string, code: string, position: number): PathCompletions | undefined {
  const literal = stringAt(parseCell(code), position);
  if (!literal) return undefined;
  const start = literal.getStart() + 1;
  const text = code.slice(start, position);
  if (isModule(literal)) return { start, entries: modules(text).map((name) => ({ name, kind: ts.ScriptElementKind.externalModuleName })) };
  if (!text.includes("/") && !ts.isCallExpression(literal.parent)) return undefined;
  const behind = text.lastIndexOf("/") + 1;
  return { start: start + behind, entries: files(resolve(folder, text.slice(0, behind)), text.slice(behind)) };
}

function stringAt(node: ts.Node, position: number): ts.StringLiteralLike | undefined {
  if (ts.isStringLiteralLike(node)) {
    const isClosed = node.end - node.getStart() > 1 && node.getText().at(-1) === node.getText()[0];
    return node.getStart() < position && (isClosed ? position < node.end : position <= node.end) ? node : undefined;
  }
  return ts.forEachChild(node, (child) => (child.pos <= position && position <= child.end ? stringAt(child, position) : undefined));
}

/** Whether a string names a module. */
function isModule({ parent }: ts.StringLiteralLike): boolean {
  if (ts.isCallExpression(parent)) {
    const called = parent.expression;
    return called.kind === ts.SyntaxKind.ImportKeyword || (ts.isIdentifier(called) && called.text === "require");
  }
  return ts.isImportDeclaration(parent) || ts.isExportDeclaration(parent) || ts.isExternalModuleReference(parent);
}

let packages: string[] | undefined;

/** The kernel's packages that begin so; behind a package's slash, what it offers beside itself. */
function modules(prefix: string): string[] {
  packages ??= ["erpo", "tslab", ...dependencies(kernelRoot)];
  const home = packages.find((name) => prefix.startsWith(`${name}/`));
  if (home !== undefined) return subpaths(home).filter((name) => name.startsWith(prefix));
  return packages.filter((name) => name.startsWith(prefix));
}

const dependencies = (folder: string): string[] =>
  Object.keys(packageFile(folder).dependencies ?? {}).filter((name) => !name.startsWith("@types/"));

function subpaths(name: string): string[] {
  const { exports } = packageFile(join(kernelRoot, "node_modules", name));
  const places = typeof exports === "object" && exports !== null ? Object.keys(exports) : [];
  return places
    .filter((place) => place.startsWith("./") && !place.includes("*") && !place.endsWith(".json"))
    .map((place) => join(name, place));
}

function packageFile(folder: string): { dependencies?: object; exports?: unknown } {
  try {
    return JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  } catch {
    return {}; // not installed
  }
}

/** Files and folders whose names begin so; hidden ones where a dot is typed. */
function files(folder: string, prefix: string): PathCompletions["entries"] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter(({ name }) => name.startsWith(prefix) && (prefix.startsWith(".") || !name.startsWith(".")) && !/["'`\\\n]/.test(name))
      .slice(0, MOST)
      .map((entry) =>
        entry.isDirectory()
          ? { name: `${entry.name}/`, kind: ts.ScriptElementKind.directory }
          : { name: entry.name, kind: ts.ScriptElementKind.scriptElement },
      );
  } catch {
    return []; // no folder, or not ours to read
  }
}
