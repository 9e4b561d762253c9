import { readFileSync } from "node:fs";
import Module, { createRequire } from "node:module";
import type ts from "typescript";
import { modifiedMs } from "../session/file-states.js";
import { isOwnFile } from "./packages.js";
import { registerFile } from "./stack.js";
import { transpile } from "./transpile.js";

interface Loadable extends NodeJS.Module {
  _compile(code: string, file: string): unknown;
}

type Extensions = Record<string, (module: Loadable, file: string) => void>;

/** Who is told of what is loaded. */
export interface Loads {
  /** What a cell or a local file requires. */
  beforeRequire(specifier: string): void;
  /** A CommonJS file that was loaded, by `require` or `import`, and what it exports. */
  afterLoad(file: string, exports: unknown): void;
}

/** When each file was modified, in ms, as it was loaded. */
const loaded = new Map<string, number>();

/**
 * Makes `require` load local TypeScript files, whose frames tracebacks then map, and note when it loads a file.
 * @param folder the notebook's folder
 */
export function serveCommonjs(folder: string, loads: Loads): void {
  const { _extensions: extensions } = Module as unknown as { _extensions: Extensions };
  const typescript = (module: Loadable, file: string) => {
    const source = readFileSync(file, "utf8");
    const compiler = createRequire(import.meta.url)("typescript") as typeof ts; // nine megabytes, which most sessions do without in this thread
    const { code, sourceMap } = transpile(compiler, source, file, compiler.ModuleKind.CommonJS);
    registerFile(file, folder, source, sourceMap);
    module._compile(code, file);
  };
  Object.assign(extensions, { ".ts": typescript, ".cts": typescript });
  for (const [extension, load] of Object.entries(extensions)) {
    extensions[extension] = (module, file) => {
      if (isOwnFile(file)) {
        loaded.set(file, modifiedMs(file));
        tellOfRequires(module, loads);
      }
      load(module, file);
      loads.afterLoad(file, module.exports);
    };
  }
}

/** Tells of what a module requires, before it does. */
function tellOfRequires(module: NodeJS.Module, loads: Loads): void {
  const { require } = module;
  const value = (id: string) => {
    loads.beforeRequire(id);
    return require.call(module, id);
  };
  Object.defineProperty(module, "require", { configurable: true, writable: true, value });
}

/** Makes local CommonJS files that have changed be loaded again, and those that require them, through however many others. Node keeps each under its path. */
export function forgetChanged(): void {
  if (loaded.size === 0) return;
  const { cache } = createRequire(import.meta.url);
  const kept = [...loaded.keys()].map((file) => cache[file]).filter((module) => module !== undefined);
  const forgotten = new Set(kept.filter(({ filename }) => modifiedMs(filename) !== loaded.get(filename)));
  for (const module of forgotten) {
    for (const parent of kept) if (parent.children.includes(module)) forgotten.add(parent); // a set's loop comes to what is added meanwhile
    delete cache[module.filename];
    loaded.delete(module.filename);
  }
}
