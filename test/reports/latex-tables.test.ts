import type { Token } from "marked";
import { expect, test } from "vitest";
import { plainText } from "../../reports/document/markdown.js";
import type { TableCell } from "../../reports/document/model.js";
import type { TableContent } from "../../reports/document/table-content.js";
import { TableWriter } from "../../reports/latex/table-writer.js";
import { columnsOf, naturalWidth, pages, tabular } from "../../reports/latex/tables.js";
import { TEMPLATES } from "../../reports/latex/templates.js";

const words = (tokens: readonly Token[]) => plainText(tokens);
const cell = (text: string, span = 1, align?: "right" | "center"): TableCell => ({
  tokens: [{ type: "text", raw: text, text }],
  span,
  ...(align && { align }),
});
const row = (...texts: string[]) => texts.map((text) => cell(text));
const table = (rows: string[][], align: TableContent["align"], head: string[] = []): TableContent => ({
  head: head.length ? [row(...head)] : [],
  rows: rows.map((texts) => row(...texts)),
  align,
});
const letters = (count: number) => "a".repeat(count);

test("a table is as wide as the longest cell of each column, names included, with two letters between; a centimetre holds 6.2", () => {
  expect(naturalWidth(table([["  abcde  ", "abc"]], ["left", "left"], ["abcdef", "x"]))).toBeCloseTo((6 + 3 + 2) / 6.2);
  expect(naturalWidth(table([[""]], ["left"]))).toBeCloseTo(1 / 6.2);
});

test("where a table is too wide, left columns of more than 28 letters share what the others leave, by the roots of their lengths", () => {
  const types = (table: TableContent, width: number) => columnsOf(table, width).map(({ type }) => type);
  expect(types(table([[letters(10), letters(40)]], ["left", "right"]), 16)).toEqual(["l", "r"]);
  expect(types(table([[letters(40), letters(9)]], ["left", "center"]), 16)).toEqual(["l", "c"]);
  // 10 cm hold 62 letters: 10 and two between leave 0.98 - 12 / 62 of the line
  const [short, long] = columnsOf(table([[letters(10), letters(100)]], ["left", "left"]), 10);
  expect(short).toEqual({ type: "l", letters: 10 });
  expect(long!.type).toBe("P{0.786}");
  expect(long!.letters).toBeCloseTo(0.98 * 62 - 12);
  expect(types(table([[letters(28), letters(60)]], ["left", "right"]), 10)).toEqual(["l", "r"]);
  expect(types(table([[letters(29), letters(60)]], ["center", "right"]), 10)).toEqual(["c", "r"]);
  // (0.98 - 2 / 62) in parts of 10 and 20: no cell counts as more than 400 letters
  expect(types(table([[letters(100), letters(900)]], ["left", "left"]), 10)).toEqual(["P{0.316}", "P{0.632}"]);
  expect(types(table([Array(8).fill(letters(50))], Array(8).fill("left")), 10)).toEqual(Array(8).fill("P{0.200}"));
});

test("a page holds 42 lines of a table, and a row as many as its longest cell", () => {
  const sizes = (texts: string[], letters: number) =>
    pages(
      table(
        texts.map((text) => [text]),
        ["left"],
      ),
      [{ type: "l", letters }],
    ).map((part) => part.length);
  expect(sizes(Array(45).fill(""), 10)).toEqual([42, 3]);
  expect(sizes(Array(29).fill(letters(30)), 10)).toEqual([14, 14, 1]);
  expect(sizes(Array(22).fill(letters(11)), 10)).toEqual([21, 1]);
  expect(sizes([letters(900), "a"], 10)).toEqual([1, 1]);
});

test("cells over several columns keep their side, short rows are filled, and a star begins no option of the line above", () => {
  const content: TableContent = {
    head: [[cell("two", 2), cell("right", 2, "right")]],
    rows: [row("a"), row("*", "b", "c", "d")],
    align: ["left", "left", "right", "right"],
  };
  expect(tabular(content, columnsOf(content, 16), words).split("\n")).toEqual([
    "\\begin{tabular}{@{}llrr@{}}",
    "\\toprule",
    "\\multicolumn{2}{l}{two} & \\multicolumn{2}{r}{right} \\\\",
    "\\midrule",
    "a &  &  &  \\\\",
    "{}* & b & c & d \\\\",
    "\\bottomrule",
    "\\end{tabular}",
  ]);
  expect(tabular({ ...content, head: [] }, columnsOf(content, 16), words)).not.toContain("midrule");
});

test("a table goes over both columns of a page where it is 1.3 times as wide as one, and over several pages where it is long", () => {
  const written = (content: TableContent, template: keyof typeof TEMPLATES = "two-column") =>
    new TableWriter(TEMPLATES[template], words).numbered(content, "Cap.", "\\label{tbl-a}");
  const wide = (count: number) => table([[letters(count)]], ["left"]); // a column of 8.1 cm holds 50 letters, 1.3 of them 65
  expect(written(wide(64))).toMatch(/^\\begin\{table\}\[htbp\]\n\\centering\n\\caption\{Cap\.\}\\label\{tbl-a\}\n[\s\S]*P\{0\.980\}/);
  expect(written(wide(66))).toMatch(/^\\begin\{table\*\}[\s\S]*\{@\{\}l@\{\}\}[\s\S]*\\end\{table\*\}$/);
  expect(written(wide(200), "article")).toMatch(/^\\begin\{table\}/);
  const long = written(table(Array(90).fill(["a"]), ["left"]));
  expect(long.match(/\\caption.*/g)).toEqual([
    "\\caption{Cap.}\\label{tbl-a}",
    "\\caption*{(continued, 2 of 3)}",
    "\\caption*{(continued, 3 of 3)}",
  ]);
});

test("a table of more than 40 columns is left out, and said to be", () => {
  const columns = (count: number) =>
    new TableWriter(TEMPLATES.article, words).unnumbered(table([Array(count).fill("a")], Array(count).fill("left")));
  expect(columns(40)).toContain("\\toprule");
  expect(columns(41)).toBe("\\begin{center}\n{[}a table of 41 columns was left out{]}\n\\end{center}");
});
