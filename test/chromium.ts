import type { Browser, Page } from "puppeteer-core";
import { findChromium } from "../src/setup/chromium.js";

/** The browser that tests drive. Undefined where there is none, unless `ERPO_REQUIRE_ALL=1`. */
export function testChromium(): string | undefined {
  const found = findChromium();
  if (!found && process.env.ERPO_REQUIRE_ALL === "1") throw new Error("browser tests need Chromium: apt-get install chromium");
  return found;
}

export async function launchChromium(executablePath: string): Promise<Browser> {
  const { launch } = await import("puppeteer-core");
  return launch({ executablePath, headless: true, args: ["--no-sandbox", "--disable-gpu"] });
}

/** A page of a file, with what it asked for (the file itself included) and what its console said. */
export interface Opened {
  page: Page;
  requests: string[];
  messages: string[];
}

export async function openPage(browser: Browser, path: string, width: number, scheme: "light" | "dark" = "light"): Promise<Opened> {
  const page = await browser.newPage();
  await page.setViewport({ width, height: 800 });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  const requests: string[] = [];
  const messages: string[] = [];
  page.on("request", (request) => !request.url().startsWith("data:") && requests.push(request.url()));
  page.on("console", (message) => messages.push(message.text()));
  page.on("pageerror", (error) => messages.push(String(error)));
  page.on("dialog", (dialog) => {
    messages.push(dialog.message());
    void dialog.dismiss();
  });
  await page.goto(`file://${path}`, { waitUntil: "load" });
  return { page, requests, messages };
}

/** Opens everything that is folded. */
export const openDetails = (page: Page) =>
  page.$$eval("details", (all) => {
    for (const details of all) details.setAttribute("open", "");
  });
