import { CsvError, parse } from "csv-parse/sync";
import { DataError } from "./errors.js";
import { readText } from "./jsonl.js";

/** One row of a CSV file: values by column, and the line it ends on. */
export interface CsvRecord {
  line: number;
  value: Record<string, string>;
}

/**
 * Rows of a CSV file with a header (RFC 4180: quotes, doubled quotes, line breaks inside quotes; also a byte order mark and CRLF).
 *
 * @param columns columns that must be there
 * @param options.comments the file begins with lines that start with `#`
 * @throws DataError `FILE: cause`: no such file, a missing column, a row with too few or too many values, an open quote
 */
export function csvRecords(path: string, columns: readonly string[], options: { comments?: boolean } = {}): CsvRecord[] {
  const text = readText(path).replace(/^\uFEFF/, "");
  const head = options.comments ? (text.match(/^(?:#[^\n]*\n)*/)?.[0] ?? "") : "";
  const skipped = head.split("\n").length - 1;
  let rows: { record: string[]; info: { lines: number } }[];
  try {
    rows = parse(text.slice(head.length), { info: true, skip_empty_lines: true, relax_column_count: true }) as unknown as typeof rows;
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw new DataError(`${path}: not CSV (${error.message.split("\n")[0]})`);
  }
  const header = rows.shift()?.record.map((name) => name.trim());
  if (!header) throw new DataError(`${path}: the file is empty`);
  for (const name of columns) {
    if (!header.includes(name)) throw new DataError(`${path}: missing column "${name}" (the columns are ${header.join(", ")})`);
  }
  return rows.map(({ record, info }) => {
    const line = info.lines + skipped;
    if (record.length !== header.length) {
      throw new DataError(`${path}:${line}: ${record.length} values, but the header has ${header.length} columns`);
    }
    return { line, value: Object.fromEntries(header.map((name, i) => [name, record[i]!])) };
  });
}

/** The column names of a CSV file, trimmed. @throws DataError as `csvRecords` */
export function csvHeader(path: string): string[] {
  const text = readText(path).replace(/^\uFEFF/, "");
  let rows: string[][];
  try {
    rows = parse(text, { to: 1, relax_column_count: true });
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw new DataError(`${path}: not CSV (${error.message.split("\n")[0]})`);
  }
  if (!rows[0]) throw new DataError(`${path}: the file is empty`);
  return rows[0].map((name) => name.trim());
}

/** A CSV file's text (RFC 4180: CRLF, every value quoted), with the byte order mark by which spreadsheets know UTF-8. `csvRecords` reads it back. */
export function formatCsv<Column extends string>(columns: readonly Column[], rows: readonly Readonly<Record<Column, string>>[]): string {
  const line = (values: readonly string[]) => `${values.map((value) => `"${value.replaceAll('"', '""')}"`).join(",")}\r\n`;
  return `\uFEFF${[columns, ...rows.map((row) => columns.map((column) => row[column]))].map(line).join("")}`;
}
