import { stripVTControlCharacters } from "node:util";

/** Neighbouring lines of a printed text: of a table, whose columns stand only where its lines are whole, or other ones. */
export interface LineGroup {
  table: boolean;
  lines: string[];
}

/** Words that a tab or several spaces keep apart; two spaces behind a sentence's end do not. */
const COLUMNS = /\S\t+\S|\S {3,}\S|[^\s.!?] {2}\S/;
/** Cells that lines keep apart, or a line of a frame. */
const FRAMED = /[│┃║].*[│┃║]|^\s*\|.*\|\s*$|[─━═]{3}/;
/** A rule below the names of columns. */
const isRule = (line: string): boolean => /[=-]{3}/.test(line) && /^[\s=+|:-]+$/.test(line);

/**
 * A printed text in groups of lines. Columns make a table where two lines have them, one below the other; one line with a gap is a sentence, or a name and its value.
 *
 * @param lines may hold terminal colours
 */
export function lineGroups(lines: readonly string[]): LineGroup[] {
  const plain = lines.map((line) => stripVTControlCharacters(line));
  const rows = plain.map((line) => COLUMNS.test(line) || FRAMED.test(line));
  const isRow = (i: number) => rows[i] === true || (isRule(plain[i] ?? "") && (rows[i - 1] === true || rows[i + 1] === true));
  const groups: LineGroup[] = [];
  for (const [i, line] of lines.entries()) {
    const table = isRow(i) && (isRow(i - 1) || isRow(i + 1));
    const last = groups.at(-1);
    if (last?.table === table) last.lines.push(line);
    else groups.push({ table, lines: [line] });
  }
  return groups;
}
