/** How a widget's state travels: JSON, with bytes beside it as buffers and their places as paths (Jupyter's widget protocol 2.1). */

/** Where bytes belong in a state: keys of objects, places in lists. */
export type BufferPath = (string | number)[];

/** A state as it is sent. */
export interface SentState {
  state: Record<string, unknown>;
  buffer_paths: BufferPath[];
  buffers: Uint8Array[];
}

/** What a typed array is made with. */
type ArrayConstructor = new (buffer: ArrayBuffer) => ArrayBufferView;

/**
 * Takes the bytes (typed arrays, `DataView`, `ArrayBuffer`) out of values. In objects their keys are left out, in lists null stands for them.
 * @throws TypeError that names the place of what neither JSON nor bytes can hold
 */
export function splitBuffers(values: object): SentState {
  const buffer_paths: BufferPath[] = [];
  const buffers: Uint8Array[] = [];
  const inside = new Set<object>(); // what is being looked into: an object must not hold itself

  function taken(value: unknown, path: BufferPath): unknown {
    if (value === null || typeof value === "string" || typeof value === "boolean") return value;
    if (typeof value === "number" && Number.isFinite(value)) return value;
    if (typeof value !== "object") throw refused(path, typeof value === "number" || typeof value === "bigint" ? value : typeof value);
    if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) {
      buffer_paths.push(path);
      buffers.push(bytesOf(value));
      return undefined;
    }
    if (inside.has(value)) throw refused(path, "an object that holds itself");
    inside.add(value);
    const result = Array.isArray(value)
      ? value.map((item, i) => taken(item, [...path, i]) ?? null)
      : Object.fromEntries(entriesOf(value, path).map(([key, item]) => [key, taken(item, [...path, key])]));
    inside.delete(value);
    return result;
  }

  return { state: taken(values, []) as Record<string, unknown>, buffer_paths, buffers };
}

function entriesOf(value: object, path: BufferPath): [string, unknown][] {
  const prototype = Object.getPrototypeOf(value);
  const plain = prototype === null || Object.getPrototypeOf(prototype) === null; // also another realm's
  if (!plain) throw refused(path, `a ${value.constructor?.name || "class instance"}`);
  return Object.entries(value).filter(([, item]) => item !== undefined);
}

const refused = (path: BufferPath, what: unknown) =>
  new TypeError(
    `widget: ${path.join(".") || "the state"} is ${what}; use texts, finite numbers, booleans, null, lists, plain objects and typed arrays`,
  );

/** A copy: what is sent later is what was there now. */
function bytesOf(value: ArrayBuffer | ArrayBufferView): Uint8Array {
  const bytes = value instanceof ArrayBuffer ? new Uint8Array(value) : new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  return bytes.slice();
}

/**
 * Puts bytes that have come beside a state into their places. Where the earlier state has a typed array there, they become one of its kind;
 * else a `Uint8Array`. Places that the state does not have are passed over.
 *
 * @param state as it was received; it is changed
 * @param paths from the other side, and so anything
 */
export function joinBuffers(state: Record<string, unknown>, paths: unknown, buffers: readonly Uint8Array[], earlier: object): void {
  if (!Array.isArray(paths)) return;
  for (const [i, path] of paths.entries()) {
    const key = Array.isArray(path) ? path.at(-1) : undefined;
    const bytes = buffers[i];
    const holder = Array.isArray(path) ? valueAt(state, path.slice(0, -1)) : undefined;
    if (bytes === undefined || typeof holder !== "object" || holder === null || !isPlace(holder, key)) continue;
    (holder as Record<string | number, unknown>)[key] = asBefore(bytes, valueAt(earlier, path));
  }
}

/** A key may be new in an object, since bytes are left out there; in a list it is a place that it has. */
function isPlace(holder: object, key: unknown): key is string | number {
  if (Array.isArray(holder)) return Number.isInteger(key) && (key as number) >= 0 && (key as number) < holder.length;
  return typeof key === "string" && key !== "__proto__";
}

function valueAt(value: unknown, path: readonly unknown[]): unknown {
  return path.reduce<unknown>(
    (at, key) =>
      typeof at === "object" && at !== null && Object.hasOwn(at, key as string)
        ? (at as Record<string, unknown>)[key as string]
        : undefined,
    value,
  );
}

/** Bytes as a typed array of the earlier one's kind, if their number allows that. */
function asBefore(bytes: Uint8Array, before: unknown): ArrayBuffer | ArrayBufferView {
  const copy = Uint8Array.from(bytes); // of its own, so that it begins where its buffer does
  if (before instanceof ArrayBuffer) return copy.buffer;
  if (!ArrayBuffer.isView(before) || Buffer.isBuffer(before)) return copy;
  const size = (before as Partial<Uint8Array>).BYTES_PER_ELEMENT ?? 1;
  return copy.byteLength % size === 0 ? new (before.constructor as ArrayConstructor)(copy.buffer) : copy;
}
