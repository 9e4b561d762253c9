import type { Shows } from "../describe.js";
import { wrappedLegend } from "../legend.js";
import { checkColumns, type Row, type VegaLiteSpec } from "../spec.js";

/** Columns of an interval figure. */
export interface IntervalFields {
  /** The groups along the vertical axis, such as suites. */
  group: string;
  /** What is compared within a group, such as stages; colour and shape. In the order of the rows. */
  series: string;
  /** The estimate and the ends of its interval, such as a rate and its 95% Wilson interval. */
  estimate?: string;
  low?: string;
  high?: string;
}

/**
 * Points with whiskers, grouped: for each group (suite) one point per series (stage), below each other, with the group's name above them, so that the figure fits a phone and a column.
 *
 * @param fields names of the columns; `estimate`, `low` and `high` unless told
 * @param options.title of the horizontal axis; the estimate's column unless told
 * @param options.domain of the horizontal axis, `[0, 1]` unless told; a dashed line is at 0 where it begins below
 * @param options.percent writes the axis in percent
 * @throws FigureError when there are rows and none has one of the columns
 */
export function intervals(
  fields: IntervalFields,
  options: { rows?: readonly Row[]; title?: string; domain?: [number, number]; percent?: boolean } = {},
): VegaLiteSpec {
  const { group, series, estimate = "estimate", low = "low", high = "high" } = fields;
  const rows = (options.rows ?? []) as readonly Record<string, unknown>[];
  checkColumns("intervals", rows, [group, series, estimate, low, high]);
  const inOrder = (field: string) => [...new Set(rows.map((row) => row[field]))];
  const { domain = [0, 1] } = options;
  const x = {
    type: "quantitative",
    title: options.title ?? estimate,
    scale: { domain },
    axis: { grid: true, tickCount: 6, ...(options.percent && { format: ".0%" }) },
  };
  const names = inOrder(series);
  const key = { field: series, type: "nominal", title: null, sort: names, legend: wrappedLegend(names.map(String), 180) };
  const shows: Shows = { kind: "intervals", group, series, estimate, low, high, percent: options.percent ?? false };
  return {
    usermeta: { shows },
    data: { values: rows },
    facet: {
      row: {
        field: group,
        type: "nominal",
        title: null,
        sort: inOrder(group),
        header: { labelAngle: 0, labelAlign: "left", labelOrient: "top", labelAnchor: "start", labelPadding: 3, labelLimit: 340 },
      },
    },
    spacing: 10,
    spec: {
      width: 340,
      height: { step: 16 },
      encoding: { y: { ...key, axis: null, scale: { padding: 0.3 } }, color: key },
      layer: [
        ...(domain[0] < 0 ? [zeroLine] : []),
        { mark: { type: "rule", strokeWidth: 2 }, encoding: { x: { ...x, field: low }, x2: { field: high } } },
        { mark: { type: "point", filled: true, size: 60, opacity: 1 }, encoding: { x: { ...x, field: estimate }, shape: key } },
      ],
    },
  };
}

/** Over the whole height, whatever the series; its colour is that of no series, and stands in no legend. */
const zeroLine = {
  mark: { type: "rule", strokeDash: [4, 4], strokeWidth: 1 },
  encoding: { x: { datum: 0 }, y: { value: 0 }, y2: { value: "height" }, color: { value: "#767676" } },
};
