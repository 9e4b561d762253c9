import { isBuiltin } from "node:module";
import { dirname, join } from "node:path";

import ts = require("typescript"); // an ES import would first scan its nine megabytes for exports: half a second

import { createDocuments } from "./documents.js";
import { libraryModule } from "./library-names.js";
import { createOwnFiles } from "./own-files.js";
import { isBare, isKernelPackage, kernelImporter, library, typeRoot } from "./packages.js";
import { standardLibrary } from "./standard-library.js";
import { takenOptions } from "./tsconfig.js";
import { undeclaredOfNode } from "./undeclared.js";

/** What a cell may use without importing it, beside Node's own globals. */
const GLOBALS = `
/** Asks the reader for a line of text. Rejects where nobody can be asked. */
declare function prompt(question?: string, options?: { password?: boolean }): Promise<string>;
/** Asks the reader a question that is answered with yes or no. */
declare function confirm(question?: string): Promise<boolean>;
`;

const options: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  moduleDetection: ts.ModuleDetectionKind.Force,
  noLib: true, // `standardLibrary` stands for it
  strict: true,
  useUnknownInCatchVariables: false,
  skipLibCheck: true,
  esModuleInterop: true,
  resolveJsonModule: true,
  allowImportingTsExtensions: true,
  noEmitOnError: false,
  preserveConstEnums: true,
  sourceMap: true,
  inlineSources: false,
  removeComments: true,
};

/** Modules of Node's that its types do not declare. */
const UNTYPED = /^(sys$|_)/;

/** What a language service asks of its host beside what its type lists. */
interface Unlisted {
  /** Without it every package.json is read at every cell. */
  getModuleResolutionCache(): ts.ModuleResolutionCache;
  /** Whether a file's imports are looked for again though its text is the same. */
  hasInvalidatedResolutions(file: string): boolean;
}

/** A TypeScript language service over virtual files beside those on disk. */
export interface Service {
  readonly languageService: ts.LanguageService;
  /** Sets the text of a virtual file. */
  write(file: string, text: string): void;
  /** Brings the documentation of what stands at one of a file's positions, which is left out at first. */
  document(file: string, positions: readonly number[]): void;
  /** Names of `erpo` that cells import, beside those of before: "all" reads the types of the whole library. */
  takeFromLibrary(names: readonly string[] | "all"): void;
  /**
   * Before a cell is written: reads the reader's own files that it imports again where they have changed; until then they are taken to be
   * as they were.
   * @returns the files
   */
  reread(code: string): string[];
  /** Makes a virtual file part of the program, whether something imports it or not. */
  keep(file: string): void;
  /** Makes the types of Node part of the program: half of what a session reads, which plain code does without. False when they are. */
  takeNode(): boolean;
}

/**
 * @param folder the notebook's folder, where imports are resolved first
 * @param checked the files that are checked; the others are reached through their imports
 * @param cancelled asked often while checking; true ends it with `ts.OperationCanceledException`
 */
export function createService(folder: string, checked: readonly string[], cancelled: () => boolean): Service {
  const kernelTypes = typeRoot();
  const settings: ts.CompilerOptions = { ...options, ...takenOptions(folder), typeRoots: [kernelTypes], types: [] };
  const globals = join(folder, "erpo-globals.d.ts");
  const node = join(folder, "erpo-node.d.ts");
  const taken = join(folder, "erpo-taken.ts"); // what cells import from "erpo"
  const standard = standardLibrary();
  const files = new Map<string, { text: string; version: number }>([
    [globals, { text: GLOBALS, version: 0 }],
    [node, { text: `/// <reference types="node" />\n${undeclaredOfNode()}`, version: 0 }],
    ...standard.map(({ file, text }) => [file, { text, version: 0 }] as const),
    [taken, { text: libraryModule([]), version: 0 }],
  ]);
  const takenNames = new Set<string>();
  let takenAll = false;
  const kept: string[] = [];
  let version = 0;
  const cache = ts.createModuleResolutionCache(folder, (name) => name, settings);

  const moduleHost: ts.ModuleResolutionHost = {
    fileExists: (file) => files.has(file) || ts.sys.fileExists(file),
    readFile: (file) => files.get(file)?.text ?? ts.sys.readFile(file),
    directoryExists: ts.sys.directoryExists,
    getDirectories: ts.sys.getDirectories,
    getCurrentDirectory: () => folder,
    ...(ts.sys.realpath ? { realpath: ts.sys.realpath } : {}),
  };

  function resolve(specifier: string, importer: string): ts.ResolvedModuleWithFailedLookupLocations {
    if (specifier === "erpo") {
      const whole = !files.has(importer);
      const [resolvedFileName, extension] = whole ? [library.types, ts.Extension.Dts] : [taken, ts.Extension.Ts];
      return { resolvedModule: { resolvedFileName, extension, isExternalLibraryImport: false } };
    }
    if (isBuiltin(specifier) && !UNTYPED.test(specifier)) return { resolvedModule: undefined }; // whatever packages there are of that name
    const own = isKernelPackage(specifier);
    const first = ts.resolveModuleName(specifier, own ? kernelImporter : importer, settings, moduleHost, cache);
    if (first.resolvedModule && !(isJavaScript(first.resolvedModule) && !own)) return first;
    if (own || !isBare(specifier)) return first;
    const second = ts.resolveModuleName(specifier, kernelImporter, settings, moduleHost, cache);
    return second.resolvedModule ? second : first;
  }

  const own = createOwnFiles((specifier, importer) => {
    const file = resolve(specifier, importer).resolvedModule?.resolvedFileName;
    return file === undefined || files.has(file) || isPackaged(file) ? undefined : file;
  });

  /** The reader's files and cells with an import that leads nowhere: what it names may be there at the next cell. */
  const unresolved = new Set<string>();
  const known = ts.sys.useCaseSensitiveFileNames ? (file: string) => file : (file: string) => file.toLowerCase();

  /** Files of packages as they were read first: the service asks for every file at every cell. */
  const snapshots = new Map<string, ts.IScriptSnapshot>();

  const documents = createDocuments(isPackaged);
  const host: ts.LanguageServiceHost & Unlisted = {
    fileExists: moduleHost.fileExists,
    readFile: moduleHost.readFile,
    directoryExists: ts.sys.directoryExists,
    getDirectories: ts.sys.getDirectories,
    readDirectory: ts.sys.readDirectory,
    useCaseSensitiveFileNames: () => ts.sys.useCaseSensitiveFileNames,
    ...(ts.sys.realpath ? { realpath: ts.sys.realpath } : {}),
    getCompilationSettings: () => settings,
    getScriptFileNames: () => [...standard.map(({ file }) => file), globals, ...kept, ...checked],
    getScriptVersion: (file) => `${files.get(file)?.version ?? (isPackaged(file) ? 0 : own.version(file))} ${documents.form(file)}`,
    getScriptSnapshot(file) {
      const known = snapshots.get(file);
      if (known) return known;
      const isPackages = !files.has(file) && isPackaged(file);
      const text = files.get(file)?.text ?? (isPackages ? ts.sys.readFile(file) : own.text(file));
      if (text === undefined) return undefined;
      const snapshot = ts.ScriptSnapshot.fromString(text);
      if (isPackages) snapshots.set(file, snapshot);
      return snapshot;
    },
    getModuleResolutionCache: () => cache,
    hasInvalidatedResolutions: (file) => unresolved.has(file),
    getCurrentDirectory: () => folder,
    getDefaultLibFileName: (settings) => ts.getDefaultLibFilePath(settings),
    getCancellationToken: () => ({ isCancellationRequested: cancelled }),
    resolveModuleNameLiterals: (literals, importer) => {
      if (isPackaged(importer)) return literals.map(({ text }) => resolve(text, importer));
      if (!literals.every(isCell)) cache.clear(); // files may have moved, and packages been installed, since the last cell
      const found = literals.map(({ text }) => resolve(text, importer));
      const whole = found.every(({ resolvedModule }, i) => resolvedModule !== undefined || isBuiltin(literals[i]!.text));
      if (whole) unresolved.delete(known(importer));
      else unresolved.add(known(importer));
      return found;
    },
  };

  const write = (file: string, text: string): void => {
    if (files.get(file)?.text !== text) files.set(file, { text, version: ++version });
  };

  const languageService = ts.createLanguageService(host, documents.registry);
  return {
    languageService,
    write,
    document(file, positions) {
      const declared = positions.flatMap((position) => languageService.getDefinitionAtPosition(file, position) ?? []);
      documents.document(declared.map(({ fileName }) => fileName));
    },
    takeFromLibrary(names) {
      const before = takenNames.size;
      if (takenAll) return;
      if (names === "all") takenAll = true;
      else for (const name of names) takenNames.add(name);
      if (takenAll || takenNames.size > before) write(taken, libraryModule(takenAll ? "all" : takenNames));
    },
    reread(code) {
      if (!/\b(import|require|from)\b/.test(code)) return [];
      const [current] = checked as [string];
      files.delete(current); // what the same text imports may be elsewhere now
      cache.clear();
      return own.reread(code, current);
    },
    keep(file) {
      kept.push(file);
    },
    takeNode() {
      if (kept.includes(node)) return false;
      kept.unshift(node);
      return true;
    },
  };
}

/** Whether a specifier names an earlier cell. These are in memory: what has changed on disk does not matter to them. */
const isCell = ({ text }: ts.StringLiteralLike) => text.startsWith("./In[");

const isJavaScript = ({ extension }: ts.ResolvedModuleFull) => extension === ".js" || extension === ".mjs" || extension === ".cjs";

/** Packages, this one included, do not change under a running session; the reader's own files may. */
const isPackaged = (file: string) => /[\\/]node_modules[\\/]/.test(file) || file.startsWith(dirname(library.types));
