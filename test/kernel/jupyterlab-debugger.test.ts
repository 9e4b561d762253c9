import { join } from "node:path";
import puppeteer, { type Browser, type Page } from "puppeteer-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { testChromium } from "../chromium.js";
import { type Lab, startLab } from "./jupyterlab-server.js";
import { testPython } from "./python-env.js";

/** JupyterLab's own debugger panel in a real browser. `ERPO_SCREENSHOTS=DIR` keeps pictures. */

const python = testPython();
const chromium = testChromium();
const ready = python && chromium;

const CODE =
  "let total: number = 0;\nfor (const step of [10, 20, 30]) {\n  const half: number = await Promise.resolve(step / 2);\n  total += half;\n}\ntotal";

let lab: Lab;
let browser: Browser;
let page: Page;

beforeAll(async () => {
  if (!ready) return;
  lab = await startLab(python, { debug: [CODE] });
  browser = await puppeteer.launch({ executablePath: chromium, args: ["--no-sandbox"], defaultViewport: { width: 1500, height: 1000 } });
  page = await browser.newPage();
  page.setDefaultTimeout(90_000);
  await page.goto(`${lab.address}/lab/tree/debug.ipynb`);
  await page.waitForSelector(".jp-Notebook .jp-CodeCell");
  await page.waitForFunction(() => {
    // biome-ignore lint/suspicious/noExplicitAny: JupyterLab's application object
    const kernel = (window as any).jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel;
    return kernel?.status === "idle" && kernel?.connectionStatus === "connected";
  });
}, 240_000);

afterAll(async () => {
  await browser?.close();
  lab?.stop();
});

async function picture(name: string): Promise<void> {
  const folder = process.env.ERPO_SCREENSHOTS;
  if (folder) await page.screenshot({ path: join(folder, `debugger-${name}.png`) as `${string}.png` });
}

/** The highlighted line of the cell once it holds `text`. */
const standsAt = (text: string) =>
  page.waitForFunction(
    (wanted) => document.querySelector(".jp-Notebook .jp-DebuggerEditor-highlight")?.textContent?.includes(wanted),
    {},
    text,
  );

/** Waits until the panel of variables shows a variable with this text behind its name. */
const shows = (name: string, detail: string) =>
  page.waitForFunction(
    (wantedName, wantedDetail) =>
      Array.from(document.querySelectorAll(".jp-DebuggerVariables-name")).some(
        (item) =>
          item.textContent === wantedName &&
          item.parentElement?.querySelector(".jp-DebuggerVariables-detail")?.textContent === wantedDetail,
      ),
    {},
    name,
    detail,
  );

/** Clicks when JupyterLab has its answers, but for that of the cell: frames that arrive behind a click are drawn although the cell goes on. */
async function click(command: string): Promise<void> {
  // biome-ignore lint/suspicious/noExplicitAny: JupyterLab's application object
  await page.waitForFunction(() => (window as any).jupyterapp.shell.currentWidget.sessionContext.session.kernel._futures.size <= 1);
  await page.click(`.jp-DebuggerCallstack [data-command="${command}"], .jp-DebuggerSidebar [data-command="${command}"]`);
}

test.skipIf(!ready)("a click sets a breakpoint, the cell stops there, the panel shows values, steps and goes on", async () => {
  await page.waitForSelector(".jp-DebuggerBugButton:not([aria-disabled='true'])");
  await page.click(".jp-DebuggerBugButton");
  await page.waitForSelector(".jp-Notebook .cm-breakpoint-gutter .cm-gutterElement");
  await page.waitForSelector(".jp-DebuggerSidebar");
  const lines = await page.$$(".jp-Notebook .cm-breakpoint-gutter .cm-gutterElement");
  const box = (await lines.at(-3)!.boundingBox())!; // of six lines the fourth
  await page.mouse.click(box.x + box.width / 2, box.y + box.height / 2);
  await page.waitForSelector(".jp-Notebook .cm-breakpoint-icon");
  await page.waitForSelector(".jp-DebuggerBreakpoint"); // the panel lists it once the kernel has it: a cell that is run before that does not stop
  await picture("set");
  await page.click(".jp-Notebook .jp-CodeCell .cm-content");
  await page.keyboard.down("Shift");
  await page.keyboard.press("Enter");
  await page.keyboard.up("Shift");
  await standsAt("total += half");
  await shows("half", "number = 5");
  await shows("total", "number = 0");
  await picture("stopped");
  await click("debugger:next");
  await standsAt("for (const step of");
  await shows("total", "number = 5");
  await picture("stepped");
  for (const total of [5, 15]) {
    await click("debugger:continue");
    await standsAt("total += half");
    await shows("total", `number = ${total}`);
  }
  await click("debugger:continue");
  await page.waitForFunction(() => document.querySelector(".jp-Notebook .jp-OutputArea")?.textContent?.includes("30"));
  await shows("total", "number = 30"); // the variable view, now that nothing runs
  await picture("over");
  expect(await page.$(".jp-Notebook .jp-DebuggerEditor-highlight")).toBeNull();
});
