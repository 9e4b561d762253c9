import { wrappedLegend } from "../legend.js";
import { checkColumns, type Row, type VegaLiteSpec } from "../spec.js";

/** Columns of a figure of curves with intervals. */
export interface CurveFields {
  /** What is varied, a number, such as the weight of a contrast. */
  x: string;
  /** The lines of a picture; colour, dash and shape. In the order of the rows. */
  series: string;
  /** A small picture each, such as suites. */
  facet: string;
  /** The estimate and the ends of its interval. */
  estimate?: string;
  low?: string;
  high?: string;
}

/** A place as it was given: by its own step an axis would write 0.25 as 0.3. */
const PLACE = ".12~g";

/** The series again: Vega-Lite joins the legends of one column, and would draw the outlines of the symbols with the dashes of the lines. */
const DASH = "dash";

/**
 * Estimates with whiskers over what is varied, a small picture per facet and a line per series. Series stand a little beside each other, so that whiskers at the same place
 * can be told apart.
 *
 * Rows whose place is no number are left out. What stands behind a `: ` in a facet's name is a line of its own.
 *
 * @param fields names of the columns; `estimate`, `low` and `high` unless told
 * @param options.title of the vertical axis
 * @param options.xTitle of the horizontal axis; the column's name unless told
 * @param options.domain of the vertical axis, `[0, 1]` unless told
 * @param options.percent writes the vertical axis in percent
 * @throws FigureError when there are rows and none has one of the columns
 */
export function intervalCurves(
  fields: CurveFields,
  options: { rows?: readonly Row[]; title?: string; xTitle?: string; domain?: [number, number]; percent?: boolean } = {},
): VegaLiteSpec {
  const { x, series, facet, estimate = "estimate", low = "low", high = "high" } = fields;
  const given = (options.rows ?? []) as readonly Record<string, unknown>[];
  checkColumns("intervalCurves", given, [x, series, facet, estimate, low, high]);
  const rows = given.filter((row) => isPlace(row[x]));
  const names = [...new Set(rows.map((row) => row[series]))];
  const places = [...new Set(rows.map((row) => Number(row[x])))].sort((a, b) => a - b);
  const gaps = places.slice(1).map((place, i) => place - places[i]!);
  const apart = ((gaps.length ? Math.min(...gaps) : 1) * 0.4) / names.length;
  const beside = (row: Record<string, unknown>) => Number(row[x]) + apart * (names.indexOf(row[series]) - (names.length - 1) / 2);
  const y = {
    type: "quantitative",
    title: options.title ?? estimate,
    scale: { domain: options.domain ?? [0, 1] },
    axis: { grid: true, tickCount: 5, ...(options.percent && { format: ".0%" }) },
  };
  const key = { field: series, type: "nominal", title: null, sort: null, legend: wrappedLegend(names.map(String), 180) };
  return {
    data: { values: rows.map((row) => ({ ...row, beside: beside(row) })) },
    facet: {
      field: facet,
      type: "nominal",
      title: null,
      sort: [...new Set(rows.map((row) => row[facet]))],
      header: { labelAlign: "left", labelAnchor: "start", labelPadding: 4, labelLimit: 260, labelExpr: "split(datum.label, ': ')" },
    },
    columns: 2,
    spacing: { row: 24, column: 16 },
    spec: {
      width: 190,
      height: 140,
      encoding: {
        x: {
          field: "beside",
          type: "quantitative",
          title: options.xTitle ?? x,
          axis: { values: places, format: PLACE, grid: false },
          scale: { nice: false, zero: false, padding: 8 },
        },
        color: key,
      },
      layer: [
        { mark: { type: "rule", strokeWidth: 1.5 }, encoding: { y: { ...y, field: low }, y2: { field: high } } },
        {
          transform: [{ calculate: `datum[${JSON.stringify(series)}]`, as: DASH }],
          mark: { type: "line", interpolate: "linear" },
          encoding: { y: { ...y, field: estimate }, strokeDash: { ...key, field: DASH, legend: null } },
        },
        { mark: { type: "point", filled: true, size: 45, opacity: 1 }, encoding: { y: { ...y, field: estimate }, shape: key } },
      ],
    },
  };
}

/** A number, also as text; what JavaScript would make 0 of, such as null, is none. */
const isPlace = (x: unknown): boolean =>
  (typeof x === "number" || (typeof x === "string" && x.trim() !== "")) && Number.isFinite(Number(x));
