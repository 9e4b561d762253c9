import { register } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import vm from "node:vm";
import { MessageChannel } from "node:worker_threads";
import { builtinNames } from "./builtin-names.js";
import { forgetChanged, type Loads, serveCommonjs } from "./commonjs-files.js";
import { job } from "./job.js";
import { exportedValue, librarySources } from "./library-names.js";
import type { LoaderData } from "./loader-hooks.js";
import { cellRequire, resolver } from "./packages.js";
import { readFilesFrom, registerScript } from "./stack.js";

type Accessor = [get: () => unknown, set: (value: unknown) => void];

/** How a cell ended. */
export interface Outcome {
  /** Present when the cell ends in an expression. */
  result?: { value: unknown };
  error?: { thrown: unknown };
}

/** A cell that has been started. */
export interface Run {
  /** Never rejects; never settles when the cell's execution is terminated. */
  readonly outcome: Promise<Outcome>;
  /**
   * Call when the cell has ended or been given up (if it has not begun, it never will). Names that never came into being, because the
   * statement before them threw, are what they were before the cell. The others become plain properties, which loops of later cells read and write at full speed.
   *
   * @param over false for a cell that was given up while it may still be running: what it declares stays its own variables
   * @param failed the cell threw or was given up: a `var` that it has not come to is then what it was before
   * @returns tells of each name whether it came into being
   */
  keep(over: boolean, failed: boolean): (name: string) => boolean;
}

/** How cells wait; see `Waits`. */
export interface Waiting {
  /** For `await value`: resolves to a function that goes on with the value, or throws what the promise was rejected with. */
  wait<T>(value: T | PromiseLike<T>): Resume<T> | Promise<Resume<T>>;
  /** For `for await`: the same for each item. */
  iterate<T>(iterable: AsyncIterable<T> | Iterable<T>): AsyncIterable<Resume<Awaited<T>>>;
  /** A callback as one that runs on behalf of whoever made it; what is no function comes back as it is. */
  owned<T>(callback: T): T;
  /** The same for a reaction of a promise. */
  begun<T>(callback: T): T;
  /** The same for a function that one of Node's is given. */
  given<T extends (...args: never[]) => unknown>(callback: T): T;
}

/** Called first thing behind a wait: the code is then counted as that of whoever waited. */
export type Resume<T> = () => T;

/** A cell to run. */
export interface CellScript {
  /** How a reader knows the cell, `In[3]`. */
  label: string;
  /** The reader's text. */
  source: string;
  javascript: string;
  sourceMap: string;
}

/** Who is told of what is loaded. */
export interface Loading extends Loads {
  /** What a cell imports; waited for before that is loaded. */
  beforeImport(specifier: string): void | Promise<void>;
}

/** The running side of a session: names of cells live on the global object, while a cell runs as accessors to its own variables. */
export interface Runtime {
  /** Starts a compiled cell in a job of its own. */
  start(script: CellScript): Run;
  /** The names that cells have declared and that have a value, those of the running cell too. Runs nothing of the reader's. */
  values(): Map<string, unknown>;
  /** Declares a name as a cell would. */
  put(name: string, value: unknown): void;
}

/**
 * Call once a process: it registers hooks with Node's module loader.
 * @param folder the notebook's folder
 */
export function createRuntime(folder: string, waiting: Waiting, loading: Loading): Runtime {
  const { port1, port2 } = new MessageChannel();
  const data: LoaderData = { loaded: port2, folder };
  register("./loader-hooks.js", { parentURL: import.meta.url, data, transferList: [port2] });
  readFilesFrom(port1, folder);
  const globals = globalThis as unknown as Record<string, unknown>;
  const shadows: Record<string, unknown> = Object.create(null);
  const importer = join(folder, "cell.mjs");
  const load = vm.runInThisContext("(specifier, options) => import(specifier, options)", {
    filename: importer,
    importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  }) as (specifier: string, options?: ImportCallOptions) => Promise<Record<string, unknown>>;
  globals.require = cellRequire(folder, (specifier) => {
    forgetChanged();
    loading.beforeRequire(specifier);
  });
  serveCommonjs(folder, loading);

  const meta: Partial<ImportMeta> = { url: pathToFileURL(importer).href, dirname: folder, filename: importer };
  /** Loads what `import.meta.resolve` asks, once a cell uses it. */
  const completeMeta = async () => {
    if (meta.resolve) return;
    const resolve = (await load(resolver)).default as ImportMeta["resolve"];
    meta.resolve = (specifier) => resolve(specifier).replace(/\?v=[0-9a-f]{16}$/, ""); // which of a file's versions is the loader's own
  };

  const known = new Set<string>();
  const installedGetters = new WeakSet<() => unknown>();
  const home = (name: string): object => (builtinNames.has(name) ? shadows : globalThis);
  const put = (target: object, name: string, value: unknown, writable: boolean) =>
    Object.defineProperty(target, name, { configurable: true, enumerable: true, writable, value });

  function values(): Map<string, unknown> {
    const found = new Map<string, unknown>();
    for (const name of known) {
      const property = Object.getOwnPropertyDescriptor(home(name), name);
      if (!property || (property.get && !installedGetters.has(property.get))) continue;
      if (!property.get) found.set(name, property.value);
      else if (isAlive(property.get)) found.set(name, property.get());
    }
    return found;
  }

  /** Named imports from `erpo`. */
  async function take(names: readonly string[]): Promise<Record<string, unknown>> {
    const sources = librarySources(names);
    if (!sources) return load("erpo");
    const modules = await Promise.all(sources.map(({ file }) => load(pathToFileURL(file).href)));
    return Object.fromEntries(names.map((name, i) => [name, exportedValue(modules[i]!, sources[i]!)]));
  }

  /**
   * A named import, or the default. CommonJS modules whose names Node cannot see from outside offer them through their default; the default of
   * one that was compiled from an ES module is its `exports.default`, as its types say.
   */
  function pick(module: Record<string, unknown>, name: string, specifier: string): unknown {
    const exported = module.default as Record<string, unknown> | undefined;
    const isObject = exported !== null && (typeof exported === "object" || typeof exported === "function");
    const isCompiled = isObject && exported.__esModule === true;
    if (name in module && !(name === "default" && isCompiled && name in exported)) return module[name];
    if (isObject && name in exported) return exported[name];
    throw new SyntaxError(`The module '${specifier}' does not provide an export named '${name}'`);
  }

  return {
    values,
    put(name, value) {
      known.add(name);
      put(home(name), name, value, true);
    },

    start({ label, source, javascript, sourceMap }) {
      type Declared = {
        get: () => unknown;
        installed: () => unknown;
        target: object;
        before: PropertyDescriptor | undefined;
        variable: boolean;
      };
      const declared = new Map<string, Declared>();
      /** Names that the cell's functions use, what they were before it, and whether it has come to them. */
      const shared = new Map<string, { target: object; before: PropertyDescriptor | undefined; bound: boolean; variable: boolean }>();
      let began = false;
      const bindOne = (name: string, value: unknown, fixed: boolean) => {
        const state = shared.get(name)!;
        state.bound = true;
        put(state.target, name, value, !fixed);
      };
      const kernel = {
        ...{ pick, meta, completeMeta, shadows },
        async import(specifier: string, options?: ImportCallOptions) {
          forgetChanged();
          await loading.beforeImport(specifier);
          return load(specifier, options);
        },
        take,
        wait: waiting.wait.bind(waiting),
        iterate: waiting.iterate.bind(waiting),
        owned: waiting.owned.bind(waiting),
        begun: waiting.begun.bind(waiting),
        given: waiting.given.bind(waiting),
        turn() {},
        declare(names: Record<string, Accessor>, functions: readonly string[], variables: readonly string[]) {
          began = true;
          for (const name of functions) {
            known.add(name);
            const target = home(name);
            const before = Object.getOwnPropertyDescriptor(target, name);
            const variable = variables.includes(name);
            shared.set(name, { target, before, bound: false, variable });
            if (variable) put(target, name, undefined, true);
          }
          for (const [name, [get, set]] of Object.entries(names)) {
            const target = home(name);
            const before = Object.getOwnPropertyDescriptor(target, name);
            const access = { get: before ? orElse(get, before) : get, set };
            known.add(name);
            installedGetters.add(access.get);
            declared.set(name, { get, installed: access.get, target, before, variable: variables.includes(name) });
            Object.defineProperty(target, name, { configurable: true, enumerable: true, ...access });
          }
        },
        /** @param fixed by `const` */
        bind(values: Record<string, unknown>, fixed = false) {
          for (const [name, value] of Object.entries(values)) bindOne(name, value, fixed);
        },
        fixed: assigning((name, value) => bindOne(name, value, true)),
        open: assigning((name, value) => bindOne(name, value, false)),
      };

      let over = false;
      const outcome = new Promise<Outcome>((resolve) => {
        const begin = () => {
          if (over) return;
          const filename = registerScript(label, source, sourceMap);
          try {
            const cell = vm.runInThisContext(javascript, {
              filename,
              importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
            });
            began = true;
            (cell(kernel) as Promise<{ value: unknown } | undefined>).then(
              (result) => resolve(result ? { result } : {}),
              (thrown) => resolve({ error: { thrown } }),
            );
          } catch (thrown) {
            resolve({ error: { thrown } });
          }
        };
        job(waiting.owned(begin)); // what ran before it may have been terminated
      });

      return {
        outcome,
        keep(ended, failed) {
          over = true;
          const dead = new Set<string>();
          for (const [name, { target, before, bound, variable }] of shared) {
            if (bound || (variable && !(failed && before && read(target, name) === undefined))) continue;
            dead.add(name);
            if (variable) Object.defineProperty(target, name, before!);
          }
          for (const [name, { get, installed, target, before, variable }] of declared) {
            const reached = isAlive(get) && !(failed && before && variable && get() === undefined); // a `var` is there from the start
            if (reached) {
              const own = Object.getOwnPropertyDescriptor(target, name)?.get === installed;
              if (own && ended) put(target, name, get(), true);
              else if (own) {
                installedGetters.add(get);
                Object.defineProperty(target, name, { get });
              }
              continue;
            }
            dead.add(name);
            if (before) Object.defineProperty(target, name, before);
            else delete (target as Record<string, unknown>)[name];
          }
          // functions that use `kernel` would keep what an earlier run has left
          declared.clear();
          for (const state of shared.values()) state.before = undefined;
          return (name) => began && !dead.has(name);
        },
      };
    },
  };
}

/** An object whose properties are there to be assigned: patterns bind shared names by it. */
const assigning = (assign: (name: string, value: unknown) => void): object =>
  new Proxy(
    {},
    {
      set(_, name, value) {
        assign(name as string, value);
        return true;
      },
    },
  );

const read = (target: object, name: string): unknown => (target as Record<string, unknown>)[name];

/** False while the variable is in its temporal dead zone. */
function isAlive(get: () => unknown): boolean {
  try {
    get();
    return true;
  } catch {
    return false;
  }
}

/** Reads the name's earlier value for as long as the variable is in its temporal dead zone: `const rows = clean(rows)` may read the old ones. */
function orElse(get: () => unknown, before: PropertyDescriptor): () => unknown {
  return () => {
    try {
      return get();
    } catch {
      return before.get ? before.get() : before.value;
    }
  };
}
