import { join } from "node:path";
import puppeteer, { type Browser, type Page } from "puppeteer-core";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { testChromium } from "../chromium.js";
import { type Lab, startLab } from "./jupyterlab-server.js";
import { testPython } from "./python-env.js";

/** A real JupyterLab, and the Notebook that comes with its server, in a real browser, from an empty folder. `ERPO_SCREENSHOTS=DIR` keeps pictures. */

const python = testPython();
const chromium = testChromium();
const ready = python && chromium;

const CELLS = [
  "/** Adds two numbers. */\nconst sumOf = (a: number, b: number): number => a + b;\nsumOf(2, 3)",
  'import { comms, figure, table } from "erpo";\ntable([{ x: 1 }], { label: "tbl-x", caption: "Numbers." });\nfigure({ data: { values: [{ x: 1, y: 2 }, { x: 2, y: 5 }] }, mark: "line", encoding: { x: { field: "x", type: "quantitative" }, y: { field: "y", type: "quantitative" } } }, { label: "fig-line", caption: "A line.", alt: "A line that rises." })',
  "const wrong: number = 'text'",
  "comms.registerTarget('echo', (comm) => { comm.onMsg = (message) => comm.send({ back: message.content.data }); });",
  "console.log('on'); while (true) {}",
  `import { svg, widget } from "erpo";
const esm = \`export default { render({ model, el }) {
  const button = document.createElement("button");
  button.className = "counter";
  const show = () => { button.textContent = model.get("label") + " " + model.get("count") + ", weights " + [...new Float32Array(model.get("weights").buffer)]; };
  button.onclick = () => { model.set("count", model.get("count") + 1); model.save_changes(); };
  model.on("change", show);
  model.on("msg:custom", (message) => { button.title = message.tip; model.send({ seen: message.tip }); });
  show();
  el.append(button);
} };\`;
const counter = widget({ esm, css: ".counter { color: rgb(0, 114, 178); padding: 1em; }", state: { label: "count", count: 0, weights: new Float32Array([0.5, 2]) },
  still: ({ count }) => svg(\`<svg xmlns="http://www.w3.org/2000/svg" width="80" height="20"><text y="15">count \${count}</text></svg>\`) });
counter.on("change", ({ count }) => console.log("kernel sees " + count));
counter.onMessage((content) => console.log("page says " + JSON.stringify(content)));
counter`,
  "counter.set('count', 40); counter.set('weights', new Float32Array([1, 3])); counter.send({ tip: 'hello' }); counter.get('count')",
  `import { sliders } from "erpo";
const double = (n: number) => 2 * n;
await sliders({ n: { min: 0, max: 5, step: 1, value: 1 } }, ({ n }) => ({ data: { values: [{ text: "double is " + double(n) }] }, mark: "text", encoding: { text: { field: "text", type: "nominal" } } }), { alt: "A sum." });`,
];

const STOP = '[data-command="notebook:interrupt-kernel"], [data-jp-item-name="interrupt"]';

let lab: Lab;
let browser: Browser;
let page: Page;

beforeAll(async () => {
  if (!ready) return;
  lab = await startLab(python!, { lab: CELLS, notebook: CELLS });
  browser = await puppeteer.launch({ executablePath: chromium!, args: ["--no-sandbox"], defaultViewport: { width: 1300, height: 1400 } });
  await open("lab/tree/lab.ipynb");
}, 180_000);

afterAll(async () => {
  await browser?.close();
  lab?.stop();
});

/** Opens a notebook in a page of its own, which the helpers below are about, and waits for its kernel. */
async function open(path: string): Promise<void> {
  page = await browser.newPage();
  await page.goto(`${lab.address}/${path}`);
  await page.waitForSelector(".jp-Notebook .jp-CodeCell", { timeout: 60_000 });
  await kernelIs("idle");
}

/** JupyterLab's own view of the kernel's state. */
async function kernelIs(state: string): Promise<void> {
  await page.waitForFunction(
    (wanted) => {
      // biome-ignore lint/suspicious/noExplicitAny: JupyterLab's application object
      const kernel = (window as any).jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel;
      return kernel?.status === wanted && kernel?.connectionStatus === "connected";
    },
    { timeout: 60_000 },
    state,
  );
}

/** Clicks into a cell's text, again where the frontend has replaced it meanwhile. */
async function enter(cell: number): Promise<void> {
  await page.locator(`.jp-Notebook .jp-CodeCell[data-windowed-list-index="${cell}"] .cm-content`).click();
  await page.waitForFunction(`document.querySelectorAll(".jp-Notebook .jp-CodeCell")[${cell}].contains(document.activeElement)`);
}

async function runCell(cell: number): Promise<void> {
  await enter(cell);
  await page.keyboard.down("Shift");
  await page.keyboard.press("Enter");
  await page.keyboard.up("Shift");
}

/** The text under a cell once it holds `part`. */
async function output(cell: number, part: string): Promise<string> {
  const read = (i: number) =>
    document.querySelectorAll<HTMLElement>(".jp-Notebook .jp-CodeCell")[i]?.querySelector<HTMLElement>(".jp-OutputArea")?.textContent ?? "";
  await page.waitForFunction(`(${read})(${cell}).includes(${JSON.stringify(part)})`, { timeout: 60_000 });
  return page.evaluate(read, cell);
}

async function picture(name: string): Promise<void> {
  const folder = process.env.ERPO_SCREENSHOTS;
  if (folder) await page.screenshot({ path: join(folder, `jupyterlab-${name}.png`) as `${string}.png` });
}

/** Runs the widget's cells, and looks at both of its ends. */
async function tryWidget(): Promise<void> {
  const button = ".jp-OutputArea button.counter";
  const says = (text: string) =>
    page.waitForFunction(`document.querySelector(${JSON.stringify(button)})?.textContent === ${JSON.stringify(text)}`);
  await runCell(5);
  await page.waitForSelector(button, { timeout: 60_000 });
  await says("count 0, weights 0.5,2");
  expect(await page.$eval(button, (element) => getComputedStyle(element).color)).toBe("rgb(0, 114, 178)");
  for (const n of [1, 2]) {
    await page.click(button);
    await output(5, `kernel sees ${n}`);
  }
  await says("count 2, weights 0.5,2");
  await runCell(6);
  expect(await output(6, "40")).toContain("40");
  await says("count 40, weights 1,3");
  expect(await output(5, "page says")).toContain('page says {"seen":"hello"}');
  await picture("widget");
  await page.keyboard.down("Control");
  await page.keyboard.press("s");
  await page.keyboard.up("Control");
  await page.waitForFunction("!window.jupyterapp.shell.currentWidget.context.model.dirty");
  await page.reload(); // a page that comes later asks for the state
  await page.waitForSelector(button, { timeout: 60_000 });
  await says("count 40, weights 1,3");
  await kernelIs("idle");
}

test.skipIf(!ready)("a cell's value, a figure, a type error with its place", async () => {
  await runCell(0);
  expect(await output(0, "5")).toContain("5");
  await runCell(1);
  await page.waitForFunction(
    "document.querySelectorAll('.jp-CodeCell')[1].querySelector('.jp-OutputArea svg, .jp-OutputArea img, .jp-OutputArea canvas') !== null",
    { timeout: 60_000 },
  );
  await output(1, "@tbl-x: Numbers."); // as prose refers to it
  await runCell(2);
  expect(await output(2, "TypeCheckError")).toMatch(/line 1, column 7/);
  await picture("outputs");
});

test.skipIf(!ready)("Tab completes with types, Shift-Tab shows the documentation", async () => {
  await enter(2);
  await page.keyboard.down("Control");
  await page.keyboard.press("a");
  await page.keyboard.up("Control");
  await page.keyboard.type("sumO", { delay: 30 });
  await page.waitForFunction("document.querySelectorAll('.jp-CodeCell')[2].querySelector('.cm-content').textContent === 'sumO'");
  await kernelIs("idle");
  const completed = `document.querySelectorAll('.jp-CodeCell')[2].querySelector('.cm-content').textContent.includes('sumOf')
    || document.querySelector('.jp-Completer:not(.lm-mod-hidden)')?.textContent.includes('sumOf')`;
  await vi.waitFor(
    async () => {
      await page.keyboard.press("Tab"); // JupyterLab waits for a kernel's answer for a second only, which a busy machine can take
      await page.waitForFunction(completed, { timeout: 3000 });
    },
    { timeout: 30_000 },
  );
  await picture("completion");
  if (await page.$(".jp-Completer:not(.lm-mod-hidden)")) await page.keyboard.press("Enter");
  await page.waitForFunction("document.querySelectorAll('.jp-CodeCell')[2].querySelector('.cm-content').textContent === 'sumOf'");
  await page.keyboard.down("Shift");
  await page.keyboard.press("Tab");
  await page.keyboard.up("Shift");
  const tooltip = "document.querySelector('.jp-Tooltip')?.textContent";
  await page.waitForFunction(`${tooltip}?.includes("Adds")`, { timeout: 30_000 });
  await picture("documentation");
  const shown = await page.evaluate(tooltip);
  expect(shown).toContain("(a: number, b: number) => number");
  expect(shown).toContain("Adds two numbers.");
  await page.keyboard.press("Escape");
});

test.skipIf(!ready)("a comm answers the page", async () => {
  await runCell(3);
  await kernelIs("idle");
  const back = await page.evaluate(async () => {
    // biome-ignore lint/suspicious/noExplicitAny: JupyterLab's application object
    const { kernel } = (window as any).jupyterapp.shell.currentWidget.sessionContext.session;
    const comm = kernel.createComm("echo");
    return new Promise((resolve) => {
      comm.onMsg = (message: { content: { data: unknown } }) => resolve(message.content.data);
      comm.open();
      comm.send({ n: 42 });
    });
  });
  expect(back).toEqual({ back: { n: 42 } });
});

test.skipIf(!ready)("a widget's page and its cells share a state, bytes and messages", tryWidget);

test.skipIf(!ready)("arrow keys move a slider, and the kernel draws the figure anew with what its cells have declared", async () => {
  const drawn = (text: string) =>
    page.waitForFunction(`document.querySelector(".erpo-sliders svg")?.textContent.includes("${text}")`, { timeout: 60_000 });
  await runCell(7);
  await drawn("double is 2");
  await page.focus(".erpo-sliders input");
  await page.keyboard.press("ArrowRight");
  await drawn("double is 4");
});

test.skipIf(!ready)("the stop button ends a loop, and what was declared is kept; a restart forgets it", async () => {
  await runCell(4);
  await output(4, "on");
  await kernelIs("busy");
  await page.click(STOP);
  expect(await output(4, "KeyboardInterrupt")).toContain("the cell was interrupted");
  await runCell(2);
  expect(await output(2, "Function")).toContain("[Function: sumOf]");
  await page.click('[data-command="notebook:restart-kernel"], [data-jp-item-name="restart"]');
  await (await page.waitForSelector(".jp-Dialog .jp-mod-warn, .jp-Dialog .jp-mod-accept"))!.click();
  await page.waitForFunction("!document.querySelector('.jp-Dialog')");
  await kernelIs("idle");
  await runCell(2);
  expect(await output(2, "Cannot find name")).toContain("sumOf");
  await picture("restarted");
});

test.skipIf(!ready)("Notebook 7 runs cells, shows a type error with its place and widgets, stops a loop", async () => {
  await open("notebooks/notebook.ipynb");
  await runCell(0);
  expect(await output(0, "5")).toContain("5");
  await runCell(2);
  expect(await output(2, "TypeCheckError")).toMatch(/line 1, column 7/);
  await tryWidget();
  await runCell(4);
  await output(4, "on");
  await page.click(STOP);
  expect(await output(4, "KeyboardInterrupt")).toContain("the cell was interrupted");
  await picture("notebook");
});
