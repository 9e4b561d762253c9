import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { combine, readOptionLines } from "../../reports/document/cell-options.js";
import { overprint, plainOutput } from "../../reports/document/plain-output.js";
import { mathML } from "../../reports/html/math.js";
import { formulaCharacters, mathFontCSS } from "../../reports/html/math-font.js";
import { styled } from "../../reports/html/math-letters.js";
import { renderReports } from "../../reports/report.js";
import { code, contentOf, documentOf, md, notebookJSON, shown, writeNotebook } from "./notebooks.js";

/** A PNG of one pixel. */
const PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";

const label = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_-]{0,8}[A-Za-z0-9]$/);

test("every label that a figure may have is numbered, linked and found", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(label, { minLength: 1, maxLength: 4 }), async (names) => {
      const cells = names.map((name) => code("1", [shown({ "image/svg+xml": "<svg/>" }, { label: `fig-${name}`, "fig-alt": "a" })]));
      const document = documentOf([md(`# T\n\n${names.map((name) => `@fig-${name}`).join(" ")}`), ...cells]);
      const html = await contentOf(document);
      for (const [i, name] of names.entries()) {
        expect(html).toContain(`<a class="reference" href="#fig-${name}">Figure ${i + 1}</a>`);
        expect(html).toContain(`<figure id="fig-${name}"`);
      }
      expect(document.warnings).toEqual([]);
    }),
    { numRuns: 50 },
  );
});

test("any text of Markdown becomes a page, and its title is its first heading", async () => {
  const text = fc.array(
    fc.constantFrom(
      "# a\n",
      "$",
      "$$",
      "[^a]",
      "[^a]: b\n",
      "@fig-a",
      "[@k]",
      "\n",
      "\n\n",
      "- ",
      "    ",
      "`",
      "|",
      "text ",
      "{#sec-a}",
      "{#eq-a}",
      "[",
      "](",
      ")",
      "*",
    ),
    { maxLength: 20 },
  );
  await fc.assert(
    fc.asyncProperty(text, async (parts) => {
      await contentOf(documentOf([md(parts.join(""))]));
    }),
    { numRuns: 300 },
  );
});

test("a label given twice is told, and the first one counts", () => {
  const figure = () => code("1", [shown({ "image/svg+xml": "<svg/>" }, { label: "fig-a", "fig-alt": "a" })]);
  const document = documentOf([figure(), figure()]);
  expect(document.warnings).toEqual(["label fig-a is given twice"]);
  expect(document.labels.get("fig-a")!.text).toBe("Figure 1");
});

test("links to headings lead there by the names of Jupyter and GitHub, to named places, and to the title; others are told", async () => {
  const links = [
    "Two-Words",
    "two-words",
    "two-words-1",
    "two-words-2",
    "résumé",
    "résumé".normalize("NFD"),
    "한국어",
    "here",
    "also",
    "My-Title",
    "no-where",
    "cell-1",
  ];
  const document = documentOf([
    md("# My Title"),
    md("## Two Words\n\n## Two Words\n\n## Résumé\n\n## 한국어"),
    md('<a name="here"></a>text <span id="also">x</span>\n\n<a name="two-words"></a>'),
    md(links.map((link) => `[x](#${link})`).join(" ")),
  ]);
  const html = await contentOf(document);
  const korean = document.headings[3]!.id;
  const leads = [...html.matchAll(/<a href="#([^"]*)">x<\/a>/g)].map(([, id]) => decodeURIComponent(id!));
  expect(leads).toEqual([
    "two-words",
    "two-words",
    "two-words-2",
    "two-words-2",
    ...["resume", "resume"],
    korean,
    "here",
    "also",
    "",
    "no-where",
    "cell-1",
  ]);
  for (const id of leads.slice(0, 8)) expect(html.split(` id="${id}"`), id).toHaveLength(2);
  expect(document.warnings).toEqual(["link #no-where leads to no part of the document"]);
});

test("character references in addresses and titles are read", async () => {
  const html = await contentOf(documentOf([md('[x](https://a.org/?b=1&amp;c=2 "A &amp; B") ![a &amp; b](no.png) [y](&#106;avascript:z)')]));
  expect(html).toContain('<a href="https://a.org/?b=1&amp;c=2" title="A &amp; B"');
  expect(html).toContain("[picture left out: a &amp; b]");
  expect(html).toMatch(/ y<\/p>/);
});

test("formulas are read as Jupyter reads them: bare environments, within emphasis, in title and contents", async () => {
  const align = "\\begin{align}\na &= b \\label{x} \\\\\n&= c * d\n\\end{align}";
  const document = documentOf([
    md("# The role of $\\beta$"),
    md(
      `## On $\\pi^*$\n\nBefore\n${align}\nbehind *the optimum $\\pi^*$ is here* and \\$5*\\$6.\n\n\\begin{equation*}e = 1\\end{equation*}`,
    ),
  ]);
  const html = await contentOf(document);
  expect(html.match(/<div class="equation">/g)).toHaveLength(2);
  expect(html).toContain("<mtable");
  expect(html).toMatch(/<em>the optimum <math>.*<\/math> is here<\/em>/);
  const output = mkdtempSync(join(tmpdir(), "erpo-test-"));
  const notebook = writeNotebook([md("# The role of $\\beta$"), md("## On $\\pi^*$")]);
  await renderReports([notebook], { output, to: ["html", "latex", "markdown"] });
  const read = (file: string) => readFileSync(join(output, file), "utf8");
  expect(read("nb.html")).toMatch(/<h1>The role of <math>.*β.*<\/math><\/h1>/);
  expect(read("nb.html")).toMatch(/<nav[\s\S]*<li class="level-2">.*On <math>.*<\/li>/);
  expect(read("latex/nb.tex")).toContain("\\title{The role of $\\beta$}");
  expect(read("nb.md")).toContain("# The role of $\\beta$");
});

test("footnotes and citations stand before a colon too", async () => {
  const document = documentOf([md("# T\n\nA policy[^a]: one model, by its authors [@none]: there.\n\n[^a]: a note")]);
  const html = await contentOf(document);
  expect(document.footnotes).toHaveLength(1);
  expect(html).not.toMatch(/\[\^a\]|@none\]/);
});

test("titles and authors come from the metadata first", () => {
  const document = documentOf([md("# Heading")], "/nonexistent", { title: "From metadata", authors: [{ name: "A. B." }, "C. D.", 3] });
  expect(document.title).toBe("From metadata");
  expect(document.authors).toEqual(["A. B.", "C. D."]);
  expect(document.headings).toHaveLength(1);
  expect(documentOf([code("1")]).title).toBe("nb");
});

test("pictures beside the notebook come along; those elsewhere do not", async () => {
  const folder = mkdtempSync(join(tmpdir(), "erpo-test-"));
  writeFileSync(join(folder, "a.png"), Buffer.from([0x89, 0x50, 0x4e, 0x47]));
  const html = await contentOf(
    documentOf([md("![a](a.png) ![b](../../etc/hostname.png) ![c](/etc/hostname) ![d](file:///etc/hostname)")], folder),
    undefined,
    folder,
  );
  expect(html).toContain('<img src="data:image/png;base64,iVBORw==" alt="a" />');
  expect(html.match(/picture left out/g)).toHaveLength(3);
});

test("pictures in HTML within Markdown come along in every format, with their widths", async () => {
  const folder = mkdtempSync(join(tmpdir(), "erpo-test-"));
  writeFileSync(join(folder, "a.png"), Buffer.from(PIXEL, "base64"));
  const source = [
    '<img src="a.png" alt="alone" width="40">',
    'A line with <img src="a.png" alt="in text"> in it.',
    '<p align="center"><!-- <img src="no.png"> --><img src=\'a.png\' alt="a &amp; b"><br>words</p>',
    '<img src="attachment:b.png" alt="attached">',
    '<img src="https://example.org/c.png" alt="elsewhere">',
  ].join("\n\n");
  const cell = { ...md(source), attachments: { "b.png": { "image/png": PIXEL } } };
  const document = documentOf([md("# T"), cell], folder);
  const html = await contentOf(document, undefined, folder);
  for (const named of ['alt="alone" width="40"', 'alt="in text"', 'alt="a &amp; b"', 'alt="attached"'])
    expect(html).toContain(`<img src="data:image/png;base64,${PIXEL}" ${named} />`);
  expect(html).toContain("[picture left out: elsewhere]");
  expect(document.warnings).toEqual(["picture https://example.org/c.png is not beside the notebook and was left out"]);
  const path = join(folder, "nb.ipynb");
  writeFileSync(path, notebookJSON([md("# T"), cell]));
  const { written } = await renderReports([path], { output: folder, to: ["markdown", "latex"] });
  const read = (ending: string) => readFileSync(written.find((file) => file.endsWith(ending))!, "utf8");
  expect(read(".md").match(/!\[[^\]]+\]\(figures\/nb\/cell-2[-\d]*\.png\)/g)).toHaveLength(4);
  expect(read(".tex").match(/\\picturefile\{[\d.]+bp\}\{figures/g)).toHaveLength(4);
  expect(read(".tex")).toContain("\\picturefile{30.0bp}");
});

test("option lines at the top of a cell", () => {
  const source = '//| label: fig-a\n//| fig-cap: "A \\"quoted\\" caption: with colon"\n//| other: x\nconst a = 1; //| label: fig-b';
  expect(readOptionLines(source)).toEqual({
    options: { label: "fig-a", "fig-cap": 'A "quoted" caption: with colon' },
    code: "const a = 1; //| label: fig-b",
  });
  expect(readOptionLines("//| label: <script>").options).toEqual({});
  expect(readOptionLines("#| fig-cap: 'It''s so'").options).toEqual({ "fig-cap": "It's so" });
  expect(combine({ label: "fig-a" }, { label: "fig-b", "fig-cap": "c" })).toEqual({ label: "fig-a", "fig-cap": "c" });
  const lines = [
    "#| label: fig-a",
    "#| fig-cap: |",
    "#|   Two lines:",
    "#|   of a caption.",
    "#| fig-alt: >-",
    "#|   One",
    "#|   line.",
    "#| echo: false",
    "x",
  ];
  expect(readOptionLines(lines.join("\n"))).toEqual({
    options: { label: "fig-a", "fig-cap": "Two lines:\nof a caption.", "fig-alt": "One line." },
    code: "x",
  });
  expect(readOptionLines("//| fig-cap: @val-a of\n//|   all: *most* #3").options).toEqual({ "fig-cap": "@val-a of all: *most* #3" });
});

test("cells of Windows have their options", () => {
  const figure = shown({ "image/svg+xml": "<svg><rect/></svg>" });
  const document = documentOf([code("//| label: fig-a\r\n//| fig-cap: Seen.\r\nx()\r\ny()", [figure])]);
  expect(document.labels.has("fig-a")).toBe(true);
  expect(document.blocks[0]).toMatchObject({ kind: "code", source: "x()\ny()" });
});

test("letters in mathematical styles are Unicode's", () => {
  // Unicode 16, Mathematical Alphanumeric Symbols and Letterlike Symbols
  expect(styled("ELx", "script")).toBe("ℰℒ𝓍");
  expect(styled("ERx1", "double-struck")).toBe("𝔼ℝ𝕩𝟙");
  expect(styled("hxΓθ", "italic")).toBe("ℎ𝑥𝛤𝜃");
  expect(styled("Ax1α", "bold")).toBe("𝐀𝐱𝟏𝛂");
  expect(styled("é+", "bold")).toBe("é+");
});

test("a word in upright letters is one identifier", () => {
  expect(mathML("\\pi_{\\mathrm{ref}} \\mathrm{d}x", false)).toBe(
    '<math><mrow><msub><mi>π</mi><mrow><mi>ref</mi></mrow></msub><mi mathvariant="normal">d</mi><mi>x</mi></mrow></math>',
  );
});

test("the font of a page's formulas has their characters, single letters in italics, and the root", async () => {
  const formula = "<math><msqrt><mi>x</mi></msqrt><mo>&lt;</mo><mi>log</mi></math>";
  expect(formulaCharacters(`a ${formula} b`)).toBe("<glox√𝑥");
  expect(formulaCharacters("no formula, <b>x</b>")).toBe("");
  const css = await mathFontCSS(formula);
  expect(css.length).toBeLessThan(12_000);
  expect(css).toBe(await mathFontCSS(formula));
  expect(await mathFontCSS("none")).toBe("");
});

test("carriage returns leave what a terminal would show", () => {
  expect(overprint("1/3\r2/3\r3/3\ndone\r\n")).toBe("3/3\ndone\n");
  expect(overprint("50%\r")).toBe("50%\r");
  expect(overprint("a\r\r\nb")).toBe("a\nb");
  expect(plainOutput("1/2\r\u001b[32m2/2\u001b[0m\r\r\nb\r\n").lines).toEqual(["2/2", "b"]);
});
