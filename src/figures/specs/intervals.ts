import type { Row, VegaLiteSpec } from "../spec.js";

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
 * Points with whiskers, grouped: for each group (suite) one point a series (stage), beside each other.
 *
 * @param fields names of the columns; `estimate`, `low` and `high` unless told
 * @param options.title of the horizontal axis
 * @param options.domain of the horizontal axis, `[0, 1]` unless told
 * @param options.percent writes the axis in percent
 */
export function intervals(
  fields: IntervalFields,
  options: { rows?: readonly Row[]; title?: string; domain?: [number, number]; percent?: boolean } = {},
): VegaLiteSpec {
  const { group, series, estimate = "estimate", low = "low", high = "high" } = fields;
  const domain = options.domain ?? [0, 1];
  const x = {
    type: "quantitative",
    title: options.title ?? estimate,
    scale: { domain },
    axis: { grid: true, ...(options.percent && { format: ".0%" }) },
  };
  const key = { field: series, type: "nominal", title: null, sort: null };
  return {
    data: { values: options.rows ?? [] },
    height: { step: 18, for: "offset" },
    encoding: {
      y: {
        field: group,
        type: "nominal",
        title: null,
        sort: null,
        scale: { paddingInner: 0.1, paddingOuter: 0 },
        axis: { labelLimit: 240, labelPadding: 8 },
      },
      yOffset: { field: series, type: "nominal", sort: null, scale: { paddingOuter: 0.2 } },
      color: { ...key },
    },
    layer: [
      { mark: { type: "rule", strokeWidth: 2 }, encoding: { x: { ...x, field: low }, x2: { field: high } } },
      { mark: { type: "point", filled: true, size: 60, opacity: 1 }, encoding: { x: { ...x, field: estimate }, shape: { ...key } } },
    ],
  };
}
