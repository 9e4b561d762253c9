import type { types as utilTypes } from "node:util";

/** A value in a list of variables. */
export interface Described {
  /** `number`, `Array(3)`, `DataFrame [3, 2]`, `Tensor float32 [2, 3]`, a class's name. */
  type: string;
  /** A line about what it holds. */
  value: string;
}

/** What a value consists of. */
export interface Parts {
  /** How many parts have numbers: items of arrays, entries of maps and sets. */
  indexed: number;
  /** Those from number `from` up to `to`. */
  items(from: number, to: number): [name: string, value: unknown][];
  named(): [name: string, value: unknown][];
}

export interface ValueReader {
  describe(value: unknown): Described;
  /** Undefined where there is nothing inside. */
  parts(value: unknown): Parts | undefined;
  /** How much a tensor takes. Undefined for others. */
  bytes(value: unknown): number | undefined;
}

/**
 * Looks into values without running anything of the reader's: no getter, no method, no trap of a proxy. It changes nothing either, so it may be
 * called wherever the program stands.
 *
 * The inspector evaluates this function's text on the main thread, so that nothing need be loaded there: it uses nothing from outside itself.
 *
 * @param types of `node:util`
 * @param getter what stands in the place of a value that only a getter knows
 */
export function valueReader(types: typeof utilTypes, getter: unknown): ValueReader {
  const [MAX_ITEMS, MAX_TEXT, MAX_KEYS] = [10, 200, 1000];
  type Bag = Record<PropertyKey, unknown>;
  const isObject = (value: unknown): value is Bag => (typeof value === "object" && value !== null) || typeof value === "function";
  const inherited = (proto: object, key: PropertyKey) => Object.getOwnPropertyDescriptor(proto, key)!.get!;
  const [mapSize, setSize] = [inherited(Map.prototype, "size"), inherited(Set.prototype, "size")];
  const typedLength = inherited(Object.getPrototypeOf(Uint8Array.prototype), "length");
  const mapEntries = Map.prototype.entries;
  const setValues = Set.prototype.values;
  const cut = (text: string, length = MAX_TEXT) => (text.length > length ? `${text.slice(0, length)}…` : text);

  /** A property's value, of an object's own. */
  function own(value: unknown, key: PropertyKey): unknown {
    if (!isObject(value) || types.isProxy(value)) return undefined;
    try {
      const found = Object.getOwnPropertyDescriptor(value, key);
      return found && !("value" in found) ? getter : found?.value;
    } catch {
      return undefined; // a module's name that has no value yet
    }
  }

  function className(value: object): string {
    for (let proto = Object.getPrototypeOf(value); proto !== null && !types.isProxy(proto); proto = Object.getPrototypeOf(proto)) {
      const name = own(own(proto, "constructor"), "name");
      if (typeof name === "string" && name !== "") return name;
    }
    return "Object";
  }

  const list = (value: unknown): unknown[] | undefined => (Array.isArray(value) && !types.isProxy(value) ? value : undefined);
  const sizes = (shape: unknown[]) => `[${shape.map((size) => cut(String(typeof size === "number" ? size : "?"))).join(", ")}]`;

  /** A tensor of TensorFlow.js, by what it has. */
  function tensor(value: object): { dtype: string; shape: unknown[]; size: number; disposed: boolean } | undefined {
    const [dtype, shape, size] = [own(value, "dtype"), list(own(value, "shape")), own(value, "size")];
    if (typeof dtype !== "string" || !shape || typeof size !== "number" || !isObject(own(value, "dataId"))) return undefined;
    return { dtype, shape, size, disposed: own(value, "isDisposedInternal") === true };
  }

  /** Where a tensor lies and how much it takes, as TensorFlow.js's engine has it. */
  function storage(value: object): { bytes?: number; device?: string } {
    const engine = own(globalThis, "_tfengine");
    const infos = own(own(engine, "state"), "tensorInfo");
    const info =
      types.isProxy(infos) || !(infos instanceof WeakMap) ? undefined : WeakMap.prototype.get.call(infos, own(value, "dataId") as object);
    const [counted, backend, registry] = [own(info, "bytes"), own(info, "backend"), own(engine, "registry")];
    const isComplex = own(value, "dtype") === "complex64"; // the engine counts its two parts, not the whole
    const bytes = isComplex && counted !== undefined ? 8 * Number(own(value, "size")) : counted;
    const device = isObject(registry) && backend ? Object.keys(registry).find((name) => own(registry, name) === backend) : undefined;
    return { ...(typeof bytes === "number" && { bytes }), ...(device !== undefined && { device }) };
  }

  /** A frame or a series of danfo. */
  function frame(value: object): { columns: unknown[]; index: unknown[]; series: boolean } | undefined {
    const [columns, index] = [list(own(value, "$columns")), list(own(value, "$index"))];
    const name = columns && index && className(value);
    return name === "DataFrame" || name === "Series" ? { columns: columns!, index: index!, series: name === "Series" } : undefined;
  }

  /** A model of TensorFlow.js: its layers, and how many numbers its weights have. */
  function model(value: object): { layers: unknown[]; parameters: number } | undefined {
    const layers = list(own(value, "layers"));
    if (!layers || typeof own(value, "name") !== "string" || list(own(value, "inputs")) === undefined) return undefined;
    let parameters = 0;
    for (const layer of layers) {
      for (const key of ["_trainableWeights", "_nonTrainableWeights"]) {
        for (const weight of list(own(layer, key)) ?? [])
          parameters += (list(own(weight, "shape")) ?? []).reduce<number>((product, size) => product * Number(size), 1);
      }
    }
    return { layers, parameters };
  }

  function typeOf(value: unknown): string {
    if (value === null) return "null";
    if (!isObject(value)) return typeof value;
    if (types.isProxy(value)) return "Proxy";
    if (typeof value === "function") {
      const name = own(value, "name");
      return /^class\b/.test(Function.prototype.toString.call(value)) ? `class ${typeof name === "string" ? name : ""}`.trim() : "Function";
    }
    if (types.isModuleNamespaceObject(value)) return "Module";
    const name = className(value);
    const known = tensor(value);
    if (known) return `${name} ${known.dtype} ${sizes(known.shape)}`;
    const table = frame(value);
    if (table) return `${name} [${table.series ? table.index.length : `${table.index.length}, ${table.columns.length}`}]`;
    const count = countOf(value);
    return count === undefined ? name : `${name}(${count})`;
  }

  /** How many items something has, undefined where it is none that holds items. */
  function countOf(value: object): number | undefined {
    if (Array.isArray(value)) return value.length;
    if (types.isTypedArray(value)) return typedLength.call(value);
    if (types.isMap(value)) return mapSize.call(value);
    if (types.isSet(value)) return setSize.call(value);
    return undefined;
  }

  const quoted = (text: string) => `'${cut(text).replaceAll("\\", "\\\\").replaceAll("'", "\\'").replaceAll("\n", "\\n")}'`;

  /** @param deep whether to look into objects */
  function preview(value: unknown, deep: boolean): string {
    if (value === getter) return "[Getter]";
    if (typeof value === "string") return quoted(value);
    if (typeof value === "bigint") return `${value}n`;
    if (typeof value === "symbol") return Symbol.prototype.toString.call(value);
    if (typeof value === "number") return Object.is(value, -0) ? "-0" : String(value);
    if (!isObject(value)) return String(value);
    if (types.isProxy(value)) return "Proxy";
    if (typeof value === "function") return cut(Function.prototype.toString.call(value).split("\n")[0]!, 80);
    if (types.isDate(value))
      return Number.isNaN(Date.prototype.getTime.call(value)) ? "Invalid Date" : Date.prototype.toISOString.call(value);
    if (types.isRegExp(value)) return `/${inherited(RegExp.prototype, "source").call(value)}/`;
    if (types.isNativeError(value)) return cut(`${className(value)}: ${own(value, "message") ?? ""}`);
    return object(value, deep);
  }

  function object(value: object, deep: boolean): string {
    const known = tensor(value);
    if (known) {
      const { bytes, device } = storage(value);
      if (known.disposed) return "disposed";
      return [bytes === undefined ? `${known.size} values` : `${bytes} bytes`, device && `on ${device}`].filter(Boolean).join(" ");
    }
    const table = frame(value);
    if (table) return cut(table.columns.map((name) => preview(name, false)).join(", "));
    const network = model(value);
    if (network) return `${network.layers.length} layers, ${network.parameters} parameters`;
    const count = countOf(value);
    if (!deep) return count === undefined ? `${className(value)} {…}` : typeOf(value);
    const inside = parts(value)!;
    const shown = count === undefined ? inside.named() : inside.items(0, Math.min(count, MAX_ITEMS));
    const plain = Array.isArray(value) || types.isTypedArray(value);
    const texts = shown.slice(0, MAX_ITEMS).map(([name, item]) => {
      const text = preview(item, false);
      return plain || types.isSet(value) ? text : types.isMap(value) ? `${name} => ${text}` : `${name}: ${text}`;
    });
    if ((count ?? shown.length) > MAX_ITEMS) texts.push("…");
    if (plain) return cut(`[${texts.join(", ")}]`);
    const prefix = count === undefined && className(value) !== "Object" ? `${className(value)} ` : "";
    return cut(texts.length ? `${prefix}{ ${texts.join(", ")} }` : `${prefix}{}`);
  }

  /** The properties of its own that can be listed. */
  function properties(value: object): [string, unknown][] {
    const isListed = (key: string) => {
      try {
        return Object.prototype.propertyIsEnumerable.call(value, key);
      } catch {
        return true; // a module's name that has no value yet
      }
    };
    const keys = Reflect.ownKeys(value).filter((key) => typeof key === "string");
    return keys
      .slice(0, MAX_KEYS)
      .filter(isListed)
      .map((key) => [key, own(value, key)]);
  }

  /** @param nth gives the items from the first on */
  function* ranged<T>(nth: Iterator<T>, from: number, to: number): Generator<T> {
    for (let i = 0; i < to; i++) {
      const { value, done } = nth.next();
      if (done) return;
      if (i >= from) yield value;
    }
  }

  function parts(value: unknown): Parts | undefined {
    if (!isObject(value) || types.isProxy(value) || types.isDate(value) || types.isRegExp(value)) return undefined;
    const none = () => [];
    const count = countOf(value);
    if (Array.isArray(value) || types.isTypedArray(value)) {
      const items = (from: number, to: number): [string, unknown][] =>
        Array.from({ length: Math.max(0, to - from) }, (_, i) => [String(from + i), own(value, from + i)]);
      return { indexed: count!, items, named: none };
    }
    if (types.isMap(value))
      return {
        indexed: count!,
        items: (from, to) => [...ranged(mapEntries.call(value), from, to)].map(([key, item]) => [preview(key, false), item]),
        named: none,
      };
    if (types.isSet(value))
      return {
        indexed: count!,
        items: (from, to) => [...ranged(setValues.call(value), from, to)].map((item, i) => [String(from + i), item]),
        named: none,
      };
    const known = tensor(value);
    if (known) {
      const facts = { shape: known.shape, dtype: known.dtype, size: known.size, ...storage(value), disposed: known.disposed };
      return { indexed: 0, items: none, named: () => Object.entries(facts) };
    }
    const table = frame(value);
    if (table) {
      const columns = list(own(value, "$dataIncolumnFormat")) ?? [];
      const whole = !table.series && columns.length === table.columns.length;
      const data: [string, unknown][] = whole
        ? table.columns.map((name, i) => [String(typeof name === "object" ? i : name), own(columns, i)])
        : [["values", own(value, "$data")]];
      return { indexed: 0, items: none, named: () => [...data, ["index", table.index], ["dtypes", own(value, "$dtypes")]] };
    }
    if (types.isNativeError(value))
      return {
        indexed: 0,
        items: none,
        named: () => ["message", "cause"].filter((key) => Object.hasOwn(value, key)).map((key) => [key, own(value, key)]),
      };
    const network = model(value);
    if (network || list(own(value, "_trainableWeights"))) {
      const all = properties(value).filter(([key]) => key !== "layers");
      const isInner = ([key]: [string, unknown]) => key.startsWith("_"); // what TensorFlow.js keeps to itself
      const first: [string, unknown][] = network
        ? [
            ["layers", network.layers],
            ["parameters", network.parameters],
          ]
        : [];
      return { indexed: 0, items: none, named: () => [...first, ...all.filter((one) => !isInner(one)), ...all.filter(isInner)] };
    }
    const named = properties(value);
    if (typeof value === "function" && named.length === 0) return undefined;
    return { indexed: 0, items: none, named: () => named };
  }

  return {
    describe: (value) => ({ type: value === getter ? "" : typeOf(value), value: preview(value, true) }),
    parts,
    bytes: (value) => (isObject(value) && !types.isProxy(value) && tensor(value) ? storage(value).bytes : undefined),
  };
}
