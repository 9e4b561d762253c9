import { expect, test } from "vitest";
import { rowsOf } from "../../reports/document/figure-rows.js";
import { plainText } from "../../reports/document/markdown.js";
import type { TableCell } from "../../reports/document/model.js";
import { overprint } from "../../reports/document/plain-output.js";
import { tableContent } from "../../reports/document/table-content.js";
import { figureData } from "../../reports/html/figure-data.js";
import { layOutCells } from "../../reports/html/table-cells.js";
import { code, contentOf, documentOf, shown } from "./notebooks.js";

/** What other programs show, as reports show it. */

const reported = async (data: Record<string, unknown>) => {
  const document = documentOf([code("", [shown(data)])]);
  return { html: await contentOf(document), warnings: document.warnings };
};

test.each([
  ["text beside it", { "text/plain": "Figure(id='p1')" }, /Figure\(id=&#x27;p1&#x27;\)|Figure\(id='p1'\)/],
  ["a note", { "application/vnd.plotly.v1+json": {} }, /\[text\/html, application\/vnd\.plotly\.v1\+json: not shown in this report\]/],
])("what only a script draws is %s, and told of", async (_, beside, expected) => {
  const { html, warnings } = await reported({ "text/html": '<div id="p1"></div><script>draw()</script>', ...beside });
  expect(html).toMatch(expected);
  expect(warnings).toEqual(["cell 1: an output that is drawn by a script, which no report runs, is not shown; show it as a picture too"]);
});

test.each([
  ["empty HTML gives way to text", { "text/html": "", "text/plain": "x" }, /<pre[^>]*>x<\/pre>/],
  ["a style sheet shows nothing", { "text/html": "<style>p { color: red }</style>", "text/plain": "<HTML object>" }, /^$/],
  ["a rule, a picture or a formula is something", { "text/html": "<hr>", "text/plain": "x" }, /<hr/],
])("%s", async (_, data, expected) => {
  const { html, warnings } = await reported(data);
  expect(html).toMatch(expected);
  expect(warnings).toEqual([]);
});

test("a figure stands without the table of its data where that cannot be written", async () => {
  const circular: Record<string, unknown> = {};
  circular.self = circular;
  const document = documentOf([
    code("", [shown({ "application/vnd.vegalite.v6+json": { data: { values: [{ a: 1 }] } } }, { "fig-alt": "A plot." })]),
  ]);
  const [figure] = document.blocks.filter((block) => block.kind === "figure");
  (figure!.spec!.data as { values: unknown[] }).values = [{ a: circular }];
  expect(await contentOf(document)).toContain("<figure");
  expect(document.warnings).toEqual([expect.stringContaining("the data of the figure of cell 1: ")]);
});

test("a cell's label goes to the first figure without one, and its caption with it; else to the first figure", () => {
  const own = "//| label: fig-own\n//| fig-cap: Own.\n//| fig-alt: Of the cell.";
  const svg = (said: Record<string, string> = {}) => shown({ "image/svg+xml": "<svg><title>T</title><path/></svg>" }, said);
  const told = (source: string, ...outputs: unknown[]) =>
    documentOf([code(source, outputs)]).blocks.map((block) =>
      block.kind === "figure" ? [block.label, block.caption && plainText(block.caption), block.alt] : block.kind,
    );
  expect(told(own, svg({ label: "fig-a" }), svg(), svg())).toEqual([
    ["fig-a", undefined, "T"],
    ["fig-own", "Own.", "Of the cell."],
    [undefined, undefined, "T"],
  ]);
  expect(told(own, svg({ label: "fig-a", "fig-cap": "A." }))).toEqual([["fig-a", "A.", "Of the cell."]]);
  expect(told("//| fig-cap: Own.", svg({ label: "fig-a" }), svg())).toEqual([
    ["fig-a", "Own.", undefined],
    [undefined, undefined, "T"],
  ]);
  expect(told("//| label: tbl-own\n//| fig-cap: Own.", svg())).toEqual([[undefined, "Own.", undefined]]);
});

test("a carriage return at a line's end overwrites nothing; plain values of a figure are rows", () => {
  expect(overprint("1/2\r2/2\r\ndone\r")).toBe("2/2\ndone\r");
  expect(rowsOf({ data: { values: [1, { a: 2 }] } })).toEqual([{ data: 1 }, { a: 2 }]);
});

test("of a progress bar the last state is shown, and an error's message has no codes of a terminal", async () => {
  const text = Array.from({ length: 50 }, (_, i) => `\r${i + 1}/50`).join("");
  const stream = (part: string) => ({ output_type: "stream", name: "stderr", text: part });
  const error = { output_type: "error", ename: "Error", evalue: "\u001b[31mno\u001b[0m", traceback: [] };
  const html = await contentOf(documentOf([code("", [stream(text.slice(0, 99)), stream(text.slice(99)), error])]));
  expect(html).toMatch(/<pre[^>]*>50\/50<\/pre>/);
  expect(html).toContain("<strong>Error</strong>: no</p>");
});

test("a column is aligned as all of its cells are; a cell that spans several says nothing of them, and those behind it stand behind all", () => {
  const cell = (align?: "right", span = 1): TableCell => ({
    tokens: [{ type: "text", raw: "x", text: "x" }],
    span,
    ...(align && { align }),
  });
  const rows = [
    [cell("right"), cell("right"), cell("right")],
    [cell(undefined, 2), cell()],
  ];
  const sides = (rows: TableCell[][]) => tableContent({ type: "htmlTable", raw: "", head: [], rows }).align;
  expect(sides(rows)).toEqual(["right", "right", "left"]);
  expect(sides([[cell("right")], [{ tokens: [], span: 1 }]])).toEqual(["right"]); // an empty cell says nothing either
  expect(sides([[cell(undefined, 3)]])).toEqual(["left", "left", "left"]);
});

test("cells say how they may be laid out: phrases of 14 characters on, long texts of 40 on, terms of words; a class stays", () => {
  const laid = (text: string) => layOutCells(`<td>${text}</td>`).match(/class="(\w+)"/)?.[1];
  expect(["1234567890abc", "1234567890abcd", "x".repeat(39), "x".repeat(40)].map(laid)).toEqual([undefined, "phrase", "phrase", "long"]);
  expect(["naive SFT", "look-alike", "1 2", "word"].map(laid)).toEqual(["term", "term", undefined, undefined]);
  expect(layOutCells('<td class="number">naive SFT</td>')).toBe('<td class="number">naive SFT</td>');
});

test("40 rows of a figure's data stand one by one; of more, each column is summed up", () => {
  const data = (rows: number, texts = 6) => {
    const values = Array.from({ length: rows }, (_, i) => ({ n: i + 1, text: `t${i % texts}`, none: null }));
    return figureData({ data: { values } }, "Figure 1").replace(/<[^>]*>/g, " ");
  };
  expect(data(40)).toMatch(/40 rows [^,]*t0/);
  expect(data(41)).toMatch(/41 rows, summed up[\s\S]* n +41 +1 +21 +41 /);
  expect(data(42)).toMatch(/ n +42 +1 +21\.5 +42 /);
  expect(data(41)).toMatch(/ t0, t1, t2, t3, t4, and 1 more /);
  expect(data(41, 5)).toMatch(/ t0, t1, t2, t3, t4 /);
  expect(data(41)).not.toMatch(/NaN|undefined/);
});
