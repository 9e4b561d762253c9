import { CsvError, parse } from "csv-parse/sync";
import { readBeginning } from "./beginning.js";
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
 * @param options.rows so many rows at most, from the first; only as much of the file is read
 * @throws DataError `FILE: cause`: no such file, not UTF-8, a missing column or two of one name, a row with too few or too many values, an open quote
 */
export function csvRecords(
  path: string,
  columns: readonly string[],
  options: { comments?: boolean; rows?: number | undefined } = {},
): CsvRecord[] {
  const wanted = (options.rows ?? Number.POSITIVE_INFINITY) + 1; // and the header
  const from = (text: string, whole: boolean) => {
    const head = options.comments ? (text.match(/^(?:#[^\n]*\n)*/)?.[0] ?? "") : "";
    const rows = parsed(path, text.slice(head.length), wanted, whole);
    return rows && recordsOf(path, columns, rows, head.split("\n").length - 1);
  };
  return options.rows === undefined ? from(readText(path).replace(/^\uFEFF/, ""), true)! : readBeginning(path, from);
}

/** A row of the text, and the line it ends on. */
interface Parsed {
  record: string[];
  info: { lines: number };
}

/**
 * So many rows of a text; all of them where it has fewer and is the whole file's.
 * @param whole false: the text may end in a row, so that its last one, and an error, are not believed
 * @returns undefined where more of the file is needed
 */
function parsed(path: string, text: string, wanted: number, whole: boolean): Parsed[] | undefined {
  const to = Number.isFinite(wanted) ? { to: whole ? wanted : wanted + 1 } : {};
  try {
    const rows = parse(text, { info: true, skip_empty_lines: true, relax_column_count: true, ...to }) as unknown as Parsed[];
    return whole ? rows : rows.length > wanted ? rows.slice(0, wanted) : undefined;
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    if (!whole) return undefined;
    throw new DataError(`${path}: not CSV (${error.message.split("\n")[0]})`);
  }
}

function recordsOf(path: string, columns: readonly string[], [first, ...rows]: readonly Parsed[], skipped: number): CsvRecord[] {
  const header = first?.record.map((name) => name.trim());
  if (!header) throw new DataError(`${path}: the file is empty`);
  const twice = header.find((name, i) => name !== "" && header.indexOf(name) !== i);
  if (twice !== undefined) throw new DataError(`${path}: two columns are called "${twice}"`);
  for (const name of columns) {
    if (!header.includes(name)) throw missingColumn(path, name, header);
  }
  return rows.map(({ record, info }) => {
    const line = info.lines + skipped;
    if (record.length !== header.length) {
      throw new DataError(`${path}:${line}: ${record.length} values, but the header has ${header.length} columns`);
    }
    return { line, value: Object.fromEntries(header.map((name, i) => [name, record[i]!])) };
  });
}

/** A semicolon or a tab in a header of one column is what other programs put between values. */
export function missingColumn(path: string, name: string, header: readonly string[]): DataError {
  const parted = header.length === 1 && /[;\t]/.test(header[0]!) ? ": save it with commas between values" : "";
  return new DataError(`${path}: missing column "${name}" (the columns are ${header.join(", ")})${parted}`);
}

/** The column names of a CSV file, trimmed. @throws DataError as `csvRecords` */
export function csvHeader(path: string): string[] {
  return readBeginning(path, (text, whole) => {
    const rows = parsed(path, text, 1, whole);
    if (rows && !rows[0]) throw new DataError(`${path}: the file is empty`);
    return rows?.[0]?.record.map((name) => name.trim());
  });
}

/** A CSV file's text (RFC 4180: CRLF, every value quoted), with the byte order mark by which spreadsheets know UTF-8. `csvRecords` reads it back. */
export function formatCsv<Column extends string>(columns: readonly Column[], rows: readonly Readonly<Record<Column, string>>[]): string {
  const line = (values: readonly string[]) => `${values.map((value) => `"${value.replaceAll('"', '""')}"`).join(",")}\r\n`;
  return `\uFEFF${[columns, ...rows.map((row) => columns.map((column) => row[column]))].map(line).join("")}`;
}
