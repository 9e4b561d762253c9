import type { MimeBundle, Shown } from "./types.js";

/** The method by which a value shows itself: `[Symbol.for("Jupyter.display")]()`, sync or async. */
export const DISPLAY = Symbol.for("Jupyter.display");

/** Calls the value's own display method. Undefined where it has none or the method declines by returning null. */
export function ownDisplay(value: unknown): Shown | undefined | Promise<Shown | undefined> {
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return undefined;
  let method: unknown;
  try {
    method = (value as Record<symbol, unknown>)[DISPLAY];
  } catch {
    return undefined; // a revoked proxy, a getter that throws
  }
  if (typeof method !== "function") return undefined;
  const result: unknown = method.call(value);
  return result instanceof Promise ? result.then(asShown) : asShown(result);
}

/** Accepts a bare MIME bundle as well as `{ data, metadata }`. */
function asShown(result: unknown): Shown | undefined {
  if (typeof result !== "object" || result === null) return undefined;
  const { data, metadata } = result as { data?: unknown; metadata?: unknown };
  if (typeof data === "object" && data !== null) return { data: data as MimeBundle, metadata: (metadata as Record<string, unknown>) ?? {} };
  return { data: result as MimeBundle, metadata: {} };
}
