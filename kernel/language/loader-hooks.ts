import { createHash } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { type InitializeHook, isBuiltin, type LoadHook, type ResolveHook } from "node:module";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { MessagePort } from "node:worker_threads";
import { notePackage } from "../session/file-lookups.js";
import { noteFile, noteModule } from "../session/file-notes.js";
import { mappedFile } from "./mapped-files.js";
import { isBare, isKernelFile, isKernelPackage, isOwnFile, isTensorflow, kernelImporter, library, resolver } from "./packages.js";
import { transpile } from "./transpile.js";
import { pathMapping, takenOptions } from "./tsconfig.js";

/**
 * Hooks of Node's module loader, in the loader's own thread: the kernel's packages from any folder, local TypeScript, JavaScript and JSON
 * files (read again when they have changed), and packages that the notebook's folder lacks.
 */

const kernelURL = pathToFileURL(kernelImporter).href;
const inKernel = (url: string | undefined) => url?.startsWith("file:") === true && isKernelFile(fileURLToPath(url));
/** Whether a cell or the kernel imports: a cell's imports are waited for until TensorFlow.js is native, and the kernel opens its own device. */
const isCells = (url: string | undefined) =>
  url === undefined || inKernel(url) || url.split("?")[0] === pathToFileURL(join(told.folder, "cell.mjs")).href;
/** Whether a name with a scope means a package, and no file of it. */
const isWhole = (specifier: string) => specifier.split("/").length === 2;
const isOwn = (url: string | undefined) => url?.startsWith("file:") === true && isOwnFile(fileURLToPath(url));

/** A TypeScript file that was loaded, for the tracebacks. */
export interface LoadedFile {
  url: string;
  source: string;
  /** JSON. */
  sourceMap: string;
}

/** What the hooks are told when they are registered. */
export interface LoaderData {
  /** Where files that are loaded go, as `LoadedFile`. */
  loaded: MessagePort;
  /** Where the notebook is: its tsconfig.json says how names are mapped to files, and how JSX is compiled. */
  folder: string;
}

let told: LoaderData;

export const initialize: InitializeHook<LoaderData> = (data) => {
  told = data;
};

const TYPESCRIPT = /\.([cm]?ts|tsx)$/;

const resolverMark = "?resolver";
/** Behind the URL of one of TensorFlow.js's files: the same module, native. */
const nativeMark = "?native";
const native = pathToFileURL(join(import.meta.dirname, "native-tensorflow.js")).href;

export const resolve: ResolveHook = async (specifier, context, next) => {
  if (specifier === resolver) return { url: `${context.parentURL}${resolverMark}`, format: "module", shortCircuit: true };
  noteModule(specifier);
  const outside = !inKernel(context.parentURL) || !context.parentURL?.includes("/node_modules/");
  if (outside && specifier === "erpo") return { url: pathToFileURL(library.code).href, format: "module", shortCircuit: true };
  if (outside && isKernelPackage(specifier)) {
    const found = await next(specifier, { ...context, parentURL: kernelURL });
    const isNative = isTensorflow(specifier) && isWhole(specifier) && !isCells(context.parentURL);
    return isNative ? { ...found, url: `${found.url}${nativeMark}`, format: "module" } : found;
  }
  const meant = mapped(specifier, context.parentURL) ?? specifier;
  const local = typescriptFile(meant, context.parentURL);
  if (isBare(meant) && !isBuiltin(meant) && context.parentURL?.startsWith("file:") && !inKernel(context.parentURL))
    notePackage(meant, fileURLToPath(context.parentURL));
  if (local) return { url: await versioned(local), format: "module", shortCircuit: true };
  try {
    const found = await next(meant, context);
    return isReread(found) ? { ...found, url: await versioned(found.url) } : found;
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
  if (url.endsWith(resolverMark)) {
    return { format: "module", source: "export default (specifier) => import.meta.resolve(specifier);", shortCircuit: true };
  }
  const path = url.split("?")[0]!;
  if (url.endsWith(nativeMark)) {
    const source = `import "${native}"; export * from "${path}"; export { default } from "${path}";`;
    return { format: "module", source, shortCircuit: true };
  }
  if (path.startsWith("file:")) noteFile("read", fileURLToPath(path));
  if (path.startsWith("file:") && TYPESCRIPT.test(path)) {
    const { default: ts } = await import("typescript");
    const source = await readFile(fileURLToPath(path), "utf8");
    const kind = path.endsWith(".cts") ? ts.ModuleKind.CommonJS : ts.ModuleKind.ESNext;
    const { code, sourceMap } = transpile(ts, source, fileURLToPath(path), kind, takenOptions(told.folder));
    if (path.endsWith(".cts")) return { format: "module", source: asModule(fileURLToPath(path), code), shortCircuit: true };
    told.loaded.postMessage({ url, source, sourceMap } satisfies LoadedFile);
    return { format: "module", source: code, shortCircuit: true };
  }
  if (path.startsWith("file:") && path.endsWith(".json")) {
    return { format: "module", source: `export default ${await json(fileURLToPath(path))};`, shortCircuit: true };
  }
  return next(url, context);
};

/** A module with what a CommonJS file exports, which `require` loads. @param code of the file, compiled, which assigns its exports */
function asModule(file: string, code: string): string {
  const names = new Set([...code.matchAll(/\bexports\.([\p{ID_Start}$_][\p{ID_Continue}$]*) = /gu)].map(([, name]) => name));
  names.delete("default");
  return `import { createRequire } from "node:module";
const loaded = createRequire(${JSON.stringify(file)})(${JSON.stringify(file)});
export default loaded.__esModule && "default" in loaded ? loaded.default : loaded;
${[...names].map((name, i) => `const name${i} = loaded.${name};\nexport { name${i} as ${name} };\n`).join("")}`;
}

/** An expression of what a JSON file holds. As a literal of JavaScript a key `__proto__` would be the prototype. */
async function json(file: string): Promise<string> {
  const text = (await readFile(file, "utf8")).replace(/^\uFEFF/, "");
  try {
    JSON.parse(text);
    return `JSON.parse(${JSON.stringify(text)})`;
  } catch (error) {
    throw new SyntaxError(`${file}: ${(error as Error).message}`);
  }
}

/** Whether what the loader has found may change while the session runs. */
const isReread = ({ url }: { url: string }) => isOwn(url) && /\.(json|[cm]?js)$/.test(url);

/** The URL of a local TypeScript file that `specifier` means: `./a.ts`, `./a`, or `./a.js` where only `a.ts` exists. */
function typescriptFile(specifier: string, parentURL: string | undefined): string | undefined {
  const file = localFile(specifier, parentURL);
  return file && TYPESCRIPT.test(file) ? file : undefined;
}

/** The URL of the local file that `specifier` means. */
function localFile(specifier: string, parentURL: string | undefined): string | undefined {
  if (!/^(\.{0,2}\/|file:)/.test(specifier) || !parentURL?.startsWith("file:") || inKernel(parentURL)) return undefined;
  const base = new URL(specifier, parentURL).href.split("?")[0]!;
  const tries = [base, `${base}.ts`, `${base}.tsx`, base.replace(/\.([cm]?)js$/, ".$1ts"), `${base}/index.ts`];
  return tries.find((url) => isFile(fileURLToPath(url)));
}

function isFile(path: string): boolean {
  noteFile("probe", path);
  return existsSync(path) && statSync(path).isFile();
}

/** The URL of the local file that a name means by the folder's tsconfig.json; packages' own imports are not mapped. */
function mapped(specifier: string, parentURL: string | undefined): string | undefined {
  if (!isBare(specifier) || isBuiltin(specifier) || isKernelPackage(specifier) || !isOwn(parentURL)) return undefined;
  const mapping = pathMapping(told.folder);
  const file = mapping && mappedFile(specifier, mapping, isFile);
  return file && pathToFileURL(file).href;
}

/** A file that has changed is another module, and so is one that imports it, through however many others. */
async function versioned(url: string): Promise<string> {
  const files = new Map<string, number>();
  const pending = [url];
  for (let file = pending.pop(); file !== undefined; file = pending.pop()) {
    if (files.has(file)) continue;
    files.set(file, statSync(fileURLToPath(file)).mtimeMs);
    if (/\.[cm]?[jt]sx?$/.test(file)) pending.push(...(await localImports(file)));
  }
  const parts = [...files].sort().map(([file, time]) => `${file} ${time}\n`);
  return `${url}?v=${createHash("sha256").update(parts.join("")).digest("hex").slice(0, 16)}`;
}

/** The local files that a file imports. */
async function localImports(url: string): Promise<string[]> {
  const { default: ts } = await import("typescript");
  const { importedFiles } = ts.preProcessFile(await readFile(fileURLToPath(url), "utf8"), true, true); // `require`, too
  return importedFiles.map(({ fileName }) => localFile(mapped(fileName, url) ?? fileName, url)).filter((file) => file !== undefined);
}
