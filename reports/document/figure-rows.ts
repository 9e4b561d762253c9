import { isRecord } from "../../src/setup/json.js";
/** A row of a figure's data. */
export type Row = Readonly<Record<string, unknown>>;

/** Where a Vega-Lite specification keeps the views that it is put together of. */
const PARTS = ["layer", "hconcat", "vconcat", "concat", "spec"];

/** The inline data of a Vega-Lite specification: its own, else that of its parts, one after the other. */
export function rowsOf(spec: Record<string, unknown>): Row[] {
  const datasets = isRecord(spec.datasets) ? spec.datasets : {};
  return viewRows(spec, datasets, 8);
}

/** @param depth levels of parts that are looked into */
function viewRows(view: Record<string, unknown>, datasets: Record<string, unknown>, depth: number): Row[] {
  const data = isRecord(view.data) ? view.data : {};
  const values = data.values ?? (typeof data.name === "string" ? datasets[data.name] : undefined);
  if (Array.isArray(values)) return values.map((value) => (isRecord(value) ? value : { data: value })); // as Vega-Lite names plain values
  if (depth === 0) return [];
  return PARTS.flatMap((part) => view[part])
    .filter(isRecord)
    .flatMap((part) => viewRows(part, datasets, depth - 1));
}
