import { display } from "../frontend/index.js";
import { formatValue } from "./numbers.js";
import { checkLabel, FigureError } from "./spec.js";

/**
 * Names a number (or a short text) for the prose: `@val-asr-3` in Markdown becomes what this call was given, so that no number is typed by hand.
 *
 * @param name `val-...`
 * @param content shown with three to four digits; the report keeps the full value
 * @throws FigureError when the name is not `val-...` or `content` is neither a number nor a text
 */
export function value(name: string, content: number | string): void {
  checkLabel(name, "val");
  if (typeof content !== "number" && typeof content !== "string") {
    throw new FigureError(`value ${name}: needs a number or a text, got ${content === null ? "null" : typeof content}`);
  }
  const text = typeof content === "number" ? formatValue(content) : content;
  const json = typeof content === "number" && !Number.isFinite(content) ? null : content;
  const data = { "application/json": json, "text/plain": `${name} = ${text}` };
  display({ [Symbol.for("Jupyter.display")]: () => ({ data, metadata: { label: name, text } }) });
}
