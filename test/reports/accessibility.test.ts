import { mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "puppeteer-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { renderReports } from "../../reports/report.js";
import { packageRoot } from "../../src/setup/paths.js";
import { launchChromium, openDetails, openPage, testChromium } from "../chromium.js";

const executablePath = testChromium();
const browserTest = test.skipIf(!executablePath);
const notebooksIn = (folder: string) =>
  readdirSync(folder)
    .filter((name) => name.endsWith(".ipynb"))
    .map((name) => join(folder, name));
const golden = notebooksIn(join(packageRoot(), "test", "fixtures", "report-golden"));
const own = ["notebooks", "notebooks/related"].flatMap((folder) => notebooksIn(join(packageRoot(), folder)));
const stems = [...golden, ...own].map((path) => /([^/]+)\.ipynb$/.exec(path)![1]!);

const output = mkdtempSync(join(tmpdir(), "erpo-test-"));
let browser: Browser;
beforeAll(async () => {
  if (!executablePath) return;
  browser = await launchChromium(executablePath);
  expect((await renderReports([...golden, ...own], { output })).failures).toEqual([]);
});
afterAll(() => browser?.close());

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Serious and critical findings, with where. */
const findings = (
  options: object = {},
) => `axe.run(document, ${JSON.stringify({ resultTypes: ["violations"], ...options })}).then(({ violations }) => violations
  .filter(({ impact }) => impact === "serious" || impact === "critical")
  .flatMap(({ id, nodes }) => nodes.slice(0, 3).map(({ html }) => id + ": " + html.slice(0, 200))))`;
const FINDINGS = findings();
/** Of the rules that look at colours: the others say the same in both schemes. */
const COLOURS = findings({ runOnly: ["color-contrast", "link-in-text-block"] });

/** Ids that stand twice, and links within the page that lead nowhere. */
const LINKS = `[
  ...[...document.querySelectorAll("[id]")].filter((element) => document.getElementById(element.id) !== element).map(({ id }) => "twice: " + id),
  ...[...document.querySelectorAll("a[href^='#']")].filter(({ hash }) => !document.getElementById(decodeURIComponent(hash.slice(1)))).map(({ hash }) => "nowhere: " + hash),
]`;

browserTest.each(["index", ...stems])(
  "%s: axe finds nothing serious, nothing is wider than the page, ids stand once, and links within the page lead somewhere",
  async (stem) => {
    const { page } = await openPage(browser, join(output, `${stem}.html`), 1280);
    // "links" has an author's link to nowhere
    if (stem !== "links") expect(await page.evaluate(LINKS)).toEqual([]);
    await page.evaluate(axe);
    for (const state of ["folded", "unfolded"]) {
      if (state === "unfolded") await openDetails(page);
      for (const width of [1280, 390]) {
        await page.setViewport({ width, height: 800 });
        for (const [scheme, found] of [
          ["light", FINDINGS],
          ["dark", COLOURS],
        ] as const) {
          await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
          expect(await page.evaluate(found), `${state}, ${width} px, ${scheme}`).toEqual([]);
        }
        expect(await page.evaluate("document.documentElement.scrollWidth"), `${state}, ${width} px`).toBeLessThanOrEqual(width);
      }
    }
    await page.close();
  },
);

browserTest("with the keyboard: the contents are skipped, and what is folded opens", async () => {
  const { page } = await openPage(browser, join(output, "figure-data.html"), 1280);
  await page.keyboard.press("Tab");
  expect(await page.evaluate("document.activeElement.textContent")).toBe("Skip to the content");
  await page.keyboard.press("Enter");
  expect(await page.evaluate("location.hash")).toBe("#report-content");
  await page.focus("details.data > summary");
  await page.keyboard.press("Enter");
  expect(await page.evaluate("document.querySelector('details.data').open")).toBe(true);
  await page.close();
});

browserTest("slides: axe finds nothing serious, no link leads nowhere, and nothing is wider than the window", async () => {
  const folder = mkdtempSync(join(tmpdir(), "erpo-test-"));
  const { written, failures } = await renderReports([...golden, ...own.slice(0, 2)], { output: folder, to: ["slides"] });
  expect(failures).toEqual([]);
  for (const file of written) {
    const { page } = await openPage(browser, file, 1280);
    await page.evaluate(axe);
    for (const [width, height] of [
      [1280, 720],
      [390, 844],
    ] as const) {
      await page.setViewport({ width, height });
      expect(await page.evaluate(FINDINGS), `${file}, ${width} px`).toEqual([]);
      expect(await page.evaluate("document.documentElement.scrollWidth"), `${file}, ${width} px`).toBe(width);
    }
    if (!file.endsWith("/links.slides.html")) expect(await page.evaluate(LINKS), file).toEqual([]);
    await page.close();
  }
});
