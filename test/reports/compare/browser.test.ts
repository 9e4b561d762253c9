import { join } from "node:path";
import type { Browser } from "puppeteer-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { writeComparison } from "../../../reports/compare/compare.js";
import { testChromium } from "../../chromium.js";
import { newFolder, suite, writeRun } from "./folders.js";

const executablePath = testChromium();
const browserTest = test.skipIf(!executablePath);
const output = newFolder();
let browser: Browser | undefined;

beforeAll(async () => {
  if (!executablePath) return;
  const { launch } = await import("puppeteer-core");
  browser = await launch({ executablePath, headless: true, args: ["--no-sandbox", "--disable-gpu"] });
  const run = (i: number) =>
    writeRun(`a-run-with-a-rather-long-name-${i}`, {
      beta: i / 10,
      losses: [0.7, 0.6, 0.5 - i / 20],
      answers: {
        "2-dpo/harmful": suite("rrrrrcc", "unsafe"),
        "2-dpo/look-alike-safe": suite(`${"r".repeat(i)}ccc`, "safe", `word ${"unbreakable".repeat(12)} ${i}`),
      },
    });
  await writeComparison(
    Array.from({ length: 8 }, (_, i) => run(i + 1)),
    output,
  );
});
afterAll(() => browser?.close());

browserTest.each([390, 1280])("at %i px the page of eight runs loads nothing and is not wider than the window", async (width) => {
  const page = await browser!.newPage();
  await page.setViewport({ width, height: 800 });
  const requests: string[] = [];
  page.on("request", (request) => !request.url().startsWith("data:") && requests.push(request.url()));
  const url = `file://${join(output, "compare.html")}`;
  await page.goto(url, { waitUntil: "load" });
  await page.$$eval("details", (all) => {
    for (const details of all) details.setAttribute("open", "");
  });
  expect(requests).toEqual([url]);
  expect(await page.evaluate("document.documentElement.scrollWidth <= innerWidth")).toBe(true);
  expect(
    await page.evaluate("[...document.querySelectorAll('a[href^=\"#\"]')].filter((a) => !document.getElementById(a.hash.slice(1))).length"),
  ).toBe(0);
  await page.close();
});
