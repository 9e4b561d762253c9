import { afterEach, beforeEach, expect, test } from "vitest";
import { sliders } from "../../src/figures/index.js";
import { type CommEvent, type MimeBundle, setFrontend } from "../../src/frontend/frontend.js";
import { comms } from "../../src/frontend/index.js";
import { terminal } from "../../src/frontend/terminal.js";
import { launchChromium, testChromium } from "../chromium.js";

let shown: { data: MimeBundle; metadata: Record<string, unknown> }[];
let sent: CommEvent[];
beforeEach(() => {
  shown = [];
  sent = [];
  setFrontend({ ...terminal, display: (data, metadata) => shown.push({ data, metadata }), comm: (event) => sent.push(event) });
});
afterEach(() => setFrontend(terminal));

const controls = { beta: { min: 0, max: 1, step: 0.1, value: 0.5 }, n: { min: 1, max: 9, step: 1, value: 2, title: "bars" } };
const bars = ({ beta, n }: { beta: number; n: number }) => ({
  title: `beta is ${beta}`,
  data: { values: Array.from({ length: n }, (_, i) => ({ i, beta })) },
  mark: "bar",
  encoding: { x: { field: "i", type: "ordinal" }, y: { field: "beta", type: "quantitative" } },
});
const options = { label: "fig-bars", caption: "Some bars.", alt: "Two bars." };
/** What the page has been told, newest last. */
const updates = () => sent.flatMap(({ data }) => (data as { method?: string; state?: { picture?: string } }).state ?? []);
const page = (values: object) =>
  comms.receive({ type: "comm_msg", commId: sent[0]!.commId, data: { method: "update", state: { values } }, metadata: {}, buffers: [] });
const until = async (holds: () => boolean) => {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
};

test("the picture of the first values stands beside the widget, with label, caption and alternative text", async () => {
  await sliders(controls, bars, options);
  const [{ data, metadata }] = shown as [(typeof shown)[0]];
  expect(metadata).toEqual({ label: "fig-bars", "fig-cap": "Some bars.", "fig-alt": "Two bars." });
  expect(data["application/vnd.jupyter.widget-view+json"]).toMatchObject({ model_id: sent[0]!.commId });
  expect(data["image/svg+xml"]).toContain("beta is 0.5");
  expect(data["text/plain"]).toBe("[fig-bars: beta = 0.5, n = 2]\nSome bars.\nTwo bars.");
});

test("what a reader moves is drawn, the last values of several; what no slider can say is taken back", async () => {
  const figure = await sliders(controls, bars, options);
  for (const beta of [0.6, 0.7, 0.9]) page({ beta, n: 3 });
  await until(() => figure.picture().includes("beta is 0.9"));
  expect(figure.values()).toEqual({ beta: 0.9, n: 3 });
  expect(updates().filter(({ picture }) => picture?.includes("beta is 0.7"))).toEqual([]); // skipped while 0.6 was drawn
  for (const values of [{ beta: 7, n: 3 }, { beta: "0.1", n: 3 }, { beta: 0.1 }, null]) page(values as object);
  expect(figure.values()).toEqual({ beta: 0.9, n: 3 });
});

test("a cell moves sliders too, and waits for the picture", async () => {
  const figure = await sliders(controls, bars, options);
  await figure.move({ n: 4 });
  expect(figure.values()).toEqual({ beta: 0.5, n: 4 });
  expect(updates().at(-1)).toMatchObject({ picture: figure.picture() });
  await expect(figure.move({ n: 10 })).rejects.toThrow("sliders: n is 10, which is not between 1 and 9");
  await expect(figure.move({ m: 3 } as object)).rejects.toThrow('sliders: there is no "m", only beta, n');
});

test("a wrong beginning, label or specification is named before anything is shown", async () => {
  const wrong = { beta: { ...controls.beta, value: 2 }, n: controls.n };
  await expect(sliders(wrong, bars, options)).rejects.toThrow("sliders: beta is 2, which is not between 0 and 1");
  await expect(sliders(controls, bars, { ...options, label: "bars" })).rejects.toThrow('must be "fig-"');
  await expect(sliders(controls, () => ({ mark: "bar", data: { values: [] } }))).rejects.toThrow("draws nothing");
  expect([shown, sent]).toEqual([[], []]);
});

/** What anywidget does for a module, in short: a model whose changes go to the kernel, and which hears of the kernel's. */
const frontend = (state: object) => `(async () => {
  const state = ${JSON.stringify(state)};
  const listeners = {};
  globalThis.model = {
    get: (key) => state[key],
    set: (key, value) => { state[key] = value; },
    save_changes: () => toKernel(state.values),
    on: (event, listener) => { (listeners[event] ??= []).push(listener); },
    hear(changed) { Object.assign(state, changed); for (const key in changed) listeners["change:" + key]?.forEach((f) => f()); },
  };
  const module = await import(URL.createObjectURL(new Blob([state._esm], { type: "text/javascript" })));
  document.body.append(Object.assign(document.createElement("style"), { textContent: state._css }));
  module.default.render({ model, el: document.body });
})()`;

const chromium = testChromium();
test.skipIf(!chromium)(
  "on a page of a phone's width, a moved slider reaches the kernel, and the picture comes back",
  async () => {
    const figure = await sliders(controls, bars, options);
    const browser = await launchChromium(chromium!);
    try {
      const tab = await browser.newPage();
      await tab.setViewport({ width: 390, height: 700 });
      await tab.exposeFunction("toKernel", page);
      await tab.evaluate(frontend((sent[0]!.data as { state: object }).state));
      expect(await tab.$$eval("label", (labels) => labels.map(({ textContent }) => textContent))).toEqual(["beta0.5", "bars2"]);
      await tab.focus("input");
      await tab.keyboard.press("ArrowRight");
      await until(() => figure.picture().includes("beta is 0.6"));
      await tab.evaluate(`model.hear(${JSON.stringify({ picture: figure.picture(), values: figure.values() })})`);
      expect(await tab.$eval("svg", ({ textContent }) => textContent)).toContain("beta is 0.6");
      expect(await tab.$eval("output", ({ textContent }) => textContent)).toBe("0.6");
      expect(await tab.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(390);
    } finally {
      await browser.close();
    }
  },
  60_000,
);
