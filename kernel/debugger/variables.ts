import type { DebugProtocol } from "@vscode/debugprotocol";
import type { Shown } from "../../src/frontend/frontend.js";
import type { CellSource } from "../language/stack.js";
import type { Exposed } from "./exposed.js";
import type { ValueReader } from "./values.js";

/** What of a list of variables is asked for. */
export type Wanted = Pick<DebugProtocol.VariablesArguments, "filter" | "start" | "count">;

/** The variables of the main thread, by number. */
export interface VariableTable {
  /** The names of the session. The numbers given out before mean nothing any more. */
  globals(): DebugProtocol.Variable[];
  /** A number for the session's names. */
  globalScope(): number;
  /** The names in a frame's scopes, from the inmost to the outmost, as far as the reader's text has them. */
  frameNames(source: string, ...scopes: object[]): string[];
  /**
   * A number for what is in a frame.
   * @param values what each name is now, in a list; where that is empty, the scopes say it
   */
  frameScope(names: readonly string[], values: readonly (readonly unknown[])[], ...scopes: object[]): number;
  /** What is inside a variable or a scope. Null where its number means nothing any more. */
  variables(reference: number, wanted: Wanted): DebugProtocol.Variable[] | null;
  /** A value as the answer to an evaluation. */
  result(value: unknown): DebugProtocol.EvaluateResponse["body"];
  /** Forgets all numbers. */
  clear(): void;
  has(name: string): boolean;
  /** The representations of a name's value. */
  richOf(name: string): Shown | Promise<Shown>;
  rich(value: unknown): Shown | Promise<Shown>;
  /** The same without running anything. */
  plain(name: string): Shown;
  copy(name: string, value: unknown): void;
  cells(): CellSource[];
}

/**
 * Lists variables, in pieces where they are many. Objects are held weakly, so that what a cell lets go of is freed although somebody has looked at it.
 * The inspector evaluates this function's text on the main thread: it uses nothing from outside itself.
 */
export function variableTable(exposed: Exposed, reader: ValueReader): VariableTable {
  const PIECE = 100;
  type Entry = [name: string, value: unknown, expression?: string];
  type Handle =
    | { entries: () => Entry[] }
    /** A part of an object's items where it has ends. */
    | { of: WeakRef<object>; expression: string | undefined; from?: number; to?: number };
  const handles = new Map<number, Handle>();
  let last = 0;
  const add = (handle: Handle): number => {
    handles.set(++last, handle);
    return last;
  };
  const isName = (text: string) => /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(text);
  const inside = (expression: string | undefined, name: string): string | undefined => {
    if (expression === undefined) return undefined;
    if (isName(name)) return `${expression}.${name}`;
    return /^\d+$/.test(name) ? `${expression}[${name}]` : `${expression}[${JSON.stringify(name)}]`;
  };

  function variable([name, value, expression]: Entry): DebugProtocol.Variable {
    const described = reader.describe(value);
    const parts = reader.parts(value);
    const named = parts?.named().length ?? 0;
    const reference = parts && parts.indexed + named > 0 ? add({ of: new WeakRef(value as object), expression }) : 0;
    return {
      name,
      ...described,
      ...(expression !== undefined && { evaluateName: expression }),
      variablesReference: reference,
      ...(parts && { namedVariables: named, indexedVariables: parts.indexed }),
    };
  }

  /** Many items as ranges that open by themselves. */
  function ranges(of: WeakRef<object>, expression: string | undefined, from: number, to: number): DebugProtocol.Variable[] {
    let size = PIECE;
    while ((to - from) / size > PIECE) size *= PIECE;
    return Array.from({ length: Math.ceil((to - from) / size) }, (_, i) => {
      const [begin, end] = [from + i * size, Math.min(to, from + (i + 1) * size)];
      const variablesReference = add({ of, expression, from: begin, to: end });
      return {
        name: `[${begin} … ${end - 1}]`,
        type: `${end - begin} items`,
        value: "",
        variablesReference,
        indexedVariables: end - begin,
      };
    });
  }

  function variables(reference: number, { filter, start = 0, count = 0 }: Wanted): DebugProtocol.Variable[] | null {
    const handle = handles.get(reference);
    if (!handle) return null;
    const paged = <T>(all: T[]) => all.slice(start, count > 0 ? start + count : undefined);
    if ("entries" in handle) return filter === "indexed" ? [] : paged(handle.entries()).map(variable);
    const { of, expression, from = 0, to } = handle;
    const value = of.deref();
    const parts = value && reader.parts(value);
    if (!parts) return null;
    const end = Math.min(to ?? parts.indexed, parts.indexed);
    const entry = ([name, value]: [string, unknown]): Entry => [
      name,
      value,
      Array.isArray(of.deref()) || parts.indexed === 0 ? inside(expression, name) : undefined,
    ];
    const items = (begin: number, until: number) => parts.items(begin, until).map(entry).map(variable);
    const named = () => (to === undefined ? parts.named().map(entry) : []);
    if (filter === "named") return paged(named()).map(variable);
    if (filter === "indexed" && count > 0) return items(Math.min(end, from + start), Math.min(end, from + start + Math.min(count, 10_000)));
    const indexed = end - from > PIECE ? ranges(of, expression, from, end) : items(from, end);
    return filter === "indexed" ? indexed : [...indexed, ...named().map(variable)];
  }

  /** The entries for as long as somebody else holds their objects: a frame does while it stands still. */
  function held(entries: readonly Entry[]): () => Entry[] {
    const isObject = (value: unknown): value is object => (typeof value === "object" && value !== null) || typeof value === "function";
    const weak = entries.map(([name, value, expression]) => {
      const reference = isObject(value) ? new WeakRef(value) : undefined;
      return { name, expression, reference, plain: reference ? undefined : value };
    });
    return () =>
      weak.flatMap(({ name, expression, reference, plain }): Entry[] => {
        const value = reference ? reference.deref() : plain;
        return reference && value === undefined ? [] : [[name, value, expression]];
      });
  }

  const globals = (): Entry[] => [...exposed.values()].map(([name, value]) => [name, value, name]);
  const plain = (value: unknown): Shown => {
    const { type, value: text } = reader.describe(value);
    return { data: { "text/plain": `${type} ${text}` }, metadata: {} };
  };
  /** As `display` shows it; of a tensor with how much it takes, too. */
  const rich = (value: unknown): Shown | Promise<Shown> => {
    const bytes = reader.bytes(value);
    const sized = ({ data, metadata }: Shown): Shown => ({
      data: { ...data, "text/plain": `${data["text/plain"]}\n${bytes} bytes` },
      metadata,
    });
    const shown = exposed.format(value);
    if (bytes === undefined) return shown;
    return shown instanceof Promise ? shown.then(sized) : sized(shown);
  };

  return {
    globals() {
      handles.clear();
      return globals().map(variable);
    },
    globalScope: () => add({ entries: globals }),
    frameNames(source, ...scopes) {
      const words = new Set(source.match(/[\p{ID_Start}$_][\p{ID_Continue}$]*/gu));
      return [...new Set(scopes.flatMap((scope) => Object.getOwnPropertyNames(scope)))].filter((name) => words.has(name));
    },
    frameScope(names, values, ...scopes) {
      const found = names.flatMap((name, i): Entry[] => {
        if (values[i]!.length > 0) return [[name, values[i]![0], name]];
        try {
          const scope = scopes.find((scope) => Object.hasOwn(scope, name))!;
          return [[name, Object.getOwnPropertyDescriptor(scope, name)!.value, name]];
        } catch {
          return []; // V8 of Node 22 and later does not say what a function leaves unused of the scopes around it
        }
      });
      return add({ entries: held(found) });
    },
    variables,
    result(value) {
      const { name: _, value: result, ...rest } = variable(["", value]);
      return { result, ...rest };
    },
    clear: () => handles.clear(),
    has: (name) => exposed.values().has(name),
    richOf: (name) => rich(exposed.values().get(name)),
    rich,
    plain: (name) => plain(exposed.values().get(name)),
    copy: (name, value) => exposed.put(name, value),
    cells: () => exposed.cells(),
  };
}
