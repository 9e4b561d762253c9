import { htmlTable, numberText } from "./html-table.js";

/** What is used of a danfo DataFrame or Series. */
interface Frame {
  columns: unknown[];
  index: unknown[];
  shape: [number, number];
  values: unknown[] | unknown[][];
}

/** Danfo's classes, by what they offer: a notebook may hold another copy of the package. */
export function isFrame(value: unknown): value is Frame {
  if (typeof value !== "object" || value === null) return false;
  const name = value.constructor?.name;
  if (name !== "DataFrame" && name !== "Series") return false;
  const frame = value as Partial<Frame>;
  return Array.isArray(frame.columns) && Array.isArray(frame.index) && Array.isArray(frame.shape) && Array.isArray(frame.values);
}

/** An HTML table of a frame, with its index before the rows. */
export function frameHTML({ columns, index, shape, values }: Frame): string {
  const cell = (row: unknown, column: number) => (Array.isArray(row) ? row[column] : row);
  return htmlTable({ columns, length: shape[0], label: (row) => index[row], text: (row, column) => shown(cell(values[row], column)) });
}

function shown(cell: unknown): string {
  if (typeof cell === "number") return numberText(cell);
  return cell === null || cell === undefined ? "" : String(cell);
}
