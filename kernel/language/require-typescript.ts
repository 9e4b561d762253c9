import { readFileSync } from "node:fs";
import Module, { createRequire } from "node:module";
import type ts from "typescript";
import { registerFile } from "./stack.js";
import { transpile } from "./transpile.js";

interface Loadable extends NodeJS.Module {
  _compile(code: string, file: string): unknown;
}

/** Makes `require` load local TypeScript files, whose frames tracebacks then map. @param folder the notebook's folder */
export function requireTypescript(folder: string): void {
  const { _extensions: extensions } = Module as unknown as { _extensions: Record<string, (module: Loadable, file: string) => void> };
  extensions[".ts"] = (module, file) => {
    const source = readFileSync(file, "utf8");
    const compiler = createRequire(import.meta.url)("typescript") as typeof ts; // nine megabytes, which most sessions do without in this thread
    const { code, sourceMap } = transpile(compiler, source, file, compiler.ModuleKind.CommonJS);
    registerFile(file, folder, source, sourceMap);
    module._compile(code, file);
  };
}
