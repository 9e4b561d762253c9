import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PDFDict, PDFDocument, PDFHexString, PDFName, PDFString } from "@cantoo/pdf-lib";
import { beforeAll, expect, test, vi } from "vitest";
import { printPage } from "../../reports/pdf/print.js";
import { renderReports } from "../../reports/report.js";
import { intervals } from "../../src/figures/index.js";
import { render, themed } from "../../src/figures/render.js";
import { testChromium } from "../chromium.js";
import { popplerLack } from "../programs.js";
import { code, md, shown, writeNotebook } from "./notebooks.js";

const chromium = testChromium();
const browserTest = test.skipIf(!chromium);
const popplerTest = test.skipIf(!chromium || popplerLack());

const folder = () => mkdtempSync(join(tmpdir(), "erpo-test-"));
const poppler = (program: string, ...args: string[]) => execFileSync(program, args, { encoding: "utf8" });

let output: string;
let notebooks: string[];

beforeAll(async () => {
  if (!chromium) return;
  const rows = ["base", "stage 1"].map((stage, i) => ({ suite: "Harmful prompts", stage, estimate: 0.2 + i / 4, low: 0.1, high: 0.7 }));
  const { svg } = await render(themed(intervals({ group: "suite", series: "stage" }, { rows })));
  const execution = { started: "2026-01-02T03:04:05.000Z", seconds: 83.2, complete: true, kernel: "erpo" };
  const one = writeNotebook(
    [
      md(
        "# The first report\n\nSee @fig-rates and [the other](two.ipynb). A [paper](https://example.org/paper), [data](data.csv), [more](%zz.html).\n\n## Method {#sec-method}\n\n### Details\n\n$x^2$",
      ),
      code(`const longLine = "${"word ".repeat(80)}end of line";`),
      code("1", [shown({ "image/svg+xml": svg }, { label: "fig-rates", "fig-cap": "Rates of stages.", "fig-alt": "Two points." })]),
      code("2", [
        shown({ "text/html": "<table><tr><th>a</th></tr><tr><td>1</td></tr></table>" }, { label: "tbl-a", "tbl-cap": "Numbers." }),
      ]),
    ],
    "one.ipynb",
    { authors: [{ name: "A. Author" }], erpo: { execution } },
  );
  const two = writeNotebook([md("# Two\n\nSee @fig-rates of the first.")], "two.ipynb");
  notebooks = [one, two];
  output = folder();
  const { failures } = await renderReports(notebooks, { output, to: ["pdf"] });
  expect(failures).toEqual([]);
});

const load = async (name: string) => PDFDocument.load(readFileSync(join(output, name)), { updateMetadata: false });

browserTest("a PDF says what it is, has tags, a language and a bookmark for each heading", async () => {
  const pdf = await load("one.pdf");
  expect([pdf.getTitle(), pdf.getAuthor(), pdf.getCreator()]).toEqual(["The first report", "A. Author", "erpo"]);
  expect(pdf.getCreationDate()).toEqual(new Date("2026-01-02T03:04:05Z"));
  expect(pdf.catalog.lookup(PDFName.of("MarkInfo"), PDFDict).get(PDFName.of("Marked"))?.toString()).toBe("true");
  expect(pdf.catalog.has(PDFName.of("StructTreeRoot"))).toBe(true);
  expect(pdf.catalog.get(PDFName.of("Lang"))?.toString()).toContain("en");
  const [provenance] = pdf.getAttachments();
  expect(JSON.parse(new TextDecoder().decode(provenance!.data)).execution).toMatchObject({ started: "2026-01-02T03:04:05.000Z" });
  expect(bookmarks(pdf)).toEqual(["The first report", "1 Method", "1.1 Details", "Provenance"]);
});

function bookmarks(pdf: PDFDocument): string[] {
  const titles: string[] = [];
  const visit = (parent: PDFDict) => {
    for (let item = parent.lookupMaybe(PDFName.of("First"), PDFDict); item; item = item.lookupMaybe(PDFName.of("Next"), PDFDict)) {
      titles.push(item.lookup(PDFName.of("Title"), PDFString, PDFHexString).decodeText());
      visit(item);
    }
  };
  visit(pdf.catalog.lookup(PDFName.of("Outlines"), PDFDict));
  return titles;
}

browserTest("a figure is one with its alternative text; a table is none", async () => {
  const elements = (await load("one.pdf")).context
    .enumerateIndirectObjects()
    .map(([, object]) => object)
    .filter((object) => object instanceof PDFDict);
  const figures = elements.filter((element) => element.get(PDFName.of("S")) === PDFName.of("Figure"));
  expect(figures.map((figure) => figure.lookup(PDFName.of("Alt"), PDFString).decodeText())).toEqual(["Figure 1 Two points."]);
  expect(elements.filter((element) => element.get(PDFName.of("S")) === PDFName.of("Table"))).toHaveLength(2); // the other is the provenance
});

browserTest("links between reports lead into the other PDF, and no machine's path or made-up host is left", async () => {
  const pdf = await load("two.pdf");
  const [link] = actions(pdf);
  expect(link!.get(PDFName.of("S"))?.toString()).toBe("/GoToR");
  expect(link!.lookup(PDFName.of("F"), PDFHexString).decodeText()).toBe("one.pdf");
  const one = await load("one.pdf");
  expect(destinations(one)).toContain(String(link!.get(PDFName.of("D"))));
  expect(
    actions(one)
      .map((action) => action.lookupMaybe(PDFName.of("URI"), PDFString)?.decodeText())
      .filter(Boolean),
  ).toEqual(["https://example.org/paper", "data.csv", "%zz.html"]);
});

const actions = (pdf: PDFDocument): PDFDict[] =>
  pdf.getPages().flatMap(({ node }) => {
    const annotations = node.Annots();
    return Array.from(
      { length: annotations?.size() ?? 0 },
      (_, i) => annotations!.lookup(i, PDFDict).lookupMaybe(PDFName.of("A"), PDFDict)!,
    ).filter(Boolean);
  });

const destinations = (pdf: PDFDocument): string[] => pdf.catalog.lookup(PDFName.of("Dests"), PDFDict).keys().map(String);

popplerTest("the contents name the pages that their places stand on", async () => {
  const filler = "A paragraph.\n\n".repeat(60);
  const notebook = writeNotebook([md(`# T\n\n## Near\n\n${filler}## Far\n\n${filler}## Größe ЖУК\n\n${filler}## End\n\nThe end.`)]);
  const output = folder();
  await renderReports([notebook], { output, to: ["pdf"] });
  const pages = poppler("pdftotext", "-layout", join(output, "nb.pdf"), "-").split("\f");
  for (const heading of ["1 Near", "2 Far", "3 Größe ЖУК", "4 End"]) {
    const line = new RegExp(`^ *${heading.replaceAll(" ", " +")}( +(\\d+))?$`, "m");
    const named = Number(line.exec(pages[0]!)![2]);
    expect(pages[named - 1]!.split("\n").filter((text) => line.exec(text)?.[1] === undefined && line.test(text))).toHaveLength(1);
  }
});

browserTest("what TeX makes of a report lies beside no printed one", async () => {
  const output = folder();
  const { written } = await renderReports(notebooks.slice(1), { output, to: ["pdf", "latex"] });
  const names = written.map((file) => file.slice(output.length + 1));
  expect(names).toEqual(["two.pdf", "latex/two.tex"]);
  expect(new Set(names.map((name) => name.replace(/\.tex$/, ".pdf"))).size).toBe(2);
});

popplerTest("what is folded is printed, but for the longest outputs", async () => {
  const lines = (name: string, count: number) => Array.from({ length: count }, (_, i) => `${name}-${i}`).join("\n");
  const printed = (text: string) => ({ output_type: "stream", name: "stdout", text });
  const error = { output_type: "error", ename: "E", evalue: "e", traceback: ["at the place"] };
  const hint = md("<details><summary>Hint</summary>\n\nTake the logarithm.\n\n</details>");
  const notebook = writeNotebook([code("1", [printed(lines("some", 60)), error]), code("2", [printed(lines("many", 300))]), hint]);
  const output = folder();
  await renderReports([notebook], { output, to: ["pdf"] });
  const text = poppler("pdftotext", join(output, "nb.pdf"), "-");
  expect(text).toContain("some-59");
  expect(text).toContain("at the place");
  expect(text).toContain("Take the logarithm.");
  expect(text).toContain("Printed: 300 lines, which are in the notebook");
  expect(text).not.toContain("many-1");
});

popplerTest("pages are A4 or letter, numbered, with all code in full and fonts embedded", async () => {
  const file = join(output, "one.pdf");
  expect(poppler("pdfinfo", file)).toMatch(/Tagged: +yes[\s\S]*Page size: +59[45]\.\d+ x 84[12]\.?\d* pts \(A4\)/);
  const text = poppler("pdftotext", "-layout", file, "-");
  const pages = text.split("\f").slice(0, -1);
  for (const [i, page] of pages.entries()) expect(page.trimEnd()).toMatch(new RegExp(`\\s${i + 1} ?/ ?${pages.length}$`));
  expect(text.match(/word/g)).toHaveLength(80);
  expect(text).toMatch(/end of line/);
  expect(text).toContain("https://example.org/paper");
  const fonts = poppler("pdffonts", file).trim().split("\n").slice(2);
  expect(fonts.length).toBeGreaterThan(2);
  for (const font of fonts) expect(font).toMatch(/ yes +yes +(?:yes|no) +\d+ +\d+$/); // embedded, a subset
  const letter = folder();
  await renderReports(notebooks.slice(1), { output: letter, to: ["pdf"], paper: "letter" });
  expect(poppler("pdfinfo", join(letter, "two.pdf"))).toContain("Page size:       612 x 792 pts (letter)");
});

popplerTest("whatever is wide stays on the page", async () => {
  const columns = (n: number) => `<table><tr>${"<th>a long name</th>".repeat(n)}</tr><tr>${"<td>0.123456</td>".repeat(n)}</tr></table>`;
  const wide = writeNotebook(
    [
      md(`# Wide\n\n${"unbreakable".repeat(30)} <https://example.org/${"path/".repeat(60)}>`),
      code("x".repeat(400), [
        ...[6, 10, 15, 30].map((n) => shown({ "text/html": columns(n) }, { label: `tbl-${n}`, "tbl-cap": "Wide." })),
        { output_type: "stream", name: "stdout", text: "y".repeat(600) },
        { output_type: "error", ename: "E", evalue: "z".repeat(300), traceback: [] },
      ]),
    ],
    "wide.ipynb",
  );
  await renderReports([wide], { output, to: ["pdf"] });
  const boxes = poppler("pdftotext", "-bbox", join(output, "wide.pdf"), "-");
  const width = Number(/<page width="([\d.]+)"/.exec(boxes)![1]);
  const words = [...boxes.matchAll(/<word xMin="([-\d.]+)" yMin="[-\d.]+" xMax="([-\d.]+)"/g)].map(
    ([, left, right]) => [Number(left), Number(right)] as const,
  );
  expect(Math.min(...words.map(([left]) => left))).toBeGreaterThan(50); // the margin is 18 mm, 51 pt
  expect(Math.max(...words.map(([, right]) => right))).toBeLessThan(width - 50);
  const sizes = poppler("pdftotext", "-bbox", join(output, "one.pdf"), "-");
  expect(wordHeight(boxes, "Provenance")).toBeCloseTo(wordHeight(sizes, "Provenance"), 1); // not by shrinking all of it
});

const wordHeight = (boxes: string, word: string) => {
  const places = boxes.matchAll(new RegExp(`yMin="([\\d.]+)" xMax="[\\d.]+" yMax="([\\d.]+)">${word}<`, "g"));
  return Math.max(...[...places].map(([, top, bottom]) => Number(bottom) - Number(top))); // of the heading, not of its line in the contents
};

browserTest("the same notebook gives the same bytes, dated by SOURCE_DATE_EPOCH where it is set", async () => {
  const again = folder();
  await renderReports(notebooks, { output: again, to: ["pdf"] });
  for (const name of ["one.pdf", "two.pdf"])
    expect(readFileSync(join(again, name)).equals(readFileSync(join(output, name))), name).toBe(true);
  expect((await load("two.pdf")).getCreationDate()).toBeUndefined();
  vi.stubEnv("SOURCE_DATE_EPOCH", "1000000000");
  await renderReports(notebooks.slice(1), { output: again, to: ["pdf"] });
  vi.unstubAllEnvs();
  const pdf = await PDFDocument.load(readFileSync(join(again, "two.pdf")), { updateMetadata: false });
  expect(pdf.getCreationDate()).toEqual(new Date("2001-09-09T01:46:40Z"));
});

browserTest("a page that asks for things and runs scripts gets neither", async () => {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? "");
    response.end();
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const host = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const file = join(folder(), "secret.png");
  writeFileSync(file, "");
  const html = `<!DOCTYPE html><html lang="en"><head><title>t</title><link rel="stylesheet" href="${host}/css"><link rel="preconnect" href="${host}">
    <meta http-equiv="refresh" content="0;url=${host}/refresh"><style>@font-face{font-family:a;src:url(${host}/font)}p{font-family:a;background:url(${host}/background)}</style>
    <script>document.title = "ran"; fetch("${host}/fetch"); new WebSocket("${host.replace("http", "ws")}/socket")</script></head>
    <body onload="document.body.innerHTML = 'ran'"><h1>Heading</h1><p>text</p><img src="${host}/picture"><iframe src="${host}/frame"></iframe><iframe src="file://${file}"></iframe>
    <object data="${host}/object"></object><video src="${host}/video" poster="${host}/poster"></video></body></html>`;
  const pdf = await PDFDocument.load(await printPage(html, chromium!, "a4"));
  await new Promise((resolve) => server.close(resolve));
  expect(asked).toEqual([]);
  expect(bookmarks(pdf)).toEqual(["Heading"]);
  expect(pdf.getTitle()).toBe("t");
});

test("without Chromium, one line says what to do, and the other formats are written", async () => {
  const notebook = writeNotebook([md("# A")], "a.ipynb");
  const other = writeNotebook([md("# B")], "b.ipynb");
  vi.stubEnv("CHROME_PATH", "");
  vi.stubEnv("PATH", "");
  const { written, failures } = await renderReports([notebook, other], { output: folder(), to: ["pdf", "html"] });
  vi.stubEnv("CHROME_PATH", "/nowhere/chrome");
  const { failures: misled } = await renderReports([notebook], { output: folder(), to: ["pdf"] });
  vi.unstubAllEnvs();
  expect(written.map((file) => file.split("/").at(-1))).toEqual(["a.html", "b.html", "index.html"]);
  expect(failures).toEqual(["pdf: no Chromium found: install it (apt-get install chromium), or set CHROME_PATH to a Chromium or Chrome"]);
  expect(misled).toEqual(["pdf: CHROME_PATH=/nowhere/chrome is no file: set it to a Chromium or Chrome"]);
});

test("a browser that does not start is told in one line, for each notebook", async () => {
  const browser = join(folder(), "chrome");
  writeFileSync(browser, "#!/bin/sh\necho 'error while loading shared libraries: libnss3.so' >&2\nexit 127\n", { mode: 0o755 });
  vi.stubEnv("CHROME_PATH", browser);
  const { written, failures } = await renderReports([writeNotebook([md("# A")], "a.ipynb")], { output: folder(), to: ["pdf"] });
  vi.unstubAllEnvs();
  expect(written).toEqual([]);
  expect(failures).toEqual([`a.ipynb: ${browser}: cannot print (error while loading shared libraries: libnss3.so)`]);
});
