import { spawnSync } from "node:child_process";
import type { Browser, HTTPRequest, Page } from "puppeteer-core";

/** Where a page stands in the browser; links that are relative in the page begin with it. Never asked of any network. */
export const ORIGIN = "https://report.invalid/";

const POLICY = "default-src 'none'; img-src data:; font-src data:; style-src 'unsafe-inline'";

const ARGUMENTS = [
  "--disable-gpu",
  "--font-render-hinting=none", // letters stand where the font says, on every machine
  "--host-resolver-rules=MAP * ~NOTFOUND",
];

/** Milliseconds for each step, on a busy machine too. */
export const PATIENCE = 120_000;

/**
 * Opens an HTML page in Chromium. Scripts do not run and nothing is loaded: the page must bring its pictures and fonts as data.
 *
 * @param chromium path of the browser; it runs with a profile of its own, for this page only
 * @param take what is wanted of the page
 * @throws Error in one line when the browser does not start, or `take` fails: `PATH: cannot print (cause)`
 */
export async function withPage<T>(html: string, chromium: string, take: (page: Page) => Promise<T>): Promise<T> {
  const { launch } = await import("puppeteer-core");
  const root = process.getuid?.() === 0; // Chromium has no sandbox for root
  let browser: Browser | undefined;
  try {
    browser = await launch({
      executablePath: chromium,
      pipe: true,
      timeout: PATIENCE,
      args: [...ARGUMENTS, ...(root ? ["--no-sandbox"] : [])],
    });
    const page = await browser.newPage();
    await page.setJavaScriptEnabled(false);
    await page.setRequestInterception(true);
    page.on("request", (request) => void answer(request, html).catch(() => {}));
    await page.goto(ORIGIN, { waitUntil: "load", timeout: PATIENCE });
    return await take(page);
  } catch (error) {
    const cause = (browser ? undefined : complaint(chromium)) ?? (error instanceof Error ? error.message : String(error)).split("\n")[0];
    throw new Error(`${chromium}: cannot print (${cause})`);
  } finally {
    await browser?.close();
  }
}

/** Gives the browser the page, and data that the page holds; refuses everything else. */
function answer(request: HTTPRequest, html: string): Promise<void> {
  if (request.url().startsWith("data:")) return request.continue();
  if (request.url() !== ORIGIN || !request.isNavigationRequest()) return request.abort("aborted"); // the page stays
  const headers = { "content-security-policy": POLICY };
  return request.respond({ contentType: "text/html; charset=utf-8", headers, body: html });
}

/** What a browser that does not start says of it: missing libraries, no sandbox. */
function complaint(chromium: string): string | undefined {
  const { stderr, error } = spawnSync(chromium, ["--headless", "--dump-dom", "about:blank"], { encoding: "utf8", timeout: 20_000 });
  const lines = (error?.message ?? stderr).split("\n").map((line) => line.replace(/^\[[^\]]*\]\s*/, "").trim());
  return lines.find((line) => /sandbox|libraries|\bE[A-Z]{4,}$/.test(line));
}
