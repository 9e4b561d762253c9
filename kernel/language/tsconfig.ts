import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import type ts from "typescript";

/** What is taken from the tsconfig.json of a notebook's folder; all else of it is for other programs. */
export type TakenOptions = Partial<Pick<ts.CompilerOptions, "baseUrl" | "paths" | "pathsBasePath" | "jsx" | "jsxImportSource">>;

/** How names of modules become files: TypeScript's `paths` and `baseUrl`. */
export interface PathMapping {
  /** Absolute; names are files below it. */
  baseUrl: string | undefined;
  /** Patterns with one `*` at most, and the absolute paths that they stand for, in order. */
  patterns: readonly { pattern: string; files: readonly string[] }[];
}

const known = new Map<string, TakenOptions>();

/**
 * Reads `paths`, `baseUrl`, `jsx` and `jsxImportSource` of FOLDER/tsconfig.json, or of what it extends, once a session. A broken file is told
 * on stderr and passed over.
 */
export function takenOptions(folder: string): TakenOptions {
  const before = known.get(folder);
  if (before) return before;
  const taken = read(join(folder, "tsconfig.json"));
  known.set(folder, taken);
  return taken;
}

function read(file: string): TakenOptions {
  if (!existsSync(file)) return {};
  const ts = createRequire(import.meta.url)("typescript") as typeof import("typescript"); // nine megabytes, which the loader's thread does without otherwise
  const { config, error } = ts.readConfigFile(file, ts.sys.readFile);
  if (error || !config) {
    process.stderr.write(`${file}: ${error ? ts.flattenDiagnosticMessageText(error.messageText, "\n") : "not read"}; it is passed over\n`);
    return {};
  }
  const noFiles = { ...ts.sys, readDirectory: () => [] }; // only the options are wanted
  const { options } = ts.parseJsonConfigFileContent(config, noFiles, dirname(file), undefined, file);
  const { ReactJSX, ReactJSXDev, React } = ts.JsxEmit;
  const { baseUrl, paths, pathsBasePath, jsx, jsxImportSource } = options;
  return {
    ...(baseUrl !== undefined && { baseUrl }),
    ...(paths && { paths }),
    ...(pathsBasePath !== undefined && { pathsBasePath }),
    ...(jsx !== undefined && [ReactJSX, ReactJSXDev, React].includes(jsx) && { jsx }), // what leaves JavaScript
    ...(jsxImportSource !== undefined && { jsxImportSource }),
  };
}

/** The mapping of a folder's tsconfig.json; undefined where it has none. */
export function pathMapping(folder: string): PathMapping | undefined {
  const { baseUrl, paths, pathsBasePath } = takenOptions(folder);
  if (baseUrl === undefined && !paths) return undefined;
  const base = baseUrl ?? String(pathsBasePath ?? folder);
  const patterns = Object.entries(paths ?? {}).map(([pattern, files]) => ({ pattern, files: files.map((file) => resolve(base, file)) }));
  return { baseUrl, patterns };
}
