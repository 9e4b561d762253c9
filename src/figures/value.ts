import { display } from "../frontend/index.js";
import { DISPLAY } from "../frontend/shown.js";
import { formatValue } from "./numbers.js";
import { checkLabel, FigureError } from "./spec.js";

/** How a number is written in the prose. */
export interface ValueOptions {
  /** Decimals, 0 to 20. */
  digits?: number;
  /** Writes a share as percent, 0.123 as `12.3%`. */
  percent?: boolean;
}

/**
 * Names a number (or a short text) for the prose: `@val-asr-3` in Markdown becomes what this call was given, so that no number is typed by hand.
 *
 * @param name `val-...`
 * @param content shown with three to four digits, as percent with one decimal, unless `options` say more; the report keeps the full value
 * @throws FigureError when the name is not `val-...`, `content` is neither a number nor a text, or `digits` is no whole number from 0 to 20
 */
export function value(name: string, content: number | string, options: ValueOptions = {}): void {
  checkLabel(name, "val");
  if (typeof content !== "number" && typeof content !== "string") {
    throw new FigureError(`value ${name}: needs a number or a text, got ${content === null ? "null" : typeof content}`);
  }
  const { digits, percent } = options;
  if (digits !== undefined && !(Number.isInteger(digits) && digits >= 0 && digits <= 20)) {
    throw new FigureError(`value ${name}: digits must be a whole number from 0 to 20, got ${digits}`);
  }
  const written = (number: number) =>
    percent && Number.isFinite(number) ? `${formatValue(100 * number, digits ?? 1)}%` : formatValue(number, digits);
  const text = typeof content === "number" ? written(content) : content;
  const json = typeof content === "number" && !Number.isFinite(content) ? null : content;
  const data = { "application/json": json, "text/plain": `${name} = ${text}` };
  display({ [DISPLAY]: () => ({ data, metadata: { label: name, text } }) });
}
