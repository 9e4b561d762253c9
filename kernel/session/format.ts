import { inspect } from "node:util";
import type { VegaLiteSpec } from "../../src/figures/spec.js";
import { imageType } from "../../src/frontend/formats.js";
import type { MimeBundle, Shown } from "../../src/frontend/frontend.js";
import { ownDisplay } from "../../src/frontend/shown.js";
import { frameHTML, isFrame } from "./format-frame.js";
import { isModel, modelText } from "./format-model.js";
import { rowList, rowsHTML } from "./format-rows.js";
import { awaited, isTensor, tensorBundle } from "./format-tensor.js";

const MAX_TEXT = 100_000;

/**
 * The representations of any value, bounded in size.
 * @throws FigureError, in its promise, for a Vega-Lite specification that draws nothing
 */
export function format(value: unknown): Shown | Promise<Shown> {
  const own = ownDisplay(value);
  if (own instanceof Promise) return own.then((shown) => complete(shown, value));
  const values = own ? undefined : (tried(value) ?? awaited(value));
  if (values) return values.then(() => complete(own, value));
  return complete(own, value);
}

/** A value's own representations where it has some, else ours. Typed arrays and buffers in them become base64. */
function complete(own: Shown | undefined, value: unknown): Shown {
  const { data, metadata } = own ?? { data: bundle(value), metadata: {} };
  const items = Object.entries(data).map(([mime, item]) => [
    mime,
    item instanceof Uint8Array ? Buffer.from(item).toString("base64") : item,
  ]);
  return { data: Object.fromEntries(items), metadata };
}

/** Nothing that an object does when it is looked at gets out. */
function bundle(value: unknown): MimeBundle {
  try {
    return known(value) ?? { "text/plain": text(value) };
  } catch {
    return { "text/plain": text(value) };
  }
}

/** The representations of what this kernel knows. */
function known(value: unknown): MimeBundle | undefined {
  if (isFrame(value)) return { "text/plain": text(value), "text/html": frameHTML(value) };
  if (isTensor(value)) return tensorBundle(value);
  if (isModel(value)) return { "text/plain": modelText(value) };
  if (value instanceof Uint8Array) {
    const image = imageType(value);
    if (image) return { [image]: value, "text/plain": `<${image}, ${value.length} bytes>` };
  }
  const rows = rowList(value);
  if (rows) return { "text/plain": text(value), "text/html": rowsHTML(rows) };
  if (isVegaLite(value)) {
    return { "application/vnd.vegalite.v6+json": value, "application/vnd.vegalite.v5+json": value, "text/plain": text(value) };
  }
  return undefined;
}

/** Waits until a figure has been tried, with Vega, which is loaded for the first one. Undefined for what is no figure. */
function tried(value: unknown): Promise<void> | undefined {
  if (!isVegaLite(value)) return undefined;
  return import("../../src/figures/try.js").then(({ tryFigure }) => tryFigure(value));
}

/** Whether a value says that it is a Vega-Lite specification. */
function isVegaLite(value: unknown): value is VegaLiteSpec {
  try {
    const schema = (value as { $schema?: unknown } | null | undefined)?.$schema;
    return typeof schema === "string" && /^https:\/\/vega\.github\.io\/schema\/vega-lite\/v\d/.test(schema);
  } catch {
    return false; // a revoked proxy, a getter that throws
  }
}

/** `util.inspect`, which calls no getters, bounded. */
export function text(value: unknown): string {
  let shown: string;
  try {
    shown = isFrame(value) ? String(value) : inspect(value, { depth: 4, maxArrayLength: 100, maxStringLength: 10_000, breakLength: 100 });
  } catch (error) {
    shown = `[an object that cannot be shown: ${error instanceof Error ? error.message : "it throws when looked at"}]`;
  }
  return shown.length > MAX_TEXT ? `${shown.slice(0, MAX_TEXT)}\n... ${shown.length - MAX_TEXT} more characters` : shown;
}
