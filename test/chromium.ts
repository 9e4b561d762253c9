import type { Browser, Page } from "puppeteer-core";
import { findChromium, noChromium } from "../src/setup/chromium.js";
import { failure, lackOf, tried } from "./programs.js";

/** What keeps Chromium from showing a page here; undefined where it shows one. */
export const chromiumLack = (): string | undefined =>
  lackOf("Chromium", noChromium().mend, () => {
    const found = findChromium();
    if (!found) return noChromium().what;
    const words = ["--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir=profile", "--dump-dom", "page.html"];
    return tried(found, words, { "page.html": "<p>trial</p>" }, (outcome) =>
      outcome.stdout?.includes("trial") ? undefined : failure(outcome),
    );
  });

/** The browser that tests drive. Undefined where none works, unless `ERPO_REQUIRE_ALL=1`. */
export const testChromium = (): string | undefined => (chromiumLack() ? undefined : findChromium());

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
