import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseNotebook } from "../../reports/notebook/read.js";
import { agree, differences } from "../../reports/provenance/differences.js";
import { pythonLack } from "../programs.js";
import { code, md, notebookJSON, shown } from "./notebooks.js";

const printed = (text: string) => ({ output_type: "stream", name: "stdout", text });
const notebook = (...cells: unknown[][]) =>
  parseNotebook(notebookJSON([md("# A"), ...cells.map((outputs) => code("1", outputs))]), "nb.ipynb");

/** `cell output place: reported -> found`. */
const told = (a: unknown[], b: unknown[], tolerance = 1e-6) =>
  differences(notebook(a), notebook(b), tolerance).map(({ cell, output, place, reported, found }) => {
    expect(cell).toBe(2);
    return `${output} ${place}: ${reported} -> ${found}`;
  });

test.skipIf(pythonLack())("numbers agree as in Python's math.isclose", () => {
  const number = fc.double({ min: -1e6, max: 1e6, noNaN: true });
  const near = fc.tuple(number, fc.double({ min: -1e-3, max: 1e-3, noNaN: true })).map(([a, d]) => [a, a * (1 + d)] as const);
  const tiny = fc.tuple(fc.double({ min: -1e-8, max: 1e-8, noNaN: true }), fc.double({ min: -1e-8, max: 1e-8, noNaN: true }));
  const pairs = fc.sample(fc.tuple(fc.oneof(near, tiny), fc.constantFrom(0, 1e-9, 1e-6, 1e-4, 0.01)), 300);
  const script =
    "import json, math, sys\nprint(json.dumps([math.isclose(a, b, rel_tol=t, abs_tol=t / 1000) for (a, b), t in json.load(sys.stdin)]))";
  const { stdout } = spawnSync("python3", ["-c", script], { input: JSON.stringify(pairs), encoding: "utf8" });
  expect(pairs.map(([[a, b], t]) => agree(a, b, t))).toEqual(JSON.parse(stdout));
});

test("whichever of two numbers is the larger one decides", () => {
  expect([agree(1, 1.1, 0.1), agree(1.1, 1, 0.1), agree(1, 1.12, 0.1)]).toEqual([true, true, false]);
});

test("printed text: numbers within the tolerance, everything else exactly, whatever the pieces it came in", () => {
  expect(told([printed("loss 0.5\n"), printed("acc 12 %\n")], [printed("loss 0.50000001\nacc 12 %\n")])).toEqual([]);
  expect(told([printed("a\nloss 0.5, step 3")], [printed("a\nloss 0.6, step 4")])).toEqual([
    "printed text line 2: 0.5 -> 0.6",
    "printed text line 2: 3 -> 4",
  ]);
  expect(told([printed("loss 0.5")], [printed("loss 0.6")], 0.2)).toEqual([]);
  expect(told([printed("good 1")], [printed("bad 1")])).toEqual(["printed text : good 1 -> bad 1"]);
  expect(told([printed("−1.5e−3")], [printed("-1.5e-3")])).toEqual([]);
  expect(told([printed("R7")], [printed("R8")])).toEqual(["printed text : R7 -> R8"]); // a name, no number
  expect(told([printed("a")], [printed("a\nb")])).toEqual(["printed text line 2: nothing -> b"]);
  expect(told([printed("a\nb")], [printed("a")])).toEqual(["printed text line 2: b -> nothing"]);
  expect(told([printed("a  \nb")], [printed("a\nb")])).toEqual([]);
  const [bar, done] = ["|██░░| 1/2 [0.1s]", "|████| 2/2 [0.2s]"];
  expect(told([printed(`${bar}\n${done}\na\nb 1`)], [printed(`${done}\na\nb 2`)])).toEqual(["printed text line 4: 1 -> 2"]);
  const picture = shown({ "image/png": "AAAA" });
  expect(told([printed("a"), picture], [picture, printed("a")])).toEqual([]); // which came earlier is a matter of chance
  expect(told([printed("a")], [{ output_type: "stream", name: "stderr", text: "a" }])).toHaveLength(2);
});

test("all kinds of data of an output are compared, the drawing beside its texts too; what is told has 80 characters at most", () => {
  const data = (b: number) => shown({ "application/json": { a: 1 }, "application/vnd.x+json": { b } });
  expect(told([data(1)], [data(2)])).toEqual(["display 1 application/vnd.x+json.b: 1 -> 2"]);
  const drawn = (text: string) => shown({ "text/html": "<p>a</p>", "image/svg+xml": `<svg><text>${text}</text></svg>` });
  expect(told([drawn("a")], [drawn("b")])).toEqual([expect.stringMatching(/^display 1 image\/svg\+xml: .*a.* -> .*b/)]);
  const found = (count: number) => told([printed("x")], [printed("y".repeat(count))])[0]!.split(" -> ")[1];
  expect([found(80), found(81)]).toEqual(["y".repeat(80), `${"y".repeat(79)}…`]);
});

test.each([
  ["a duration", "done in 3.2 s, 45ms each", "done in 7 s, 1.25ms each"],
  ["a duration of two units", "after 3m05s", "after 1h02m"],
  ["a clock", "at 2026-01-02T03:04:05.678Z", "at 2027-12-31 23:59:59"],
  ["a rate", "1,234.5 tokens/s and 190 GFLOP/s", "9 tokens/s and 77.1 GFLOP/s"],
  ["a path", "saved /tmp/a/b.json", "saved ../runs/c.json"],
  ["a file's URL", "at file:///home/me/nb.ts:3", "at file:///root/you/x.ts:3"],
  ["a duration in minutes and seconds", "after 3 min 20 s", "after 2 min 5 s"],
  ["a progress bar", "|████░░| 2/4 [0.1s]\nx", "|██████| 4/4 [9.1s]\nx"],
  ["a progress bar at its beginning", "  0%|          | 0/100 [00:00<?]", " 10%|█         | 10/100 [00:01<?]"],
])("%s is left out", (_, a, b) => {
  expect(told([printed(a)], [printed(b)])).toEqual([]);
  expect(told([shown({ "text/plain": a })], [shown({ "text/plain": b })])).toEqual([]);
});

test.each([
  ["a count beside a duration", "3 rows in 2 s", "4 rows in 2 s"],
  ["a page on the web", "https://example.org/a/b", "https://example.org/a/c"],
  ["a ratio", "1/2", "1/3"],
  ["a version", "2.21.0", "2.21.1"],
  ["a minimum behind a mean", "reward: mean 0.76 min 0.70", "reward: mean 0.12 min 0.70"],
  ["a share in a table", "| refused | 76%| 60 |", "| refused | 12%| 60 |"],
  ["a number beside a sparkline", "loss ▂▃▁█ 0.41", "loss ▂▃▁█ 0.99"],
])("%s is not", (_, a, b) => {
  expect(told([printed(a)], [printed(b)])).toHaveLength(1);
});

test("figures, tables and values are compared by their data, whatever else they carry", () => {
  const figure = (loss: number, svg: string) =>
    shown(
      {
        "application/vnd.vegalite.v6+json": { mark: "line", data: { values: [{ step: 1, loss, step_seconds: Math.random() }] } },
        "application/vnd.vegalite.v5+json": { mark: "line", data: { values: [{ step: 1, loss }] } },
        "image/svg+xml": svg,
        "text/plain": svg,
      },
      { label: "fig-loss" },
    );
  expect(told([figure(0.5, "<svg/>")], [figure(0.5 + 1e-9, "<svg><g/></svg>")])).toEqual([]);
  expect(told([figure(0.5, "")], [figure(0.75, "")])).toEqual(["fig-loss data.values[0].loss: 0.5 -> 0.75"]);
  const table = (rows: object[]) =>
    shown({ "application/vnd.dataresource+json": { data: rows }, "text/html": String(Math.random()) }, { label: "tbl-a" });
  expect(told([table([{ a: 1, "latency (s)": 2 }])], [table([{ a: 1, "latency (s)": 3 }])])).toEqual([]);
  expect(told([table([{ a: 1, seconds: 2 }])], [table([{ a: 1 }])])).toEqual(["tbl-a data[0].seconds: 2 -> nothing"]);
  const named = (loss: number) => shown({ "application/json": { loss } }, { label: "fig-latency" });
  expect(told([named(1)], [named(2)])).toEqual(["fig-latency loss: 1 -> 2"]); // of a value the name alone tells that a clock decides
  const both = (png: string) => shown({ "image/png": png, "text/html": "<p>x</p>", "text/plain": "x" });
  expect(told([both("AAAA")], [both("BBBB")])).toEqual([]);
  const [long] = told([shown({ "text/plain": `a${"é".repeat(99)}` })], [shown({ "text/plain": "b" })]);
  expect(long).toBe(`display 1 text/plain: a${"é".repeat(78)}… -> b`);
  expect(told([table([{ a: 1 }])], [table([{ a: 2 }])])).toEqual(["tbl-a data[0].a: 1 -> 2"]);
  expect(told([table([{ a: 1 }])], [table([{ a: 1 }, { a: 2 }])])).toEqual(["tbl-a data: 1 items -> 2 items"]);
  const value = (label: string, x: number | null) => shown({ "application/json": x, "text/plain": `${label} = ${x}` }, { label });
  expect(told([value("val-a", 0.1)], [value("val-a", 0.2)])).toEqual(["val-a value: 0.1 -> 0.2"]);
  expect(told([value("val-a", 0.1)], [value("val-a", null)])).toEqual(["val-a value: 0.1 -> null"]);
  expect(told([value("val-latency-3", 0.1)], [value("val-latency-3", 0.2)])).toEqual([]);
  expect(told([value("val-a", 1)], [value("val-b", 1)])).toEqual(["val-a : val-a -> val-b"]);
});

test("other outputs: texts by all their forms, pictures without data by their bytes, errors by what they say", () => {
  expect(told([shown({ "text/html": "<b>1</b>", "text/plain": "x" })], [shown({ "text/html": "<b>2</b>", "text/plain": "x" })])).toEqual([
    "display 1 text/html: 1 -> 2",
  ]);
  const picture = (png: string) => shown({ "image/png": png, "text/plain": "<png>" });
  expect(told([picture("AAAA")], [picture("AAAB")])).toEqual(["display 1 image/png: AAAA -> AAAB"]);
  const error = (message: string) => ({ output_type: "error", ename: "TypeError", evalue: message, traceback: [String(Math.random())] });
  expect(told([error("a")], [error("a")])).toEqual([]);
  expect(told([error("a")], [error("b")])).toEqual(["error : TypeError: a -> TypeError: b"]);
  expect(told([printed("a"), picture("AAAA")], [printed("a")])).toEqual(["display 1 : display 1 -> nothing"]);
});

test("any outputs are the same as themselves, and a changed number is always told", () => {
  const json = fc.jsonValue({ maxDepth: 3 });
  fc.assert(
    fc.property(json, fc.string(), (value, text) => {
      const outputs = [printed(text), shown({ "application/json": value }), shown({ "text/plain": text })];
      expect(told(outputs, outputs, 0)).toEqual([]);
    }),
  );
  const number = fc.double({ min: -1e9, max: 1e9, noNaN: true });
  fc.assert(
    fc.property(fc.array(number, { minLength: 1 }), fc.nat(), number, (values, at, other) => {
      const i = at % values.length;
      fc.pre(!agree(values[i]!, other, 1e-6));
      const shows = (data: number[]) => [shown({ "application/json": { data } })];
      expect(told(shows(values), shows(values.with(i, other)))).toEqual([
        `display 1 data[${i}]: ${JSON.stringify(values[i])} -> ${JSON.stringify(other)}`,
      ]);
    }),
  );
});

test("what only one of the runs has is told, and what stands beside a figure or a table", () => {
  const [one, two] = [shown({ "application/json": { a: 1 } }), shown({ "application/json": { a: 1, b: 2 } })];
  expect(told([one], [two])).toEqual(["display 1 b: nothing -> 2"]);
  expect(told([two], [one])).toEqual(["display 1 b: 2 -> nothing"]);
  for (const name of ["fig-cap", "tbl-cap", "fig-alt"]) {
    const beside = (text: string) => [shown({ "application/json": { a: 1 } }, { [name]: text })];
    expect(told(beside("a"), beside("b"))).toEqual([expect.stringMatching(/^display 1 (?:figure|table|alt): a -> b$/)]);
  }
  const ended = (loss: number) => [shown({ "text/plain": `|██░░| 1/2\nloss ${loss}` })];
  expect(told(ended(1), ended(2))).toEqual(["display 1 text/plain: 1 -> 2"]);
});

test("cells that one of the runs did not reach are left out", () => {
  const unreached = notebook([printed("a")], []);
  unreached.cells[2] = { ...unreached.cells[2]!, execution_count: null } as (typeof unreached.cells)[number];
  const whole = notebook([printed("a")], [printed("b")]);
  expect(differences(whole, unreached, 0)).toEqual([]);
  expect(differences(unreached, whole, 0)).toEqual([]);
  const uncounted = notebook([printed("a")], [printed("c")]);
  for (const cell of uncounted.cells) if (cell.cell_type === "code") cell.execution_count = null; // as some programs save it
  expect(differences(uncounted, whole, 0)).toMatchObject([{ cell: 3, reported: "c", found: "b" }]);
});
