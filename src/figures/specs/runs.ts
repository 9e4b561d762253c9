import type { Shows } from "../describe.js";
import { wrappedLegend } from "../legend.js";
import type { Row, VegaLiteSpec } from "../spec.js";
import { INK, palette } from "../theme.js";
import { MARKED_STEPS } from "./training-curves.js";

/** The runs of a comparison: their names in order, of which the first is what the others are compared with. */
export interface RunsOptions {
  runs: readonly string[];
  /** A number for each run, such as the parameter that a sweep varies: many runs are coloured by it. */
  shade?: { title: string; values: readonly number[] };
}

/** Up to as many runs as there are colours each have their own; more are told apart by shade or not at all. */
const few = palette.length;

const header = { labelAlign: "left", labelAnchor: "start", labelPadding: 4 };

/**
 * Metrics over the steps of several runs, a small picture per metric, a line per run. Up to six runs have a colour and a dash each, and few steps a mark each. Of more,
 * the first is a thick line in the colour of text, the others are thin, coloured by `shade` where there is one; else the ones
 * that end highest and lowest are named.
 *
 * @param metrics their names, in order
 * @param rows `{ run, metric, step, value }`, each run's in order of steps
 */
export function runCurves(
  metrics: readonly string[],
  rows: readonly { run: string; metric: string; step: number; value: number }[],
  { runs, shade }: RunsOptions,
): VegaLiteSpec {
  const shadeOf = new Map(runs.map((run, i) => [run, shade?.values[i]]));
  const many = runs.length > few;
  const ends = many && !shade ? endsOf(rows, runs[0]!) : new Map<object, string>();
  const key = { field: "run", type: "nominal", title: null, sort: [...runs] };
  const legend = { symbolType: "stroke", symbolSize: 300, ...wrappedLegend(runs, 180) };
  const lines = { mark: { type: "line", interpolate: "linear" } };
  const layers = many
    ? [
        {
          transform: [{ filter: { field: "run", oneOf: runs.slice(1) } }],
          mark: { type: "line", strokeWidth: 1.2, strokeOpacity: 0.75 },
          encoding: {
            detail: key,
            ...(shade
              ? { color: { field: "shade", type: "quantitative", title: shade.title, scale: { range: [palette[0], palette[1]] } } }
              : { color: { value: palette[0] } }),
          },
        },
        { transform: [{ filter: { field: "run", equal: runs[0] } }], mark: { type: "line", strokeWidth: 3, color: INK } },
        nameLayer("highest", -8),
        nameLayer("lowest", 10),
      ]
    : [
        { ...lines, encoding: { color: { ...key, legend }, strokeDash: { ...key, legend } } },
        {
          transform: [
            { joinaggregate: [{ op: "count", as: "steps" }], groupby: ["run", "metric"] },
            { filter: `datum.steps <= ${MARKED_STEPS}` },
          ],
          mark: { type: "point", filled: true, size: 14, opacity: 1 },
          encoding: { color: { ...key, legend } },
        },
      ];
  return {
    data: { values: rows.map((row) => ({ ...row, shade: shadeOf.get(row.run) ?? null, end: ends.get(row) ?? null })) },
    facet: { field: "metric", type: "nominal", title: null, sort: [...metrics], header },
    columns: 2,
    spacing: { row: 24, column: 16 },
    spec: {
      width: 185,
      height: 130,
      encoding: {
        x: { field: "step", type: "quantitative", title: "step", axis: { tickMinStep: 1, format: "~s" }, scale: { nice: false } },
        y: { field: "value", type: "quantitative", title: null, scale: { zero: false } },
      },
      layer: layers,
    },
    resolve: { scale: { y: "independent" } },
  };
}

const nameLayer = (end: "highest" | "lowest", dy: number) => ({
  transform: [{ filter: { field: "end", equal: end } }],
  mark: { type: "text", align: "right", dx: -2, dy, limit: 150 },
  encoding: { text: { field: "run", type: "nominal" } },
});

/** The last rows of the runs that end highest and lowest in each metric, the first run left aside. */
function endsOf(rows: readonly { run: string; metric: string; value: number }[], first: string): Map<object, string> {
  const last = [...new Map(rows.map((row) => [`${row.metric} ${row.run}`, row])).values()].filter(({ run }) => run !== first);
  const result = new Map<object, string>();
  for (const metric of new Set(last.map((row) => row.metric))) {
    const own = last.filter((row) => row.metric === metric).sort((a, b) => a.value - b.value);
    result.set(own[0]!, "lowest").set(own.at(-1)!, "highest");
  }
  return result;
}

/**
 * A share of each run with its interval, a small picture per trial, a row per run; a dashed line goes through the first run's share.
 *
 * @param trials their names, in order
 * @param rows `{ run, trial, estimate, low, high }`, shares in [0, 1]
 * @param options.runs their names, in order
 * @param options.title of the horizontal axes
 */
export function runIntervals(
  trials: readonly string[],
  rows: readonly Row[],
  options: { runs: readonly string[]; title: string },
): VegaLiteSpec {
  const { runs, title } = options;
  const x = { type: "quantitative", title, scale: { domain: [0, 1] }, axis: { grid: true, format: ".0%", tickCount: 5 } };
  const isFirst = { field: "run", equal: runs[0] };
  const color = { condition: { test: isFirst, value: INK }, value: palette[0] };
  const shows: Shows = { kind: "intervals", group: "trial", series: "run", estimate: "estimate", low: "low", high: "high", percent: true };
  return {
    usermeta: { shows },
    data: { values: rows },
    facet: { field: "trial", type: "nominal", title: null, sort: [...trials], header: { ...header, labelLimit: 240 } },
    columns: 2,
    spacing: { row: 20, column: 16 },
    spec: {
      width: 210,
      height: { step: 18 },
      encoding: { y: { field: "run", type: "nominal", title: null, sort: [...runs], axis: { labelLimit: 140, labelPadding: 8 } } },
      layer: [
        {
          transform: [{ filter: isFirst }],
          mark: { type: "rule", strokeDash: [3, 3], strokeWidth: 1 },
          encoding: { x: { ...x, field: "estimate" }, y: null },
        },
        { mark: { type: "rule", strokeWidth: 2 }, encoding: { x: { ...x, field: "low" }, x2: { field: "high" }, color } },
        { mark: { type: "point", filled: true, size: 60, opacity: 1 }, encoding: { x: { ...x, field: "estimate" }, color } },
      ],
    },
  };
}
