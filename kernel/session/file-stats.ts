import type { Stats, StatsBase } from "node:fs";
import { inspect } from "node:util";

const KINDS = ["isFile", "isDirectory", "isSymbolicLink", "isFIFO", "isSocket", "isBlockDevice", "isCharacterDevice"] as const;

const originals = new WeakMap<object, StatsBase<unknown>>();
const prototypes = new WeakMap<object, object>();

/**
 * A stat's result that tells which of its fields are looked at. It is one of Node's own class with the same values; size and kind are looked
 * at without notice, and whoever prints it looks at all fields.
 * @param look receives a field's name without its unit, such as `mtime` or `mode`
 */
export function watchedStats<T extends StatsBase<unknown>>(stats: T, look: (field: string) => void): T {
  const watched = Object.create(watchedPrototype(stats)) as T;
  originals.set(watched, stats);
  for (const key of Reflect.ownKeys(stats)) {
    const value = stats[key as keyof T];
    if (key === "size") Object.defineProperty(watched, key, { value, writable: true, enumerable: true, configurable: true });
    else {
      Object.defineProperty(watched, key, {
        get: () => {
          look(fieldOf(key));
          return value;
        },
        set: (other) => Object.defineProperty(watched, key, { value: other, writable: true, enumerable: true, configurable: true }),
        enumerable: true,
        configurable: true,
      });
    }
  }
  return watched;
}

/** `mtime` for `mtimeMs` and `mtimeNs`, and for the symbol `partialMtimeNs`, which `mtimeInstant` of Node 26 reads. */
const fieldOf = (key: string | symbol): string =>
  (typeof key === "string" ? key : (key.description ?? ""))
    .replace(/^k?partial(.)/i, (_, first: string) => first.toLowerCase())
    .replace(/[MN]s$/, "");

/** Node's prototype with methods that look at the original's mode, which is the kind here. */
function watchedPrototype(stats: object): object {
  const own = Object.getPrototypeOf(stats) as object;
  const known = prototypes.get(own);
  if (known) return known;
  const made = Object.create(own) as object;
  const define = (name: PropertyKey, value: unknown) => Object.defineProperty(made, name, { value, writable: true, configurable: true });
  for (const kind of KINDS) {
    define(kind, function (this: object) {
      return (originals.get(this) ?? (this as Stats))[kind]();
    });
  }
  define(inspect.custom, function (this: object) {
    Object.values(this);
    return originals.get(this) ?? this;
  });
  prototypes.set(own, made);
  return made;
}
