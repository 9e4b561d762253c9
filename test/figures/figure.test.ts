import { mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { figure, table, trainingCurves, value } from "../../src/figures/index.js";
import { type Frontend, type MimeBundle, setFrontend } from "../../src/frontend/frontend.js";
import { ownDisplay } from "../../src/frontend/shown.js";
import { terminal } from "../../src/frontend/terminal.js";

interface Shown {
  data: MimeBundle;
  metadata: Record<string, unknown>;
  id: string;
  update: boolean;
}
let shown: Shown[];
let pending: Promise<unknown>[];

beforeEach(() => {
  shown = [];
  pending = [];
  const frontend: Frontend = {
    ...terminal,
    display: (data, metadata, id, update) => shown.push({ data, metadata, id, update }),
    format(item) {
      const own = ownDisplay(item);
      if (own instanceof Promise) pending.push(own);
      return own as never;
    },
  };
  setFrontend(frontend);
});
afterEach(() => setFrontend(terminal));

const options = { label: "fig-loss", caption: "The loss.", alt: "A falling line." };

test("a figure is shown at once and drawn before the cell may end", async () => {
  figure(trainingCurves(["loss"], { rows: [{ step: 1, loss: 1 }] }), options);
  expect(shown).toHaveLength(1);
  expect(shown[0]!.data).toEqual({ "text/plain": "[fig-loss: 1 rows]\nThe loss.\nA falling line." });
  expect(pending).toHaveLength(1); // what a kernel awaits
  await Promise.all(pending);
  const { data, metadata, id, update } = shown.at(-1)!;
  expect(update).toBe(true);
  expect(id).toBe(shown[0]!.id);
  expect(metadata).toEqual({ label: "fig-loss", "fig-cap": "The loss.", "fig-alt": "A falling line." });
  expect(Object.keys(data)).toEqual([
    "application/vnd.vegalite.v6+json",
    "application/vnd.vegalite.v5+json",
    "image/svg+xml",
    "image/png",
    "text/plain",
  ]);
  const lab = data["application/vnd.vegalite.v5+json"] as { $schema: string; title: { text: string[] } };
  expect(lab.$schema).toContain("/v5.json");
  expect(lab.title.text).toEqual(["@fig-loss: The loss."]); // JupyterLab shows no other caption, the page its own
  expect(data["application/vnd.vegalite.v6+json"]).not.toHaveProperty("title");
  expect(data["image/svg+xml"]).not.toContain("@fig-loss");
});

test("rows that are pushed while the figure is drawn without any are drawn next", async () => {
  await figure(trainingCurves(["loss"]), options).done(); // loads the engine
  const growing = figure(trainingCurves(["loss"]), options);
  await new Promise(setImmediate); // it is being drawn
  growing.push({ step: 1, loss: 1 });
  await growing.done();
  expect(shown.at(-1)!.data["text/plain"]).toContain("[fig-loss: 1 rows]");
});

test("what is pushed while a state is drawn that cannot be drawn is drawn next", async () => {
  const encoding = { x: { field: "step", type: "quantitative" }, y: { field: "loss", type: "quantitative" } };
  const valid = { mark: "point", transform: [{ filter: "isValid(datum.loss)" }], encoding };
  for (let turns = 1; turns <= 3; turns++) {
    const growing = figure(valid, options);
    growing.push({ step: 1 });
    for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
    growing.push({ step: 2, loss: 1 });
    await growing.done();
    expect(shown.at(-1)!.data["text/plain"]).toContain("[fig-loss: 2 rows]");
  }
});

test("pushes redraw in place, few times, and the last state always", async () => {
  const growing = figure(trainingCurves(["loss"]), options);
  for (let step = 1; step <= 50; step++) {
    growing.push(step % 2 ? { step, loss: 1 / step } : [{ step, loss: 1 / step }]);
    if (step % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await growing.done();
  const last = shown.at(-1)!.data["application/vnd.vegalite.v6+json"] as { data: { values: unknown[] } };
  expect(last.data.values).toHaveLength(50);
  expect(shown.length).toBeLessThan(6);
});

test("without done(), what the cell waits for ends with the last state", async () => {
  const growing = figure(trainingCurves(["loss"]), options);
  growing.push({ step: 1, loss: 1 });
  await Promise.all(pending);
  growing.push({ step: 2, loss: 0.5 });
  await Promise.all(pending);
  const last = shown.at(-1)!.data["application/vnd.vegalite.v6+json"] as { data: { values: unknown[] } };
  expect(last.data.values).toHaveLength(2);
});

test("a wrong specification is told by done() and stands in the figure's place", async () => {
  const wrong = figure({ data: { url: "/etc/passwd" } as never, mark: "bar" });
  await expect(wrong.done()).rejects.toThrow("is not loaded");
  expect(shown.at(-1)!.data["text/plain"]).toContain("FigureError");
});

test("a figure saves its last state as the file's ending says, or says what it can be saved as", async () => {
  const folder = mkdtempSync(join(tmpdir(), "erpo-test-"));
  const growing = figure(trainingCurves(["loss"]), options);
  for (let step = 1; step <= 7; step++) growing.push({ step, loss: 1 / step });
  for (const name of ["a.pdf", "a.svg", "sub/a.png"]) await growing.save(join(folder, name));
  const read = (name: string) => readFileSync(join(folder, name));
  expect(read("a.pdf").subarray(0, 5).toString()).toBe("%PDF-");
  expect(read("a.svg").toString()).toBe(`${shown.at(-1)!.data["image/svg+xml"]}\n`);
  expect(read("sub/a.png").subarray(1, 4).toString()).toBe("PNG");
  await expect(growing.save(join(folder, "a.jpg"))).rejects.toThrow(
    /^figure: cannot be saved as .*a\.jpg; it is written as \.pdf, \.svg, \.png$/,
  );
  await expect(figure({ mark: "none" } as never, options).save(join(folder, "b.pdf"))).rejects.toThrow("figure: mark is");
  expect(readdirSync(folder).sort()).toEqual(["a.pdf", "a.svg", "sub"]);
});

test("a table's bigints are numbers in its data, and texts where a number cannot hold them", async () => {
  table([{ count: 1n }, { count: 2n ** 60n }]);
  await Promise.all(pending);
  const { data } = shown.at(-1)!.data["application/vnd.dataresource+json"] as { data: object[] };
  expect(data).toEqual([{ count: 1 }, { count: "1152921504606846976" }]);
});

test("as a cell's value a figure adds nothing", async () => {
  const made = figure(trainingCurves(["loss"]));
  expect(ownDisplay(made)).toEqual({ data: {}, metadata: {} });
  await made.done(); // else it is shown in the next test file
});

test("labels are checked", () => {
  expect(() => figure(trainingCurves(["loss"]), { label: "loss" })).toThrow('label "loss": must be "fig-"');
  expect(() => value("asr", 1)).toThrow('must be "val-"');
});

test("a named number keeps its full value and a short text", () => {
  value("val-asr-3", 0.123456);
  expect(shown[0]!.data).toEqual({ "application/json": 0.123456, "text/plain": "val-asr-3 = 0.123" });
  expect(shown[0]!.metadata).toEqual({ label: "val-asr-3", text: "0.123" });
});

test("a named number is written with the decimals that were asked for, or as percent", () => {
  const text = (...args: Parameters<typeof value>) => {
    value(...args);
    return shown.at(-1)!.metadata.text;
  };
  expect(text("val-a", 0.07, { percent: true })).toBe("7.0%");
  expect(text("val-a", 0.12345, { percent: true, digits: 2 })).toBe("12.35%"); // 12.345 is a little more in binary
  expect(text("val-a", 1, { percent: true, digits: 0 })).toBe("100%");
  expect(text("val-a", -0.5, { digits: 2 })).toBe("−0.50");
  expect(text("val-a", 1234.5678, { digits: 0 })).toBe("1235");
  expect(text("val-a", Number.NaN, { percent: true })).toBe("–");
  expect(text("val-a", "words", { digits: 2 })).toBe("words");
  expect(shown.at(-1)!.data["application/json"]).toBe("words");
  for (const digits of [-1, 21, 0.5])
    expect(() => value("val-a", 1, { digits })).toThrow("value val-a: digits must be a whole number from 0 to 20");
});
