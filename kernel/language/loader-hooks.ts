import { createHash } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { LoadHook, ResolveHook } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import { noteFile, noteModule } from "../session/file-notes.js";
import { isBare, isKernelPackage, kernelImporter, kernelRoot, library } from "./packages.js";

/**
 * Hooks of Node's module loader, in the loader's own thread: the kernel's packages from any folder, local TypeScript and JSON files
 * (read again when they have changed), and packages that the notebook's folder lacks.
 */

const kernelURL = pathToFileURL(kernelImporter).href;
const inKernel = (url: string | undefined) => url?.startsWith(`${pathToFileURL(kernelRoot).href}/`) && url !== kernelURL;

export const resolve: ResolveHook = async (specifier, context, next) => {
  noteModule(specifier);
  const outside = !inKernel(context.parentURL) || !context.parentURL?.includes("/node_modules/");
  if (outside && specifier === "erpo") return { url: pathToFileURL(library.code).href, format: "module", shortCircuit: true };
  if (outside && isKernelPackage(specifier)) return next(specifier, { ...context, parentURL: kernelURL });
  const local = typescriptFile(specifier, context.parentURL);
  if (local) return { url: await versioned(local), format: "module", shortCircuit: true };
  try {
    const found = await next(specifier, context);
    return found.url.endsWith(".json") && !found.url.includes("/node_modules/") ? { ...found, url: await versioned(found.url) } : found;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND" || !isBare(specifier) || inKernel(context.parentURL)) throw error;
    try {
      return await next(specifier, { ...context, parentURL: kernelURL });
    } catch {
      throw error;
    }
  }
};

export const load: LoadHook = async (url, context, next) => {
  const path = url.split("?")[0]!;
  if (path.startsWith("file:")) noteFile("read", fileURLToPath(path));
  if (path.startsWith("file:") && /\.m?ts$/.test(path)) {
    const { default: ts } = await import("typescript");
    const { outputText } = ts.transpileModule(await readFile(fileURLToPath(path), "utf8"), {
      fileName: fileURLToPath(path),
      compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, inlineSourceMap: true, inlineSources: true },
    });
    return { format: "module", source: outputText, shortCircuit: true };
  }
  if (path.startsWith("file:") && path.endsWith(".json")) {
    const text = JSON.stringify(JSON.parse(await readFile(fileURLToPath(path), "utf8")));
    return { format: "module", source: `export default ${text};`, shortCircuit: true };
  }
  return next(url, context);
};

/** The URL of a local TypeScript file that `specifier` means: `./a.ts`, `./a`, or `./a.js` where only `a.ts` exists. */
function typescriptFile(specifier: string, parentURL: string | undefined): string | undefined {
  if (!/^(\.{0,2}\/|file:)/.test(specifier) || !parentURL?.startsWith("file:") || inKernel(parentURL)) return undefined;
  const base = new URL(specifier, parentURL).href.split("?")[0]!;
  const exists = (url: string) => {
    const path = fileURLToPath(url);
    noteFile("probe", path);
    return existsSync(path) && statSync(path).isFile();
  };
  if (exists(base)) return /\.m?ts$/.test(base) ? base : undefined;
  for (const url of [`${base}.ts`, base.replace(/\.(m?)js$/, ".$1ts"), `${base}/index.ts`]) if (exists(url)) return url;
  return undefined;
}

/** A file that has changed is another module, and so is one that imports it, through however many others. */
async function versioned(url: string): Promise<string> {
  const files = new Map<string, number>();
  const pending = [url];
  for (let file = pending.pop(); file !== undefined; file = pending.pop()) {
    if (files.has(file)) continue;
    files.set(file, statSync(fileURLToPath(file)).mtimeMs);
    if (/\.m?ts$/.test(file)) pending.push(...(await localImports(file)));
  }
  const parts = [...files].sort().map(([file, time]) => `${file} ${time}\n`);
  return `${url}?v=${createHash("sha256").update(parts.join("")).digest("hex").slice(0, 16)}`;
}

/** The local TypeScript files that a file imports. */
async function localImports(url: string): Promise<string[]> {
  const { default: ts } = await import("typescript");
  const { importedFiles } = ts.preProcessFile(await readFile(fileURLToPath(url), "utf8"));
  return importedFiles.map(({ fileName }) => typescriptFile(fileName, url)).filter((file) => file !== undefined);
}
