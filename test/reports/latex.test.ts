import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { escapeCode, escapeTeX, keepSpaces } from "../../reports/latex/escape.js";
import { renderReports } from "../../reports/report.js";
import { skipped } from "../programs.js";
import { code, md, type RawCell, shown, writeNotebook } from "./notebooks.js";
import { compile, texLack } from "./tex.js";

const folder = () => mkdtempSync(join(tmpdir(), "erpo-test-"));
const svg = (width: number) => `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="90"><text x="9" y="40">text</text></svg>`;
const figure = (label: string, width = 540) =>
  code("1", [shown({ "image/svg+xml": svg(width) }, { label, "fig-cap": "A caption.", "fig-alt": "alt" })]);
const html = (rows: number, columns: number, cell: string) =>
  `<table><thead><tr>${"<th>name</th>".repeat(columns)}</tr></thead><tbody>${`<tr>${`<td>${cell}</td>`.repeat(columns)}</tr>`.repeat(rows)}</tbody></table>`;
const table = (label: string, rows: number, columns: number, cell: string) =>
  code("1", [shown({ "text/html": html(rows, columns, cell) }, { label, "tbl-cap": "A table." })]);
const bars = {
  data: {
    values: [
      { a: "x", b: 1 },
      { a: "y", b: 2 },
    ],
  },
  mark: "bar",
  encoding: { x: { field: "a" }, y: { field: "b", type: "quantitative" } },
};

/** What makes lines too wide, floats too high and numbers go wrong. */
const awkward: RawCell[] = [
  md("# Awkward\n\nSee @fig-wide, @tbl-long, @tbl-wide, @eq-wide, @sec-deep and @val-rate. [@feng2025erpo]"),
  md(`## Deep {#sec-deep}\n\n${Array.from({ length: 7 }, (_, i) => `${"  ".repeat(i)}- level ${i}`).join("\n")}\n\n> > > > > > quoted`),
  md(`A digest ${"0123456789abcdef".repeat(8)} and \`${"identifier.".repeat(12)}\` and https://example.org/${"path/".repeat(30)}`),
  md(
    "$$\n\\mathcal L = \\sum_{i=1}^{n} \\log \\sigma \\Big( \\beta \\log \\frac{\\pi_\\theta(y^w \\mid x)}{\\pi_{\\text{ref}}(y^w \\mid x)} - \\beta \\log \\frac{\\pi_\\theta(y^l \\mid x)}{\\pi_{\\text{ref}}(y^l \\mid x)} \\Big) + \\lambda \\lVert \\theta \\rVert^2\n$$ {#eq-wide}",
  ),
  md(`$$${"a_{i} + ".repeat(60)}b$$ {#eq-long}`),
  code(
    `const a = ${JSON.stringify("long ".repeat(60))};\n\tconst b = "${"x".repeat(300)}"; // Grüße, 漢字, α ≤ β → ∞ 😀\n${"    nested(".repeat(30)}`,
  ),
  code("1", [{ output_type: "stream", name: "stdout", text: `${"=".repeat(300)}\n${"a  b\t".repeat(80)}\n${"line\n".repeat(200)}` }]),
  table("tbl-long", 120, 3, "cell"),
  table("tbl-wide", 3, 12, "0.123 [0.100, 0.200]"),
  table("tbl-prose", 4, 3, "a long sentence that has to be broken into several lines of a narrow column ".repeat(3)),
  table("tbl-digests", 2, 2, "0123456789abcdef".repeat(4)),
  figure("fig-wide", 2000),
  figure("fig-small", 60),
  code("1", [shown({ "application/vnd.vegalite.v5+json": bars }, { label: "fig-drawn", "fig-cap": "Drawn $x$." })]),
  code("1", [shown({ "application/json": 0.5 }, { label: "val-rate", text: "−0.5" })]),
];

describe.skipIf(texLack)(`compiled with TeX${skipped(texLack)}`, () => {
  test.each([
    ["article", "pdflatex"],
    ["two-column", "pdflatex"],
    ["two-column", "lualatex"],
  ] as const)(
    "an awkward notebook as %s by %s: no error, nothing too wide, nothing missing, nothing undefined",
    async (template, engine) => {
      const output = folder();
      await renderReports([writeNotebook(awkward)], { output, to: ["latex"], template });
      const { problems, text } = compile(join(output, "latex"), "nb", engine);
      expect(problems).toEqual([]);
      for (const said of [
        /See Figure\s1,\s+Table\s1,\s+Table\s2,\s+Equation\s1,\s+Section\s1\s+and\s+.0\.5\./,
        /U\+6F22|漢/,
        /U\+1F600|😀/,
        "162 more lines",
        "Feng",
      ])
        expect(text).toMatch(said);
    },
  );

  test("numbers of another report come from it once it is compiled", async () => {
    const one = writeNotebook([md("# One"), figure("fig-other"), figure("fig-a")], "one.ipynb");
    const two = writeNotebook([md("# Two\n\nAs in @fig-a.")], "two.ipynb");
    const output = folder();
    await renderReports([one, two], { output, to: ["latex"] });
    const tex = readFileSync(join(output, "latex", "two.tex"), "utf8");
    expect(tex).toContain("Figure~\\refinother{one}{fig-a}{2} of \\emph{One}");
    for (const stem of ["two", "one", "two"]) {
      const { problems, text } = compile(join(output, "latex"), stem);
      expect(problems).toEqual([]);
      if (stem === "two") expect(text).toMatch(/As in Figure\s2 of One/);
    }
    expect(existsSync(join(output, "latex", "references.bib"))).toBe(false);
  });
});

test("labels and names never lead out of the folder of figures", async () => {
  const notebook = writeNotebook(
    [code("1", [shown({ "image/svg+xml": svg(9) }, { label: "fig-../../x" })]), figure("fig-a"), figure("fig-a")],
    "a b..%#.ipynb",
  );
  const output = folder();
  const { written } = await renderReports([notebook], { output, to: ["latex", "markdown"] });
  const names = written.map((file) => relative(output, file));
  expect(names).toEqual([
    ...["cell-1.pdf", "fig-a.pdf", "fig-a-2.pdf"].map((name) =>
      expect.stringMatching(new RegExp(`^latex/figures/a-b\\.\\.--[0-9a-f]{6}/${name}$`)),
    ),
    "latex/a b..%#.tex",
    ...["cell-1.svg", "fig-a.svg", "fig-a-2.svg"].map((name) =>
      expect.stringMatching(new RegExp(`^figures/a-b\\.\\.--[0-9a-f]{6}/${name}$`)),
    ),
    "a b..%#.md",
  ]);
});

test("the same notebook gives the same bytes", async () => {
  const notebook = writeNotebook(awkward.filter((cell) => !String(cell.source).includes("@fig-wide")));
  const [first, second] = [folder(), folder()];
  for (const output of [first, second]) await renderReports([notebook], { output, to: ["latex", "markdown"] });
  for (const name of ["latex/nb.tex", "nb.md", "latex/figures/nb/fig-drawn.pdf", "figures/nb/fig-drawn.svg"])
    expect(Buffer.compare(readFileSync(join(first, name)), readFileSync(join(second, name))), name).toBe(0);
});

/** All that escaped text may consist of. */
const SAFE =
  /^(?:[\u0020-\u007e¡-ž–—‘’‚“”„†‡•…‰‹›€™]|\\[{}$&%#_]|\\-|\\,|\\ |\{\}|\{\[\}|\{\]\}|\\(?:text(?:backslash|asciicircum|asciitilde|asciigrave|quotedbl|quotesingle)|allowbreak|codebreak|enspace|quad)\{\}|\\rule\{0\.5em\}\{1\.4ex\}|\\missing\{[0-9A-F]{4,6}\}|\\ensuremath\{(?:[^\\{}$%&#]|\\[a-zA-Z]+(?:\{[A-Z]\}|\{\\circ\})?|\{\}|[_^]\{[^{}]*\})+\})*$/u;
/** Characters that TeX reads as something else, left alone by no rule above. */
const bare = (tex: string) =>
  tex.replace(/\\ensuremath\{(?:[^{}]|\{[^{}]*\})*\}|\\[a-zA-Z]+\{[^{}]*\}(?:\{[^{}]*\})?|\\[^a-zA-Z]|\{[[\]]?\}/g, "");

const wild = fc.oneof(
  fc.string({ unit: "binary", maxLength: 60 }),
  fc
    .array(
      fc.constantFrom(
        "\\",
        "{",
        "}",
        "$",
        "%",
        "#",
        "&",
        "^",
        "_",
        "~",
        "\n",
        "\r",
        "\u2028",
        "\u0001",
        "\ud800",
        "[",
        "]",
        "input",
        " ",
        "`",
        "'",
        '"',
        "--",
        "é",
        "漢",
        "β",
      ),
      { maxLength: 40 },
    )
    .map((parts) => parts.join("")),
);

test("equations count as in the other formats: one given twice, one that is refused, one with a tag of its own", async () => {
  const equation = (tex: string, label: string) => md(`$$\n${tex}\n$$ {#eq-${label}}`);
  const cells = [
    equation("a", "a"),
    equation("b", "a"),
    equation("\\frac{1", "bad"),
    equation("c\\tag{A}", "c"),
    equation("d", "d"),
    md("See @eq-bad."),
  ];
  const output = folder();
  await renderReports([writeNotebook(cells)], { output, to: ["latex", "html"] });
  const tex = readFileSync(join(output, "latex", "nb.tex"), "utf8");
  expect(tex.match(/\\label\{eq-a\}/g)).toHaveLength(1);
  expect(tex).toContain("\\begin{equation}\nb\n\\end{equation}");
  expect(tex).toContain("\\refstepcounter{equation}\\label{eq-bad}\\hspace*{\\fill}(\\theequation)");
  expect(tex).toContain("\\end{equation}\\stepcounter{equation}");
  expect(tex).toContain("See Equation~\\ref{eq-bad}.");
  expect(tex).toContain("formula \\textbackslash{}frac\\{1 is none that LaTeX may be given");
  const html = readFileSync(join(output, "nb.html"), "utf8");
  expect(html.match(/ id="eq-a"/g)).toHaveLength(1);
  expect(html).toContain(">(5)</a>");
});

test("any text becomes LaTeX without commands of its own", () => {
  fc.assert(
    fc.property(wild, (text) => {
      for (const tex of [escapeTeX(text), keepSpaces(escapeCode(text.replace(/[\r\n\u2028\u2029]/g, "")))]) {
        expect(tex).toMatch(SAFE);
        expect(bare(tex)).not.toMatch(/[\\{}$%&#^]/);
        expect(tex).not.toContain("^^");
      }
    }),
    { numRuns: 2000 },
  );
});

test("what is printable is printed as it is", () => {
  const commands: Record<string, string> = {
    backslash: "\\",
    asciicircum: "^",
    asciitilde: "~",
    asciigrave: "`",
    quotedbl: '"',
    quotesingle: "'",
  };
  const read = (tex: string) =>
    tex
      .replaceAll(/\\(?:allow|code)break\{\}/g, "")
      .replaceAll(
        /\\text([a-z]+)\{\}|\\([{}$&%#_ ])|\{([[\]])\}|\{\}/g,
        (_, name, escaped, bracket) => commands[name] ?? escaped ?? bracket ?? "",
      );
  fc.assert(
    fc.property(fc.string({ unit: "grapheme-ascii" }), (text) => {
      expect(read(escapeTeX(text))).toBe(text.replace(/\s+/g, " "));
      expect(read(escapeCode(text))).toBe(text);
    }),
  );
});
