import type { Shows } from "../describe.js";
import { wrappedLegend } from "../legend.js";
import type { Row, VegaLiteSpec } from "../spec.js";

/** Up to so many steps of a metric each have a mark. */
export const MARKED_STEPS = 20;
/** From so many steps on the line is a moving mean, and the steps are points. */
const SMOOTHED_FROM = 60;
/** Steps on both sides that the mean takes. */
const REACH = 10;

/**
 * Metrics over the steps of a training, one line each. Rows are the steps as training yields them: `{ step, loss, "rewards/margins", ... }`.
 * Few steps have a mark each; of 60 or more the line is the mean of 21 around each, which the figure says, and the steps are points.
 *
 * @param metrics names of the metrics; a step that lacks one is passed over
 * @param options.rows steps that are there already
 * @param options.y title of the vertical axis; the metric's name where there is one metric
 * @param options.x the field of the horizontal axis, `step` unless told
 */
export function trainingCurves(metrics: readonly string[], options: { rows?: readonly Row[]; y?: string; x?: string } = {}): VegaLiteSpec {
  const x = options.x ?? "step";
  const many = metrics.length > 1;
  const inOrder = [{ field: x }];
  const legend = { symbolType: "stroke", symbolSize: 300, ...wrappedLegend(metrics, 260) };
  const key = { field: "metric", type: "nominal", title: null, sort: [...metrics], legend };
  const place = { field: x, type: "quantitative", title: x, axis: { tickMinStep: 1, format: "~s" }, scale: { nice: false, zero: false } };
  const title = options.y ?? (many ? "value" : metrics[0]);
  const height = (field: string) => ({ y: { field, type: "quantitative", title, axis: { grid: true }, scale: { zero: false } } });
  const color = many ? { color: key } : {};
  return {
    usermeta: { shows: { kind: "curves", x, metrics } satisfies Shows },
    data: { values: options.rows ?? [] },
    transform: [
      { fold: metrics.map(escapeField), as: ["metric", "value"] },
      { filter: "isValid(datum.value) && isFinite(datum.value)" },
      { joinaggregate: [{ op: "count", as: "steps" }], groupby: ["metric"] },
      { window: [{ op: "mean", field: "value", as: "mean" }], groupby: ["metric"], sort: inOrder, frame: [-REACH, REACH] },
      { calculate: `datum.steps >= ${SMOOTHED_FROM} ? datum.mean : datum.value`, as: "drawn" },
      {
        window: [{ op: "row_number", as: "last" }],
        groupby: ["metric"],
        sort: [{ field: x, order: "descending" }],
      },
    ],
    layer: [
      zeroLine,
      {
        mark: { type: "line", interpolate: "linear" },
        encoding: { x: place, ...height("drawn"), ...color, ...(many && { strokeDash: key }) },
      },
      {
        transform: [{ filter: `datum.steps >= ${SMOOTHED_FROM}` }],
        mark: { type: "point", filled: true, size: 6, opacity: 0.35 },
        encoding: { x: place, ...height("value"), ...color, ...(many && { order: { field: "metric", type: "nominal" } }) }, // a metric's points stand together in the file
      },
      {
        transform: [{ filter: `datum.last === 1 || datum.steps <= ${MARKED_STEPS}` }],
        mark: { type: "point", filled: true, opacity: 1 },
        encoding: { x: place, ...height("drawn"), ...color, size: { condition: { test: "datum.last === 1", value: 45 }, value: 14 } },
      },
      {
        transform: [{ filter: `datum.steps >= ${SMOOTHED_FROM}` }, { aggregate: [{ op: "count", as: "n" }] }, { filter: "datum.n > 0" }],
        mark: {
          type: "text",
          align: "right",
          baseline: "bottom",
          fontSize: 11,
          text: `lines: means of ${2 * REACH + 1} steps; points: steps`,
        },
        encoding: { x: { value: "width" }, y: { value: -3 } },
      },
    ],
  };
}

/** Where values lie on both sides of 0, or begin there. */
const zeroLine = {
  transform: [
    {
      aggregate: [
        { op: "min", field: "value", as: "low" },
        { op: "max", field: "value", as: "high" },
      ],
    },
    { filter: "isValid(datum.low) && datum.low <= 0 && datum.high >= 0" },
    { calculate: "0", as: "zero" }, // a field and no constant, which would put 0 on every axis
  ],
  mark: { type: "rule", strokeWidth: 1 },
  encoding: { y: { field: "zero", type: "quantitative" } },
};

/** Vega reads dots and brackets in a field's name as a path. */
const escapeField = (name: string) => name.replace(/[.[\]\\]/g, (c) => `\\${c}`);
