import { isRecord } from "../setup/json.js";
import { checkDrawn, views } from "./check.js";
import { compileOnly, count } from "./render.js";
import { type VegaLiteSpec, withoutStack } from "./spec.js";

/** Rows of a specification that a try takes at most. */
const TRIED = 200;

/**
 * Whether a specification can be drawn. Of many rows an even part is tried first, and all of them only where that draws nothing. Data that
 * the page is to load from elsewhere is not asked for: such a specification is compiled only.
 * @throws FigureError in one line
 */
export async function tryFigure(shown: VegaLiteSpec): Promise<void> {
  const spec = copied(shown) as VegaLiteSpec; // Vega writes into the rows that it is given
  try {
    if (loads(spec)) await compileOnly(spec);
    else if ((await countSome(spec)) === 0) checkDrawn(spec, await count(spec));
  } catch (error) {
    throw withoutStack(error);
  }
}

/** Lists and plain objects anew, with the values in them. */
function copied(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copied);
  const isPlain = isRecord(value) && [Object.prototype, null].includes(Object.getPrototypeOf(value));
  return isPlain ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, copied(inner)])) : value;
}

/** The marks of an even part of many rows; 0 where there are few. */
async function countSome(spec: VegaLiteSpec): Promise<number> {
  const rows = spec.data?.values;
  if (!Array.isArray(rows) || rows.length <= TRIED) return 0;
  const step = Math.ceil(rows.length / TRIED);
  return count({ ...spec, data: { ...spec.data, values: rows.filter((_, i) => i % step === 0) } });
}

/** Whether data comes from a URL, or by a name that the page is to fill. */
const loads = (spec: VegaLiteSpec): boolean =>
  [...views(spec, "")].some(
    ({ view: { data } }) => isRecord(data) && (typeof data.url === "string" || (typeof data.name === "string" && !data.values)),
  );
