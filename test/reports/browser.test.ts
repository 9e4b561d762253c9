import { mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createCanvas, loadImage } from "canvas";
import type { Browser } from "puppeteer-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { compactSVG } from "../../reports/html/compact-svg.js";
import { renderReports } from "../../reports/report.js";
import { intervals, trainingCurves } from "../../src/figures/index.js";
import { render, themed } from "../../src/figures/render.js";
import { packageRoot } from "../../src/setup/paths.js";
import { launchChromium, openDetails, openPage, testChromium } from "../chromium.js";
import { code, md, shown, writeNotebook } from "./notebooks.js";

const executablePath = testChromium();
const browserTest = test.skipIf(!executablePath);

let browser: Browser | undefined;
let file: string;

beforeAll(async () => {
  if (!executablePath) return;
  browser = await launchChromium(executablePath);
  const rows = ["Harmful prompts", "Look-alikes"].flatMap((suite) =>
    ["base", "stage 1"].map((stage, i) => ({ suite, stage, estimate: 0.2 + i / 4, low: 0.1 + i / 4, high: 0.3 + i / 4 })),
  );
  const { svg } = await render(themed(intervals({ group: "suite", series: "stage" }, { rows })));
  const wide = `<table><thead><tr>${"<th scope='col'>a long column name</th>".repeat(12)}</tr></thead><tbody><tr>${"<td>0.123456</td>".repeat(12)}</tr></tbody></table>`;
  const output = mkdtempSync(join(tmpdir(), "erpo-test-"));
  const notebook = writeNotebook(
    [
      md(
        `# A report\n\nText[^a] with $\\sqrt{x}$, see @fig-a and @tbl-a. ${"unbreakable".repeat(20)}\n\n[^a]: A note.\n\n## Part\n\n$$${"a + ".repeat(60)}b$$ {#eq-a}`,
      ),
      code(`const text = "${"long ".repeat(100)}";`, [{ output_type: "stream", name: "stdout", text: "x".repeat(500) }]),
      code("1", [shown({ "image/svg+xml": svg }, { label: "fig-a", "fig-cap": "Rates.", "fig-alt": "Two suites." })]),
      code("2", [
        shown({ "text/html": wide }, { label: "tbl-a", "tbl-cap": "Wide." }),
        { output_type: "error", ename: "E", evalue: "y".repeat(300), traceback: ["z".repeat(300)] },
      ]),
    ],
    "report.ipynb",
  );
  await renderReports([notebook], { output });
  file = join(output, "report.html");
});
afterAll(() => browser?.close());

const open = (path: string, width: number, scheme?: "light" | "dark") => openPage(browser!, path, width, scheme);

browserTest("printed sentences wrap at every width and on paper; a printed table keeps its lines, and is scrolled through", async () => {
  const sentence =
    "Only stage 1 is right on 21 of the contrasts and look-alikes, only answers only on 11. Chance explains that (p = 0.11).";
  const row = (...cells: string[]) =>
    cells
      .map((cell) => cell.padEnd(30))
      .join("")
      .trimEnd();
  const table = [row("policy", ...Array(4).fill("balanced accuracy")), row("stage 1", ...Array(4).fill("0.91"))];
  const printed = (text: string) => code("1", [{ output_type: "stream", name: "stdout", text }]);
  const notebook = writeNotebook([md("# T"), printed(`${sentence}\n${sentence}\n`), printed(`${table.join("\n")}\n${sentence}\n`)]);
  const output = mkdtempSync(join(tmpdir(), "erpo-test-"));
  await renderReports([notebook], { output });
  const state = `[...document.querySelectorAll("pre.text")].map((pre) => {
    const rows = pre.querySelector(".columns");
    return { scrolled: pre.scrollWidth > pre.clientWidth, lines: rows && Math.round(rows.getBoundingClientRect().height / parseFloat(getComputedStyle(pre).lineHeight)) };
  })`;
  for (const width of [390, 1280]) {
    const { page } = await open(join(output, "nb.html"), width);
    expect(await page.evaluate(state)).toEqual([
      { scrolled: false, lines: null },
      { scrolled: true, lines: 2 },
    ]);
    await page.emulateMediaType("print");
    expect(await page.evaluate(state)).toMatchObject([{ scrolled: false }, { scrolled: false }]); // paper cannot be scrolled
    await page.close();
  }
});

browserTest("a phone shows a figure whole, and the statements of an equation below each other; a wide picture is scrolled", async () => {
  const rows = Array.from({ length: 30 }, (_, i) => ({
    step: i + 1,
    "rewards/chosen": i,
    "rewards/margins": i / 3,
    "rewards/rejected": -i,
  }));
  const series = ["rewards/margins", "rewards/chosen", "rewards/rejected"];
  const { svg } = await render(themed(trainingCurves(series, { rows, y: "beta times nats" })));
  const wide = svg.replace(/width="\d+" height="\d+" viewBox="[^"]*"/, 'width="900" height="300" viewBox="0 0 900 300"');
  expect(wide).toContain('width="900"');
  const share = (of: string) => `r = \\frac{\\text{${of} prompts that are refused}}{u}`;
  const equation = `$$\n${share("unsafe")}, \\qquad ${share("safe")} .\n$$ {#eq-two}`;
  const pictures = [svg, wide].map((picture, i) =>
    shown({ "image/svg+xml": picture }, { label: `fig-${i}`, "fig-cap": "A.", "fig-alt": "B" }),
  );
  const notebook = writeNotebook([md(`# T\n\n${equation}`), code("1", pictures)]);
  const output = mkdtempSync(join(tmpdir(), "erpo-test-"));
  await renderReports([notebook], { output });
  const state = `({
    scrolled: [...document.querySelectorAll(".picture, .equation .math")].map((box) => box.scrollWidth > box.clientWidth),
    lines: new Set([...document.querySelectorAll(".equation math")].map((math) => math.getBoundingClientRect().top)).size,
    letters: 12 * document.querySelector("#fig-0 svg").getBoundingClientRect().width / document.querySelector("#fig-0 svg").viewBox.baseVal.width })`;
  const phone = await open(join(output, "nb.html"), 390);
  const { scrolled, lines, letters } = (await phone.page.evaluate(state)) as { scrolled: boolean[]; lines: number; letters: number };
  expect({ scrolled, lines }).toEqual({ scrolled: [false, false, true], lines: 2 });
  expect(letters).toBeGreaterThan(9); // pixels
  await phone.page.close();
  const desk = await open(join(output, "nb.html"), 1280);
  expect(await desk.page.evaluate(state)).toMatchObject({ scrolled: [false, false, false], lines: 1 });
  await desk.page.close();
});

browserTest("columns of text have room to read, a long word does not take that of others, and an interval is not broken", async () => {
  const answer = "To end a program, open the list of tasks and choose it. ".repeat(5);
  const row = ["Which answer is long?", answer, `${"kernel.".repeat(30)} ${answer}`, answer, "0.525 [0.467, 0.578]"];
  const html = `<table><tbody>${`<tr>${row.map((cell) => `<td>${cell}</td>`).join("")}</tr>`.repeat(8)}</tbody></table>`;
  const notebook = writeNotebook([md("# T"), code("1", [shown({ "text/html": html }, { label: "tbl-answers", "tbl-cap": "Answers." })])]);
  const output = mkdtempSync(join(tmpdir(), "erpo-test-"));
  await renderReports([notebook], { output });
  const widths = "[...document.querySelectorAll('figure tr:first-child td')].map((td) => td.getBoundingClientRect().width)";
  for (const width of [390, 1280]) {
    const { page } = await open(join(output, "nb.html"), width);
    const [question, ...answers] = (await page.evaluate(widths)) as number[];
    expect(question).toBeGreaterThan(100);
    for (const column of answers.slice(0, 3)) expect(column).toBeGreaterThan(180);
    expect(Math.max(...answers)).toBeLessThan(300);
    expect(await page.evaluate("document.querySelector('figure td:last-child').textContent")).toBe("0.525 [0.467,\u00a00.578]");
    await page.emulateMediaType("print");
    expect(await page.evaluate("getComputedStyle(document.querySelector('figure')).breakInside")).toBe("auto"); // it is higher than paper
    expect(await page.evaluate("document.querySelector('figure').scrollWidth <= document.querySelector('figure').clientWidth")).toBe(true);
    await page.close();
  }
});

browserTest("a table that is wider than the text goes on beside it where there is room, and is scrolled on a phone", async () => {
  const html = (columns: number) => `<table><tbody><tr>${"<td>unbreakable_name</td>".repeat(columns)}</tr></tbody></table>`;
  const tables = [3, 5, 12].map((columns) => shown({ "text/html": html(columns) }, { label: `tbl-${columns}`, "tbl-cap": "Names." }));
  const notebook = writeNotebook([md("# T\n\n## One\n\n## Two\n\n## Three"), code("1", tables)]);
  const output = mkdtempSync(join(tmpdir(), "erpo-test-"));
  await renderReports([notebook], { output });
  const state = `({
    page: document.documentElement.scrollWidth,
    cut: [...document.querySelectorAll("figure .scroll")].map((box) => box.scrollWidth > box.clientWidth) })`;
  for (const [width, cut] of [
    [390, [true, true, true]],
    [1280, [false, false, true]],
  ] as const) {
    const { page } = await open(join(output, "nb.html"), width);
    expect(await page.evaluate(state)).toEqual({ page: width, cut });
    await page.close();
  }
});

browserTest("on a phone a shade stands at the side where a table goes on, and only there", async () => {
  const names = `<table><tbody><tr>${"<td>unbreakable_name</td>".repeat(12)}</tr></tbody></table>`;
  const output = mkdtempSync(join(tmpdir(), "erpo-test-"));
  await renderReports([writeNotebook([md("# T"), code("1", [shown({ "text/html": names })])])], { output });
  const { page } = await open(join(output, "nb.html"), 390);
  const box = (await page.$(".scroll:has(td)"))!;
  /** The brightest pixels of the first and of the last column of the box, from 0 to 255: where no letter stands. */
  const edges = async (left: number): Promise<number[]> => {
    await page.evaluate(`document.querySelector(".scroll:has(td)").scrollLeft = ${left}`);
    const image = await loadImage(Buffer.from(await box.screenshot()));
    const context = createCanvas(image.width, image.height).getContext("2d");
    context.drawImage(image, 0, 0);
    const brightest = (x: number) => Math.max(...context.getImageData(x, 0, 1, image.height).data.filter((_, i) => i % 4 === 0));
    return [brightest(0), brightest(image.width - 1)];
  };
  expect(await edges(0)).toEqual([255, expect.toSatisfy((x) => x < 240)]);
  expect(await edges(200)).toEqual([expect.toSatisfy((x) => x < 240), expect.toSatisfy((x) => x < 240)]);
  expect(await edges(100_000)).toEqual([expect.toSatisfy((x) => x < 240), 255]);
  await page.close();
});

browserTest("columns of Markdown tables are aligned as they say", async () => {
  const notebook = writeNotebook([md("# T\n\n| a | b | c |\n|:--|--:|:-:|\n| 1 | 2 | 3 |")]);
  const output = mkdtempSync(join(tmpdir(), "erpo-test-"));
  await renderReports([notebook], { output });
  const { page } = await open(join(output, "nb.html"), 1280);
  expect(await page.evaluate("[...document.querySelectorAll('main td')].slice(0, 3).map((td) => getComputedStyle(td).textAlign)")).toEqual([
    "left",
    "right",
    "center",
  ]);
  await page.close();
});

browserTest.each([390, 1280])("at %i px nothing is loaded, complained of, or wider than the page", async (width) => {
  const { page, requests, messages } = await open(file, width);
  await openDetails(page);
  expect(requests).toEqual([`file://${file}`]);
  expect(messages).toEqual([]);
  expect(await page.evaluate("document.documentElement.scrollWidth <= innerWidth")).toBe(true);
  expect(await page.evaluate("[...document.fonts].find((font) => font.family.includes('Report Math')).status")).toBe("loaded");
  expect(await page.evaluate("document.querySelectorAll('main h1').length")).toBe(1);
  await page.close();
});

browserTest.each(["light", "dark"] as const)("in %s, text has a contrast of 4.5:1", async (scheme) => {
  const { page } = await open(file, 1280, scheme);
  await openDetails(page);
  const low = (await page.evaluate(`(() => {
    const channels = (text) => text.match(/[\\d.]+/g).map(Number);
    const luminance = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const paper = (element) => { for (let e = element; e; e = e.parentElement) { const c = channels(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
    return [...document.querySelectorAll("main *, nav *")].filter((e) => !e.closest("svg, math, .anchor") && [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())).map((e) => {
      const [a, b] = [luminance(channels(getComputedStyle(e).color)), luminance(paper(e))].sort((x, y) => y - x);
      return [e.tagName + "." + e.className, (a + 0.05) / (b + 0.05)];
    }).filter(([, ratio]) => ratio < 4.5).map(([name, ratio]) => name + " " + ratio.toFixed(2));
  })()`)) as string[];
  expect([...new Set(low)]).toEqual([]);
  await page.close();
});

browserTest("one switch shows all code, on paper too, and the contents are printed", async () => {
  const { page } = await open(file, 1280);
  const seen = (selector: string) =>
    page.evaluate(`document.querySelector("${selector}").checkVisibility({ contentVisibilityAuto: true })`);
  for (const media of ["screen", "print"]) {
    await page.emulateMediaType(media);
    expect(await seen("details.code pre")).toBe(false);
    expect(await seen("nav li")).toBe(true);
  }
  await page.emulateMediaType("screen");
  await page.click("#report-code");
  for (const media of ["screen", "print"]) {
    await page.emulateMediaType(media);
    expect(await seen("details.code pre")).toBe(true);
  }
  await page.close();
});

browserTest("printing gives pages of text", async () => {
  const { page } = await open(file, 1280);
  const pdf = await page.pdf({ format: "A4" });
  expect(Buffer.from(pdf.subarray(0, 5)).toString()).toBe("%PDF-");
  await page.close();
});

/** Levels of a picture's pixels, RGBA. */
async function pixels(png: Uint8Array): Promise<Uint8ClampedArray> {
  const picture = await loadImage(Buffer.from(png));
  const context = createCanvas(picture.width, picture.height).getContext("2d");
  context.drawImage(picture, 0, 0);
  return context.getImageData(0, 0, picture.width, picture.height).data;
}

const drawings = readdirSync(join(packageRoot(), "test/fixtures/report-figures")).filter((name) => name.endsWith(".svg"));

browserTest.each(drawings)("%s looks the same in fewer bytes", async (name) => {
  const svg = readFileSync(join(packageRoot(), "test/fixtures/report-figures", name), "utf8").replace(/>\n</g, "><");
  const compact = compactSVG(svg);
  expect(compact.length).toBeLessThan(svg.length);
  const { page } = await openPage(browser!, file, 800);
  const shots: Uint8ClampedArray[] = [];
  for (const drawing of [svg, compact]) {
    await page.setContent(drawing);
    shots.push(await pixels(await page.screenshot()));
  }
  const [before, after] = shots;
  const largest = before!.reduce((most, level, i) => Math.max(most, Math.abs(level - after![i]!)), 0);
  expect(largest).toBeLessThanOrEqual(3); // of 255: Chromium rounds the edge of a circle and of a path of two arcs differently, at some places
  await page.close();
});
