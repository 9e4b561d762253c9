import { inspect, types } from "node:util";
import { DISPLAY } from "../../src/frontend/shown.js";
import { htmlTable, numberText } from "./html-table.js";

/** Objects with the same or similar keys. */
export interface RowList {
  columns: string[];
  rows: readonly object[];
}

/** The part of a table's cells that is filled at least; with less, rows have little in common. */
const FILLED = 0.5;
/** Characters of a cell. */
const LONGEST = 200;
/** Longer lists are looked at in so many places. */
const LOOKED_AT = 10_000;

/**
 * A list of plain objects as a table: columns in the order in which they first appear. Undefined for lists of other things, class instances
 * and objects that show themselves among them, and for objects that have little in common. No getter is called.
 */
export function rowList(value: unknown): RowList | undefined {
  if (types.isProxy(value) || !Array.isArray(value) || value.length === 0) return undefined;
  const columns = new Set<string>();
  let filled = 0;
  let looked = 0;
  const step = Math.max(1, value.length / LOOKED_AT);
  for (let at = 0; at < value.length; at += step) {
    const row: unknown = value[Math.floor(at)];
    if (!isPlain(row)) return undefined;
    const keys = Object.keys(row);
    for (const key of keys) columns.add(key);
    filled += keys.length;
    looked += 1;
  }
  return filled > 0 && filled >= FILLED * looked * columns.size ? { columns: [...columns], rows: value } : undefined;
}

function isPlain(value: unknown): value is object {
  if (typeof value !== "object" || value === null || types.isProxy(value)) return false;
  const prototype = Object.getPrototypeOf(value);
  const plain = prototype === null || Object.getPrototypeOf(prototype) === null; // also another realm's
  return plain && !(DISPLAY in value);
}

/** The HTML of a list's head and tail, with the place in the list before each row; values within values in short. */
export function rowsHTML({ columns, rows }: RowList): string {
  const property = (row: number, column: number) => Object.getOwnPropertyDescriptor(rows[row] ?? {}, columns[column]!);
  return htmlTable({ columns, length: rows.length, label: (row) => row, text: (row, column) => cellText(property(row, column)) });
}

function cellText(property: PropertyDescriptor | undefined): string {
  if (!property) return "";
  if (property.get || property.set) return "[Getter]";
  const text = valueText(property.value);
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}… (${text.length} characters)` : text;
}

function valueText(value: unknown): string {
  if (value === undefined) return "";
  if (typeof value === "string") return value;
  if (typeof value === "number") return numberText(value);
  return inspect(value, { depth: 0, maxArrayLength: 5, maxStringLength: 40, breakLength: Number.POSITIVE_INFINITY });
}
