import { promises } from "node:fs";
import { isBuiltin } from "node:module";
import util from "node:util";

/**
 * What Nodes have and the declarations that the kernel comes with do not: those of `@types/node` are for the oldest Node that it runs on and leave some globals to those of
 * browsers, and those of TypeScript lag behind V8. Each part is declared where the running Node has it.
 */
interface Part {
  isThere: () => boolean;
  text: string;
}

/** Of the language. */
export const LANGUAGE: readonly Part[] = [
  {
    isThere: () => "rawJSON" in JSON,
    text: `
interface RawJSON { readonly rawJSON: string; }
interface JSON {
  /** A piece of JSON that \`JSON.stringify\` takes over as it stands. */
  rawJSON(text: string | number | boolean | null): RawJSON;
  /** Whether a value was made by \`JSON.rawJSON\`. */
  isRawJSON(value: unknown): value is RawJSON;
}`,
  },
  {
    isThere: () => "escape" in RegExp,
    text: `
interface RegExpConstructor {
  /** The text of a regular expression that matches this string alone. */
  escape(string: string): string;
}`,
  },
  {
    isThere: () => "DurationFormat" in Intl,
    text: `
declare namespace Intl {
  type DurationUnit = "years" | "months" | "weeks" | "days" | "hours" | "minutes" | "seconds" | "milliseconds" | "microseconds" | "nanoseconds";
  type Duration = Partial<Record<DurationUnit, number>>;
  type DurationStyle = "long" | "short" | "narrow" | "digital";
  type DurationUnitStyle = "long" | "short" | "narrow" | "numeric" | "2-digit" | "fractional";
  type DurationFormatOptions = { localeMatcher?: "lookup" | "best fit"; numberingSystem?: string; style?: DurationStyle; fractionalDigits?: number }
    & Partial<Record<DurationUnit, DurationUnitStyle>> & { [Unit in DurationUnit as \`\${Unit}Display\`]?: "always" | "auto" };
  interface DurationFormatPart { type: string; value: string; unit?: string; }
  /** Writes durations as a language does. */
  interface DurationFormat {
    format(duration: Duration | string): string;
    formatToParts(duration: Duration | string): DurationFormatPart[];
    resolvedOptions(): DurationFormatOptions & { locale: string };
  }
  const DurationFormat: {
    readonly prototype: DurationFormat;
    new (locales?: string | readonly string[], options?: DurationFormatOptions): DurationFormat;
    supportedLocalesOf(locales: string | readonly string[], options?: { localeMatcher?: "lookup" | "best fit" }): string[];
  };
}`,
  },
];

const always = () => true;

/** Of Node's globals and modules. */
export const NODE: readonly Part[] = [
  {
    isThere: always,
    text: `
type Crypto = import("crypto").webcrypto.Crypto;
type SubtleCrypto = import("crypto").webcrypto.SubtleCrypto;
type CryptoKey = import("crypto").webcrypto.CryptoKey;
declare var Crypto: { readonly prototype: Crypto };
declare var SubtleCrypto: { readonly prototype: SubtleCrypto };
declare var CryptoKey: { readonly prototype: CryptoKey };
type Performance = import("perf_hooks").Performance;
declare var Performance: { readonly prototype: Performance };`,
  },
  {
    isThere: always,
    text: `
declare namespace WebAssembly {
  type ValueType = "i32" | "i64" | "f32" | "f64" | "v128" | "externref" | "anyfunc";
  type ExternalKind = "function" | "table" | "memory" | "global" | "tag";
  type Source = ArrayBuffer | NodeJS.ArrayBufferView;
  type Imports = Record<string, Record<string, unknown>>;
  interface Module {}
  interface Instance { readonly exports: Record<string, any>; }
  interface Memory { readonly buffer: ArrayBuffer; grow(pages: number): number; }
  interface Table { readonly length: number; get(index: number): any; grow(by: number, value?: any): number; set(index: number, value?: any): void; }
  interface Global { value: any; valueOf(): any; }
  interface Instantiated { module: Module; instance: Instance; }
  const Module: {
    readonly prototype: Module;
    new (bytes: Source): Module;
    exports(module: Module): { name: string; kind: ExternalKind }[];
    imports(module: Module): { module: string; name: string; kind: ExternalKind }[];
    customSections(module: Module, name: string): ArrayBuffer[];
  };
  const Instance: { readonly prototype: Instance; new (module: Module, imports?: Imports): Instance };
  const Memory: { readonly prototype: Memory; new (size: { initial: number; maximum?: number; shared?: boolean }): Memory };
  const Table: { readonly prototype: Table; new (size: { element: "anyfunc" | "externref"; initial: number; maximum?: number }, value?: any): Table };
  const Global: { readonly prototype: Global; new (kind: { value: ValueType; mutable?: boolean }, value?: any): Global };
  const CompileError: ErrorConstructor;
  const LinkError: ErrorConstructor;
  const RuntimeError: ErrorConstructor;
  function compile(bytes: Source): Promise<Module>;
  function compileStreaming(source: Response | PromiseLike<Response>): Promise<Module>;
  function instantiate(bytes: Source, imports?: Imports): Promise<Instantiated>;
  function instantiate(module: Module, imports?: Imports): Promise<Instance>;
  function instantiateStreaming(source: Response | PromiseLike<Response>, imports?: Imports): Promise<Instantiated>;
  function validate(bytes: Source): boolean;
}`,
  },
  {
    isThere: () => "navigator" in globalThis,
    text: `
interface Navigator {
  readonly hardwareConcurrency: number;
  readonly language: string;
  readonly languages: readonly string[];
  readonly platform: string;
  readonly userAgent: string;
}
declare var Navigator: { readonly prototype: Navigator; };
/** Says something of the machine and of Node. */
declare var navigator: Navigator;`,
  },
  {
    isThere: () => "WebSocket" in globalThis,
    text: `
type WebSocket = import("undici-types").WebSocket;
declare var WebSocket: typeof import("undici-types").WebSocket;`,
  },
  {
    isThere: () => "CloseEvent" in globalThis,
    text: `
type CloseEvent = import("undici-types").CloseEvent;
declare var CloseEvent: typeof import("undici-types").CloseEvent;`,
  },
  {
    isThere: () => "URLPattern" in globalThis,
    text: `
type URLPatternPart = "protocol" | "username" | "password" | "hostname" | "port" | "pathname" | "search" | "hash";
type URLPatternInit = Partial<Record<URLPatternPart | "baseURL", string>>;
type URLPatternInput = string | URLPatternInit;
interface URLPatternOptions { ignoreCase?: boolean; }
interface URLPatternComponentResult { input: string; groups: Record<string, string | undefined>; }
interface URLPatternResult extends Record<URLPatternPart, URLPatternComponentResult> { inputs: URLPatternInput[]; }
/** Matches URLs, or parts of them, with a pattern such as \`/books/:id\`. */
interface URLPattern extends Readonly<Record<URLPatternPart, string>> {
  readonly hasRegExpGroups: boolean;
  test(input?: URLPatternInput, baseURL?: string): boolean;
  exec(input?: URLPatternInput, baseURL?: string): URLPatternResult | null;
}
declare var URLPattern: {
  readonly prototype: URLPattern;
  new (input: URLPatternInput, baseURL: string, options?: URLPatternOptions): URLPattern;
  new (input?: URLPatternInput, options?: URLPatternOptions): URLPattern;
};`,
  },
  {
    isThere: () => isBuiltin("node:sqlite"),
    text: `
declare module "node:sqlite" {
  type SQLInputValue = null | number | bigint | string | NodeJS.ArrayBufferView;
  type SQLOutputValue = null | number | bigint | string | Uint8Array;
  interface DatabaseSyncOptions {
    open?: boolean; readOnly?: boolean; enableForeignKeyConstraints?: boolean; enableDoubleQuotedStringLiterals?: boolean; allowExtension?: boolean; timeout?: number;
    readBigInts?: boolean; returnArrays?: boolean; allowBareNamedParameters?: boolean; allowUnknownNamedParameters?: boolean;
  }
  interface FunctionOptions { deterministic?: boolean; directOnly?: boolean; useBigIntArguments?: boolean; varargs?: boolean; }
  interface AggregateOptions<T> extends FunctionOptions {
    start: T | (() => T); step: (accumulator: T, ...args: any[]) => T; result?: (accumulator: T) => SQLInputValue; inverse?: (accumulator: T, ...args: any[]) => T;
  }
  interface StatementResult { changes: number | bigint; lastInsertRowid: number | bigint; }
  interface ColumnDescription { column: string | null; database: string | null; name: string; table: string | null; type: string | null; }
  /** A database of SQLite, in a file or in memory. */
  class DatabaseSync implements Disposable {
    constructor(path: string | Buffer | URL, options?: DatabaseSyncOptions);
    readonly isOpen: boolean;
    readonly isTransaction: boolean;
    open(): void;
    close(): void;
    exec(sql: string): void;
    prepare(sql: string): StatementSync;
    location(dbName?: string): string | null;
    function(name: string, options: FunctionOptions, run: (...args: any[]) => SQLInputValue): void;
    function(name: string, run: (...args: any[]) => SQLInputValue): void;
    aggregate<T>(name: string, options: AggregateOptions<T>): void;
    createSession(options?: { table?: string; db?: string }): Session;
    applyChangeset(changeset: Uint8Array, options?: { filter?: (table: string) => boolean; onConflict?: (type: number) => number }): boolean;
    enableLoadExtension(allow: boolean): void;
    loadExtension(path: string): void;
    [Symbol.dispose](): void;
  }
  interface Session { changeset(): Uint8Array; patchset(): Uint8Array; close(): void; }
  /** A statement that has been prepared. Its parameters are given in their order, or by name in an object that comes first. */
  class StatementSync {
    private constructor();
    readonly sourceSQL: string;
    readonly expandedSQL: string;
    all(...values: SQLInputValue[]): Record<string, SQLOutputValue>[];
    all(named: Record<string, SQLInputValue>, ...values: SQLInputValue[]): Record<string, SQLOutputValue>[];
    get(...values: SQLInputValue[]): Record<string, SQLOutputValue> | undefined;
    get(named: Record<string, SQLInputValue>, ...values: SQLInputValue[]): Record<string, SQLOutputValue> | undefined;
    iterate(...values: SQLInputValue[]): NodeJS.Iterator<Record<string, SQLOutputValue>>;
    iterate(named: Record<string, SQLInputValue>, ...values: SQLInputValue[]): NodeJS.Iterator<Record<string, SQLOutputValue>>;
    run(...values: SQLInputValue[]): StatementResult;
    run(named: Record<string, SQLInputValue>, ...values: SQLInputValue[]): StatementResult;
    columns(): ColumnDescription[];
    setAllowBareNamedParameters(enabled: boolean): void;
    setAllowUnknownNamedParameters(enabled: boolean): void;
    setReadBigInts(enabled: boolean): void;
    setReturnArrays(enabled: boolean): void;
  }
  function backup(source: DatabaseSync, path: string | Buffer | URL, options?: {
    source?: string; target?: string; rate?: number; progress?: (info: { totalPages: number; remainingPages: number }) => void;
  }): Promise<number>;
  const constants: Record<string, number>;
}`,
  },
  {
    isThere: () => "glob" in promises,
    text: `
declare module "fs" {
  interface GlobOptions { cwd?: string | URL; exclude?: ((path: string) => boolean) | readonly string[]; withFileTypes?: false; }
  interface GlobOptionsWithFileTypes { cwd?: string | URL; exclude?: ((entry: Dirent) => boolean) | readonly string[]; withFileTypes: true; }
  /** The files that match a pattern. */
  function globSync(pattern: string | readonly string[], options?: GlobOptions): string[];
  function globSync(pattern: string | readonly string[], options: GlobOptionsWithFileTypes): Dirent[];
  function glob(pattern: string | readonly string[], callback: (error: NodeJS.ErrnoException | null, matches: string[]) => void): void;
  function glob(pattern: string | readonly string[], options: GlobOptions, callback: (error: NodeJS.ErrnoException | null, matches: string[]) => void): void;
  function glob(
    pattern: string | readonly string[], options: GlobOptionsWithFileTypes, callback: (error: NodeJS.ErrnoException | null, matches: Dirent[]) => void,
  ): void;
}
declare module "fs/promises" {
  /** The files that match a pattern. */
  function glob(pattern: string | readonly string[], options?: import("fs").GlobOptions): NodeJS.AsyncIterator<string>;
  function glob(pattern: string | readonly string[], options: import("fs").GlobOptionsWithFileTypes): NodeJS.AsyncIterator<import("fs").Dirent>;
}`,
  },
  {
    isThere: () => process.versions.zstd !== undefined,
    text: `
declare module "zlib" {
  interface ZstdOptions {
    flush?: number; finishFlush?: number; chunkSize?: number; params?: { [key: number]: number | boolean }; maxOutputLength?: number; info?: boolean; pledgedSrcSize?: number;
  }
  type ZstdCompress = import("stream").Transform & Zlib;
  type ZstdDecompress = import("stream").Transform & Zlib;
  function createZstdCompress(options?: ZstdOptions): ZstdCompress;
  function createZstdDecompress(options?: ZstdOptions): ZstdDecompress;
  function zstdCompress(buf: InputType, callback: CompressCallback): void;
  function zstdCompress(buf: InputType, options: ZstdOptions, callback: CompressCallback): void;
  function zstdCompressSync(buf: InputType, options?: ZstdOptions): Buffer;
  function zstdDecompress(buf: InputType, callback: CompressCallback): void;
  function zstdDecompress(buf: InputType, options: ZstdOptions, callback: CompressCallback): void;
  function zstdDecompressSync(buf: InputType, options?: ZstdOptions): Buffer;
}`,
  },
  {
    isThere: () => "diff" in util,
    text: `
declare module "util" {
  /** How two texts or lists differ: 0 for what both have, 1 for what only the first has, -1 for what only the second has. */
  function diff(actual: string | readonly string[], expected: string | readonly string[]): [operation: -1 | 0 | 1, value: string][];
}`,
  },
];

const declared = (parts: readonly Part[]): string =>
  parts
    .filter(({ isThere }) => isThere())
    .map(({ text }) => text)
    .join("\n");

/** What the running Node has of the language beside TypeScript's own declarations. */
export const undeclaredOfLanguage = (): string => declared(LANGUAGE);

/** What it has beside `@types/node`. */
export const undeclaredOfNode = (): string => declared(NODE);
