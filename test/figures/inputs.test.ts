import { expect, test } from "vitest";
import { checkDrawn } from "../../src/figures/check.js";
import {
  figure,
  intervalCurves,
  intervals,
  lengthDistribution,
  table,
  tokenStrips,
  trainingCurves,
  viewer,
} from "../../src/figures/index.js";
import type { VegaLiteSpec } from "../../src/figures/spec.js";

/** What figures and tables say of data that they cannot show. */

const wilsons = [{ suite: "a", stage: "b", rate: 0.5, low: 0.4, high: 0.6 }];

test("a column that no row has is named, since whiskers alone would be drawn", () => {
  const missing = 'no row has the column "estimate"; the first has suite, stage, rate, low, high';
  expect(() => intervals({ group: "suite", series: "stage" }, { rows: wilsons })).toThrow(`intervals: ${missing}`);
  expect(() => intervalCurves({ x: "rate", series: "stage", facet: "suite" }, { rows: wilsons })).toThrow(`intervalCurves: ${missing}`);
  expect(() => lengthDistribution({ length: "tokens", series: "stage" }, { rows: wilsons })).toThrow('no row has the column "tokens"');
  expect(intervals({ group: "suite", series: "stage", estimate: "rate" }, { rows: wilsons })).toBeDefined();
  expect(intervals({ group: "suite", series: "stage" })).toBeDefined();
});

test("a place that is null, empty or a truth value is none", () => {
  const rows = [null, "", true, undefined, Number.NaN, "0.25", 0].map((x) => ({
    x,
    series: "a",
    facet: "b",
    estimate: 0.5,
    low: 0,
    high: 1,
  }));
  const { data } = intervalCurves({ x: "x", series: "series", facet: "facet" }, { rows });
  expect(data!.values.map((row) => (row as { x: unknown }).x)).toEqual(["0.25", 0]);
});

test("numbers of bins that Vega cannot make", () => {
  for (const bins of [1, 0, -3, 2.5])
    expect(() => lengthDistribution({ length: "rate", series: "stage" }, { rows: wilsons, bins })).toThrow(
      `bins must be a whole number >= 2, got ${bins}`,
    );
});

test("a metric or a step that no row has is named, not a field that the figure makes itself", () => {
  const reason = (spec: VegaLiteSpec) => expect(() => checkDrawn(spec, 0));
  reason(trainingCurves(["rewards/margin"], { rows: [{ step: 1, loss: 1 }] })).toThrow('no row has the field "rewards/margin" of a fold');
  reason(trainingCurves(["loss"], { rows: [{ epoch: 1, loss: 1 }] })).toThrow('no row has the field "step" of layer[1].encoding.x');
  reason(trainingCurves(["loss"], { rows: [{ step: 1, loss: Number.NaN }] })).toThrow("none of the 1 rows comes to a mark");
});

test("tokens whose number has no shade, or that have no title", () => {
  const strip = { name: "policy", tokens: ["a", "b"], values: [0, Number.NaN] };
  expect(() => tokenStrips([strip], { title: "nats" })).toThrow('token strip "policy": value 1 is NaN, which has no shade');
  const turn = { ...strip, heading: "", thought: null, thoughtTokens: 0, titles: ["x", "y"] };
  const view = (more: object) => viewer({ question: "q", reference: "base", turns: [{ ...turn, ...more }] });
  expect(() => view({})).toThrow("value 1 is NaN");
  expect(() => view({ values: [0, 1], titles: ["x"] })).toThrow('viewer: "policy" has 2 tokens, 1 titles');
});

test("tables that lose a column or have a row of another kind", () => {
  expect(() => table({ columns: ["a", "a"], values: [[1, 2]] })).toThrow('table: two columns are called "a"');
  expect(() => table({ columns: ["a", "b"], values: [[1]] })).toThrow("table: row 0 has 1 values for 2 columns");
  expect(() => table([1, 2] as unknown as object[])).toThrow("table: row 0 is 1, no object of columns");
  expect(() => table([{ a: 1 }, null] as unknown as object[])).toThrow("table: row 1 is null");
  expect(() => table(null as unknown as object[])).toThrow("table: needs a danfo DataFrame or an array of objects");
});

test("rows of a figure are an array, and as many as one likes", async () => {
  const spec = { mark: "point", encoding: { x: { field: "a", type: "quantitative" } } };
  expect(() => figure({ ...spec, data: { values: { a: 1 } as unknown as object[] } })).toThrow(
    "figure: data.values must be an array of rows",
  );
  const shown = figure({ ...spec, mark: "no mark", data: { values: [] } }); // not drawn, which would take a while
  expect(() => shown.push(new Array(200_000).fill({ a: 1 }))).not.toThrow(); // more than a call has arguments
  await expect(shown.done()).rejects.toThrow("mark");
});
