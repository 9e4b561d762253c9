import type { Row, VegaLiteSpec } from "../spec.js";

/**
 * Metrics over the steps of a training, one line each. Rows are the steps as training yields them: `{ step, loss, "rewards/margins", ... }`.
 *
 * @param metrics names of the metrics; a step that lacks one leaves a gap
 * @param options.rows steps that are there already
 * @param options.y title of the vertical axis; the metric's name where there is one metric
 * @param options.x the field of the horizontal axis, `step` unless told
 */
export function trainingCurves(metrics: readonly string[], options: { rows?: readonly Row[]; y?: string; x?: string } = {}): VegaLiteSpec {
  const x = options.x ?? "step";
  const many = metrics.length > 1;
  return {
    data: { values: options.rows ?? [] },
    transform: [{ fold: metrics.map(escapeField), as: ["metric", "value"] }, { filter: "isValid(datum.value) && isFinite(datum.value)" }],
    layer: [
      { mark: { type: "line", interpolate: "linear" } },
      {
        transform: [
          { window: [{ op: "row_number", as: "last" }], groupby: ["metric"], sort: [{ field: x, order: "descending" }] },
          { filter: "datum.last === 1" },
        ],
        mark: { type: "point", filled: true, size: 45, opacity: 1 },
        encoding: { strokeDash: { value: [1, 0] } },
      },
    ],
    encoding: {
      x: { field: x, type: "quantitative", title: x, axis: { tickMinStep: 1, format: "~s" }, scale: { nice: false } },
      y: { field: "value", type: "quantitative", title: options.y ?? (many ? "value" : metrics[0]), scale: { zero: false } },
      ...(many && {
        color: { field: "metric", type: "nominal", title: null, sort: [...metrics], legend: { symbolType: "stroke", symbolSize: 300 } },
        strokeDash: {
          field: "metric",
          type: "nominal",
          title: null,
          sort: [...metrics],
          legend: { symbolType: "stroke", symbolSize: 300 },
        },
      }),
    },
  };
}

/** Vega reads dots and brackets in a field's name as a path. */
const escapeField = (name: string) => name.replace(/[.[\]\\]/g, (c) => `\\${c}`);
