import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { writeFigure } from "../../reports/figure.js";
import { csv, tableCSV, tableTeX } from "../../reports/table.js";
import { register } from "../../src/cli/figure.js";
import { captioned } from "../../src/figures/captioned.js";
import { intervals, lengthDistribution, table, trainingCurves } from "../../src/figures/index.js";
import { render, themed } from "../../src/figures/render.js";
import { renderAt, scaledTo, sizeOf } from "../../src/figures/resize.js";
import type { VegaLiteSpec } from "../../src/figures/spec.js";
import { setFrontend } from "../../src/frontend/frontend.js";
import { terminal } from "../../src/frontend/terminal.js";
import { popplerLack } from "../programs.js";
import { code, shown, writeNotebook } from "./notebooks.js";

const folder = () => mkdtempSync(join(tmpdir(), "erpo-test-"));
const popplerTest = test.skipIf(popplerLack());

const steps = Array.from({ length: 60 }, (_, i) => ({
  step: i + 1,
  "rewards/margins": i / 30,
  "rewards/chosen": -i / 90,
  loss: Math.exp(-i / 20),
}));
const rates = ["Harmful prompts", "Look-alikes"].flatMap((suite) =>
  ["base", "stage 1", "stage 2", "stage 3"].map((stage, i) => ({
    suite,
    stage,
    estimate: 0.2 + i / 8,
    low: 0.1 + i / 8,
    high: 0.3 + i / 8,
  })),
);
const lengths = ["stage 1", "stage 2"].flatMap((stage, s) =>
  Array.from({ length: 50 }, (_, i) => ({ stage, tokens: 40 + s * 10 + ((i * 37) % 30) })),
);

const specs: Record<string, VegaLiteSpec> = {
  "fig-curve": trainingCurves(["loss"], { rows: steps }),
  "fig-curves": trainingCurves(["rewards/margins", "rewards/chosen", "loss"], { rows: steps }),
  "fig-rates": intervals({ group: "suite", series: "stage" }, { rows: rates, percent: true }),
  "fig-lengths": lengthDistribution({ length: "tokens", series: "stage" }, { rows: lengths }),
  "fig-bars": {
    data: { values: rates },
    mark: "bar",
    encoding: { x: { field: "stage", type: "nominal" }, y: { field: "estimate", type: "quantitative" } },
  },
  "fig-beside": {
    data: { values: steps },
    hconcat: ["loss", "step"].map((field) => ({
      width: 200,
      mark: "line",
      encoding: { x: { field: "step", type: "quantitative" }, y: { field, type: "quantitative" } },
    })),
  },
};

let notebook: string;
beforeAll(async () => {
  const cells = await Promise.all(
    Object.entries(specs).map(async ([label, spec]) => {
      const full = themed(spec);
      return code("1", [
        shown(
          {
            "application/vnd.vegalite.v5+json": captioned(full, label, "A caption."), // before v6, as in what Jupyter saves
            "application/vnd.vegalite.v6+json": full,
            "image/svg+xml": (await render(full)).svg,
          },
          { label, "fig-alt": "It shows @val-rate." },
        ),
      ]);
    }),
  );
  const drawing =
    '<svg xmlns="http://www.w3.org/2000/svg" width="100" height="50"><script>alert(1)</script><rect width="100" height="50" onclick="x()"/></svg>';
  const rate = code("1", [shown({ "application/json": 0.12 }, { label: "val-rate", text: "12%" })]);
  notebook = writeNotebook(
    [
      rate,
      ...cells,
      code("1", [shown({ "image/svg+xml": drawing }, { label: "fig-drawing" })]),
      code("1", [shown({ "image/png": "iVBORw0KGgo=" }, { label: "fig-bitmap" })]),
    ],
    "paper.ipynb",
  );
});

const inches = (x: number) => x * 96;

test.each(Object.keys(specs))("%s is drawn at 3.25 and 7 inches, with text in its own size", async (label) => {
  for (const width of [inches(3.25), inches(7)]) {
    const svg = await renderAt(themed(specs[label]!), width);
    expect(svg).toMatch(new RegExp(`^<svg width="${width}" `));
    expect(Math.abs(sizeOf(svg).width - width)).toBeLessThanOrEqual(1); // else the picture is scaled, text included
    expect(svg).toContain("<text");
    expect(svg).not.toContain(`opacity="0"`); // labels that would overlap others are left out
  }
});

test("JupyterLab's caption within the picture is not in a figure for a paper", async () => {
  const [file] = await writeFigure(`${notebook}#fig-bars`, { to: ["svg"], width: inches(3.25), output: folder() });
  expect(readFileSync(file!, "utf8")).not.toContain("@fig-bars");
});

popplerTest("at 3.25 inches the PDF is 234 pt wide, its fonts are embedded and its text can be read", async () => {
  const output = folder();
  const files = await writeFigure(`${notebook}#fig-rates`, { to: ["pdf", "svg", "png"], width: inches(3.25), output });
  expect(files).toEqual(["pdf", "svg", "png"].map((format) => join(output, `fig-rates.${format}`)));
  const [pdf, svg, png] = files as [string, string, string];
  const poppler = (program: string, ...args: string[]) => execFileSync(program, args, { encoding: "utf8" });
  expect(poppler("pdfinfo", pdf)).toMatch(/Pages: +1\n[\s\S]*Page size: +234 x /);
  const fonts = poppler("pdffonts", pdf).trim().split("\n").slice(2);
  expect(fonts.length).toBeGreaterThan(0);
  for (const font of fonts) expect(font).toMatch(/Arimo.* yes +yes +yes +\d+ +\d+$/); // embedded, a subset, with the characters' meaning
  for (const text of ["Harmful prompts", "Look-alikes", "stage 3", "estimate"])
    expect(poppler("pdftotext", "-layout", pdf, "-")).toContain(text);
  expect(poppler("pdfimages", "-list", pdf).trim().split("\n")).toHaveLength(2); // no bitmaps
  expect(readFileSync(svg, "utf8")).toMatch(
    /^<svg width="312" height="[\d.]+" role="img" aria-label="It shows 12%\." .*<text[^>]*>estimate<\/text>/s,
  );
  const bytes = readFileSync(png);
  expect(bytes.readUInt32BE(16)).toBe(975); // 3.25 in x 300 dpi
  const density = bytes.indexOf("pHYs") + 4;
  expect([bytes.readUInt32BE(density), bytes[density + 8]]).toEqual([11811, 1]); // 300 / 0.0254 m
});

test("the same specification gives the same bytes", async () => {
  const hashes = [];
  for (const output of [folder(), folder()]) {
    await writeFigure(`${notebook}#fig-curves`, { to: ["pdf", "svg", "png"], width: 400, output });
    hashes.push(
      readdirSync(output).map((name) =>
        createHash("sha256")
          .update(readFileSync(join(output, name)))
          .digest("hex"),
      ),
    );
  }
  expect(hashes[1]).toEqual(hashes[0]);
});

test("without a width a figure has its own; a picture without specification is scaled, without its scripts", async () => {
  const output = folder();
  await writeFigure(`${notebook}#fig-curve`, { to: ["svg"], output });
  expect(sizeOf(readFileSync(join(output, "fig-curve.svg"), "utf8"))).toEqual(sizeOf((await render(themed(specs["fig-curve"]!))).svg));
  await writeFigure(`${notebook}#fig-drawing`, { to: ["svg"], width: 300, output });
  expect(readFileSync(join(output, "fig-drawing.svg"), "utf8")).toBe(
    '<svg width="300" height="150" viewBox="0 0 100 50" xmlns="http://www.w3.org/2000/svg"><rect width="100" height="50"></rect></svg>\n',
  );
});

test("what cannot be written is told in one line, with the labels that there are", async () => {
  const write = (place: string) => writeFigure(place, { to: ["svg"], output: folder() });
  const labels = "fig-curve, fig-curves, fig-rates, fig-lengths, fig-bars, fig-beside, fig-drawing, fig-bitmap";
  await expect(write(`${notebook}#fig-x`)).rejects.toThrow(`paper.ipynb: no figure or table fig-x; there is: ${labels}`);
  await expect(write(`${notebook}#../../etc/passwd`)).rejects.toThrow("paper.ipynb: no figure or table ../../etc/passwd; there is:");
  await expect(write(notebook)).rejects.toThrow(`paper.ipynb: name a figure or table, paper.ipynb#LABEL; there is: ${labels}`);
  await expect(write(`${notebook}#fig-bitmap`)).rejects.toThrow(
    "paper.ipynb: fig-bitmap is a bitmap, which cannot be redrawn; show it as SVG or Vega-Lite",
  );
  await expect(write(`${writeNotebook([code("1")], "new.ipynb")}#fig-x`)).rejects.toThrow(
    "new.ipynb: has not been run; run it with `erpo execute`",
  );
  await expect(write("/nowhere.ipynb#fig-x")).rejects.toThrow("/nowhere.ipynb: no such file");
});

test("a width is refused where there is none to give", async () => {
  const path = writeNotebook([code("1", [displayed([{ a: 1 }])])], "t.ipynb");
  await expect(writeFigure(`${path}#tbl-rates`, { width: 300, output: folder() })).rejects.toThrow(
    "t.ipynb: tbl-rates as tex has no width; leave --width out",
  );
  const csv = writeFigure(`${notebook}#fig-bars`, { to: ["csv"], width: 300, output: folder() });
  await expect(csv).rejects.toThrow("paper.ipynb: fig-bars as csv has no width; leave --width out");
});

const displayed = (rows: object[]): unknown => {
  const outputs: unknown[] = [];
  setFrontend({ ...terminal, display: (data, metadata) => outputs.push(shown(data as never, metadata as never)) });
  table(rows, { label: "tbl-rates", caption: "Rates of *stages*, 100% & more." });
  setFrontend(terminal);
  return outputs[0];
};

test("a table is LaTeX as it is shown, and CSV with all digits", async () => {
  const rows = [
    { stage: '1, "first"', rate: 1 / 3, n: 30 },
    { stage: "2_b", rate: -0.25, n: 1200 },
    { stage: "3", rate: null, n: 5 },
  ];
  const notebook = writeNotebook([code("1", [displayed(rows)])], "nb.ipynb");
  const output = folder();
  const files = await writeFigure(`${notebook}#tbl-rates`, { to: ["tex", "csv"], output });
  expect(files).toEqual(["tex", "csv"].map((format) => join(output, `tbl-rates.${format}`)));
  const [tex, csv] = files.map((file) => readFileSync(file, "utf8"));
  expect(csv).toBe('stage,rate,n\r\n"1, ""first""",0.3333333333333333,30\r\n2_b,-0.25,1200\r\n3,,5\r\n');
  expect(tex!.split("\n").slice(1)).toEqual([
    "% Rates of stages, 100\\% \\& more.",
    "\\begin{tabular}{@{}lrr@{}}",
    "\\toprule",
    "stage & rate & n \\\\",
    "\\midrule",
    "1, \\textquotedbl{}first\\textquotedbl{} & 0.333 & 30 \\\\",
    "2\\_b & \\ensuremath{-}0.250 & 1200 \\\\",
    "3 & – & 5 \\\\",
    "\\bottomrule",
    "\\end{tabular}",
    "",
  ]);
  expect(await writeFigure(`${notebook}#tbl-rates`, { output: folder() })).toEqual([expect.stringMatching(/tbl-rates\.tex$/)]);
  await expect(writeFigure(`${notebook}#tbl-rates`, { to: ["csv", "pdf"], output })).rejects.toThrow(
    "nb.ipynb: tbl-rates is a table, not written as pdf; there is: tex, csv",
  );
});

test("another kernel's table is CSV as it is shown; a figure's rows are CSV with all digits", async () => {
  const pandas = "<table><tr><th></th><th>a</th></tr><tr><th>0</th><td>1.50</td></tr></table>";
  const other = writeNotebook([code("1", [shown({ "text/html": pandas }, { label: "tbl-a" })])]);
  const output = folder();
  const [file] = await writeFigure(`${other}#tbl-a`, { to: ["csv"], output });
  expect(readFileSync(file!, "utf8")).toBe(",a\r\n0,1.50\r\n");
  const [curve] = await writeFigure(`${notebook}#fig-curve`, { to: ["csv"], output });
  expect(readFileSync(curve!, "utf8").split("\r\n").slice(0, 2)).toEqual([
    "step,rewards/margins,rewards/chosen,loss",
    `1,0,0,${steps[0]!.loss}`,
  ]);
});

test("in CSV, what stands below each other is of one column, whatever cells span; what has parts is JSON", () => {
  const head = '<tr><th rowspan="2">suite</th><th colspan="2">rate</th></tr><tr><th>mean</th><th>sd</th></tr>';
  const html = `<table>${head}<tr><td>a</td><td>1</td><td>2</td></tr><tr><td>b</td></tr></table>`;
  expect(tableCSV({ kind: "table", cell: 1, html })).toBe("suite,rate,\r\n,mean,sd\r\na,1,2\r\nb,,\r\n");
  expect(csv([{ a: "x\ry", b: null }, { a: { c: [1] } }])).toBe('a,b\r\n"x\ry",\r\n"{""c"":[1]}",\r\n');
});

test("a table with characters that LaTeX's fonts lack brings what prints them, another one does not", () => {
  const tex = (cell: string) => tableTeX({ kind: "table", cell: 1, html: `<table><tr><td>${cell}</td></tr></table>` }, "nb.ipynb");
  expect(tex("漢")).toContain("\\providecommand{\\missing}");
  expect(tex("a")).not.toContain("missing");
});

test("a picture of absurd size is refused", async () => {
  for (const size of ['width="1e9" height="9"', 'width="99999999" height="9"', 'width="9" height="99999"', 'width="0" height="9"', ""]) {
    const notebook = writeNotebook([code("1", [shown({ "image/svg+xml": `<svg ${size}/>` }, { label: "fig-a" })])], "a.ipynb");
    await expect(writeFigure(`${notebook}#fig-a`, { to: ["png"], output: folder() })).rejects.toThrow(
      "a.ipynb: fig-a is no SVG of a usual size",
    );
  }
});

test("labels of a stranger's notebook are no paths", async () => {
  const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>';
  for (const label of ["fig-../../x", "fig-a/b", "../fig-a", "/tmp/x", "fig-a\0"]) {
    const output = folder();
    const stranger = writeNotebook([code("1", [shown({ "image/svg+xml": svg }, { label })])]);
    await expect(writeFigure(`${stranger}#${label}`, { to: ["svg"], output })).rejects.toThrow("no figure or table has a label");
    expect(readdirSync(output)).toEqual([]);
  }
});

test("a scaled picture keeps its proportions", () => {
  const size = fc.integer({ min: 1, max: 3000 });
  fc.assert(
    fc.property(size, size, size, (width, height, wanted) => {
      const svg = scaledTo(`<svg width="${width}" height="${height}"></svg>`, wanted);
      const [, w, h] = /^<svg width="([\d.]+)" height="([\d.]+)"/.exec(svg)!.map(Number);
      expect(w).toBe(wanted);
      expect(Math.abs(h! - (height * wanted) / width)).toBeLessThan(0.006);
      expect(sizeOf(svg)).toEqual({ width, height });
    }),
  );
});

test.each([
  ["3.25in", 312],
  ["8.255cm", 312],
  ["82.55mm", 312],
  ["234pt", 312],
  ["312px", 312],
  ["100", undefined],
  ["-3in", undefined],
  ["3 miles", undefined],
  ["0in", undefined],
  ["200cm", undefined],
  ["1e3in", undefined],
])("--width %s", async (text, expected) => {
  const program = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  register(program);
  const command = program.commands[0]!;
  let given: number | undefined;
  command.action((_, options) => {
    given = options.width;
  });
  const parsing = program.parseAsync(["figure", "nb.ipynb#fig-a", "--width", text], { from: "user" });
  if (expected === undefined) await expect(parsing).rejects.toThrow(/between 1cm and 100cm with its unit/);
  else {
    await parsing;
    expect(given).toBeCloseTo(expected, 9);
  }
});
