import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "puppeteer-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parseNotebook } from "../../reports/notebook/read.js";
import { renderReports } from "../../reports/report.js";
import { deckOf } from "../../reports/slides/deck.js";
import { intervals, trainingCurves } from "../../src/figures/index.js";
import { render, themed } from "../../src/figures/render.js";
import { launchChromium, openPage, testChromium } from "../chromium.js";
import { popplerLack } from "../programs.js";
import { code, documentOf, md, notebookJSON, type RawCell, shown, writeNotebook } from "./notebooks.js";

const chromium = testChromium();
const browserTest = test.skipIf(!chromium);

const deck = (cells: RawCell[]) => deckOf(documentOf(cells).blocks, parseNotebook(notebookJSON(cells), "nb.ipynb"));
const on = (type: string, cell: RawCell): RawCell => ({ ...cell, metadata: { slideshow: { slide_type: type } } });

test("a slide for each heading, and more of the same heading where one is full", () => {
  const paragraph = "Some words of a sentence. ".repeat(15); // five lines
  const slides = deck([
    md(`# Title\n\nBefore.\n\n## A\n\n${`${paragraph}\n\n`.repeat(4)}`),
    code("1", [{ output_type: "stream", name: "stdout", text: "out" }]),
    md("## B\n\n### C"),
  ]);
  const seen = slides.map(({ heading, part, steps }) => [heading?.text, part, steps.flat().map(({ kind }) => kind)]);
  expect(seen).toEqual([
    [undefined, 1, []],
    [undefined, 1, ["markdown"]],
    ["A", 1, ["markdown", "markdown"]],
    ["A", 2, ["markdown", "markdown", "code", "text"]],
    ["B", 1, []],
    ["C", 1, []],
  ]);
});

test("what takes no room begins no slide, and code that stands open begins one where it has no room", () => {
  const full = `## A\n\n- ${"Some words. ".repeat(140)}`; // twenty lines
  expect(deck([md(`# T\n\n${full}\n\n[^n]: A note.`)])).toHaveLength(2);
  const kinds = (tags: string[]) =>
    deck([md("# T\n\n## A\n\nSee."), code("f();\n".repeat(20), [], { tags })]).map(({ steps }) => steps.flat().map(({ kind }) => kind));
  expect(kinds([])).toEqual([[], ["markdown", "code"]]);
  expect(kinds(["show-input"])).toEqual([[], ["markdown"], ["code"]]);
});

test("cells that are marked for slides decide: slides, steps, notes, and what is skipped", () => {
  const slides = deck([
    on("slide", md("# Title\n\nWho.")),
    on("slide", md("## One")),
    on("-", md("more")),
    on("fragment", code("step()")),
    on("notes", md("say this")),
    on("skip", md("## Hidden")),
    on("subslide", md("two")),
    md("with it"),
  ]);
  const kinds = slides.map(({ steps, notes }) => [steps.map((step) => step.map(({ cell }) => cell)), notes.map(({ cell }) => cell)]);
  expect(kinds).toEqual([
    [[[1]], []],
    [[[2, 3], [4]], [5]],
    [[[7, 8]], []],
  ]);
});

test("a figure of many rows is drawn in two columns, and stays as it is where that cannot be drawn", async () => {
  const rows = Array.from({ length: 6 }, (_, i) => ({ suite: `suite ${i}`, stage: "base", estimate: 0.5, low: 0.4, high: 0.6 }));
  const spec = themed(
    intervals({ group: "suite", series: "stage" }, { rows: [...rows, ...rows.map((row) => ({ ...row, stage: "one" }))] }),
  );
  const { svg } = await render(spec);
  const figure = (own: object) => code("1", [shown({ "image/svg+xml": svg, "application/vnd.vegalite.v6+json": own })]);
  const output = mkdtempSync(join(tmpdir(), "erpo-test-"));
  const notebook = writeNotebook([md("# T"), figure(spec), figure({ ...spec, data: { url: "https://example.org/rows.csv" } })]);
  await renderReports([notebook], { output, to: ["slides"] });
  const html = readFileSync(join(output, "nb.slides.html"), "utf8");
  const [first, second] = [...html.matchAll(/<svg[^>]* width="(\d+)" height="(\d+)"/g)].map(
    ([, width, height]) => Number(width) / Number(height),
  );
  expect(first).toBeGreaterThan(1.5);
  expect(second).toBeLessThan(1);
  expect(html).not.toContain("cannot be drawn");
});

let browser: Browser;
let file: string;

beforeAll(async () => {
  if (!chromium) return;
  browser = await launchChromium(chromium);
  const rows = Array.from({ length: 20 }, (_, i) => ({ step: i, loss: 1 / (i + 1) }));
  const { svg } = await render(themed(trainingCurves(["loss"], { rows })));
  const cell = (i: number) => `<td>${i}.123456</td>`;
  const wide = `<table><tr>${"<th>a long name</th>".repeat(14)}</tr>${`<tr>${Array.from({ length: 14 }, (_, i) => cell(i)).join("")}</tr>`.repeat(30)}</table>`;
  const notebook = writeNotebook(
    [
      on("slide", md("# A deck")),
      on("slide", md("## Words\n\nSee @fig-a and [a formula](#formula). <script>document.title = 'ran'</script>")),
      on("fragment", md("Later.")),
      on("notes", md("Only for me.")),
      on("slide", code("1", [shown({ "image/svg+xml": svg }, { label: "fig-a", "fig-cap": "Loss.", "fig-alt": "It falls." })])),
      on("slide", code("2", [shown({ "text/html": wide }, { label: "tbl-a", "tbl-cap": "Much." })])),
      on("slide", md("## Formula\n\n$$\\frac{1}{\\sqrt{x}}$$")),
    ],
    "talk.ipynb",
  );
  const output = mkdtempSync(join(tmpdir(), "erpo-test-"));
  const { written, failures } = await renderReports([notebook], { output, to: ["slides", "html"] });
  expect(failures).toEqual([]);
  file = written[0]!;
});
afterAll(() => browser?.close());

const at = (page: Page) => page.evaluate("[Math.round(scrollY / innerHeight) + 1, location.hash]");
const isSeen = (page: Page, selector: string) =>
  page.evaluate(`document.querySelector("${selector}").checkVisibility({ visibilityProperty: true })`);

browserTest("a key scrolls what has the focus and does not fit, and leads on at its end", async () => {
  const output = mkdtempSync(join(tmpdir(), "erpo-test-"));
  const long = shown({ "text/html": `<p>${"A line.<br>".repeat(400)}</p>` });
  await renderReports([writeNotebook([md("# T\n\n## One"), code("1", [long]), md("## Two")])], { output, to: ["slides"] });
  const { page } = await openPage(browser, join(output, "nb.slides.html"), 1280);
  await page.setViewport({ width: 1280, height: 720 });
  await page.keyboard.press("PageDown");
  const [body, place] = ["document.querySelector('#report-slide-2 .body')", "Math.round(scrollY / innerHeight) + 1"];
  await page.evaluate(`${body}.focus()`);
  await page.keyboard.press("PageDown");
  await page.waitForFunction(`${body}.scrollTop > 0`);
  expect(await page.evaluate(place)).toBe(2);
  await page.evaluate(`${body}.scrollTop = 1e6`);
  await page.keyboard.press("PageDown");
  expect(await page.evaluate(place)).toBe(3);
  await page.close();
});

browserTest("keys and a presenter's clicker go through slides and steps; links and the address lead to a slide", async () => {
  const { page, requests, messages } = await openPage(browser, file, 1280);
  await page.setViewport({ width: 1280, height: 720 });
  expect(await at(page)).toEqual([1, ""]);
  await page.keyboard.press("PageDown");
  expect(await at(page)).toEqual([2, "#report-slide-2"]);
  expect(await isSeen(page, ".step")).toBe(false);
  await page.keyboard.press("ArrowRight");
  expect([await at(page), await isSeen(page, ".step")]).toEqual([[2, "#report-slide-2"], true]);
  await page.keyboard.press("Space");
  expect(await at(page)).toEqual([3, "#report-slide-3"]);
  for (let i = 0; i < 2; i++) await page.keyboard.press("PageUp");
  expect([await at(page), await isSeen(page, ".step")]).toEqual([[2, "#report-slide-2"], false]);
  await page.keyboard.press("End");
  expect(((await at(page)) as [number])[0]).toBe(6); // the provenance
  await page.keyboard.press("ArrowDown");
  expect(((await at(page)) as [number])[0]).toBe(6);
  await page.keyboard.press("Home");
  expect(await at(page)).toEqual([1, "#report-slide-1"]);
  await page.evaluate("document.querySelector('a[href=\"#fig-a\"]').click()");
  await page.waitForFunction("location.hash === '#report-slide-3'"); // scrolled to by hand or by a link, a slide is in the address
  expect(((await at(page)) as [number])[0]).toBe(3);
  await page.evaluate("history.replaceState(null, '', '#report-slide-2')"); // the address leads, not where the window was
  await page.reload();
  expect(((await at(page)) as [number])[0]).toBe(2);
  expect(await isSeen(page, ".notes")).toBe(false);
  await page.keyboard.press("s");
  expect(await isSeen(page, ".notes")).toBe(true);
  expect([await page.title(), messages, requests.filter((url) => !url.startsWith(`file://${file}`))]).toEqual(["A deck", [], []]);
  await page.close();
});

browserTest("every slide holds what is on it, and what is too large is made smaller, at any size of the window", async () => {
  const { page } = await openPage(browser, file, 1280);
  const zooms: unknown[] = [];
  for (const [width, height] of [
    [1280, 720],
    [1920, 1080],
    [1024, 768],
  ] as const) {
    await page.setViewport({ width, height });
    await page.reload();
    const state = await page.evaluate(`(() => {
      const bodies = [...document.querySelectorAll(".body")];
      const stages = [...document.querySelectorAll(".stage")].map((stage) => stage.getBoundingClientRect());
      return {
        sideways: document.documentElement.scrollWidth - innerWidth,
        over: bodies.filter((body) => body.scrollHeight > body.clientHeight + 1 && !body.hasAttribute("tabindex")).length,
        stages: stages.filter(({ width, height }) => width > innerWidth + 1 || height > innerHeight + 1).length,
        table: Number(document.querySelector("#tbl-a").closest(".fit").style.zoom),
        picture: document.querySelector("#fig-a svg").getBoundingClientRect().height / innerHeight,
      };
    })()`);
    const { table, picture, ...rest } = state as Record<string, number>;
    expect(rest).toEqual({ sideways: 0, over: 0, stages: 0 });
    expect(picture).toBeGreaterThan(0.4);
    zooms.push(table);
  }
  expect(zooms[0]).toBeLessThan(0.8);
  expect(Math.abs((zooms[1] as number) - (zooms[0] as number))).toBeLessThan(0.05);
  await page.close();
});

browserTest("a phone scrolls through all of it, steps included, with letters of 14 pixels at least", async () => {
  const { page } = await openPage(browser, file, 390);
  expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(390);
  expect(await isSeen(page, ".step")).toBe(true);
  expect(await page.evaluate("parseFloat(getComputedStyle(document.querySelector('.fit p')).fontSize)")).toBeGreaterThanOrEqual(14);
  await page.close();
});

test.skipIf(!chromium || popplerLack())("printed, each slide is a page of its own, without what only the window needs", async () => {
  const { page } = await openPage(browser, file, 1280);
  const { PDFDocument } = await import("@cantoo/pdf-lib");
  const pdf = await PDFDocument.load(await page.pdf({ preferCSSPageSize: true, printBackground: true }), { updateMetadata: false });
  expect(pdf.getPages().map((sheet) => [sheet.getWidth(), sheet.getHeight()])).toEqual(Array(6).fill([960, 540]));
  await page.close();
});

browserTest("the page allows its own script by digest and no other, and is sealed as a report is", async () => {
  const html = readFileSync(file, "utf8");
  expect(html).toMatch(/content="script-src 'sha256-[A-Za-z0-9+/]{43}='; default-src 'none'; /);
  expect(html.match(/<script/g)).toHaveLength(1);
  const { page } = await openPage(browser, file, 1280);
  await page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"document.title = 1\">')");
  await page.evaluate("new Promise((resolve) => setTimeout(resolve, 200))");
  expect(await page.title()).toBe("A deck");
  await page.close();
  const { readReport } = await import("../../reports/provenance/read.js");
  expect(readReport(file).intact).toBe(true);
});
