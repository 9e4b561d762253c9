import type { Shows } from "../describe.js";
import { checkColumns, FigureError, type Row, type VegaLiteSpec } from "../spec.js";

/**
 * How long something is (thoughts, in tokens), one histogram a series (stage) under each other on one axis, each with its median.
 *
 * @param fields.length column of the lengths
 * @param fields.series column of the series, in the order of the rows
 * @param options.title of the horizontal axis; "tokens" unless told
 * @param options.bins number of bins at most, >= 2; 30 unless told
 * @throws FigureError when `bins` is out of range, or there are rows and none has one of the columns
 */
export function lengthDistribution(
  fields: { length: string; series: string },
  options: { rows?: readonly Row[]; title?: string; bins?: number } = {},
): VegaLiteSpec {
  const { length, series } = fields;
  const rows = (options.rows ?? []) as readonly Record<string, unknown>[];
  const { bins = 30 } = options;
  if (!(Number.isInteger(bins) && bins >= 2)) throw new FigureError(`lengthDistribution: bins must be a whole number >= 2, got ${bins}`);
  checkColumns("lengthDistribution", rows, [length, series]);
  const seriesInOrder = [...new Set(rows.map((row) => String(row[series])))];
  const title = options.title ?? "tokens";
  return {
    usermeta: { shows: { kind: "lengths", length, series } satisfies Shows },
    data: { values: rows },
    facet: {
      row: {
        field: series,
        type: "nominal",
        title: null,
        sort: seriesInOrder.length > 0 ? seriesInOrder : null,
        header: { labelAngle: 0, labelAlign: "left", labelOrient: "top", labelAnchor: "start", labelPadding: 2 },
      },
    },
    spacing: 12,
    spec: {
      width: 400,
      height: 70,
      layer: [
        {
          mark: { type: "bar", binSpacing: 1 },
          encoding: {
            x: {
              field: length,
              type: "quantitative",
              bin: { maxbins: bins, minstep: 1 },
              axis: { format: "d", labelSeparation: 6 },
              title,
            },
            y: { aggregate: "count", type: "quantitative", title: null, axis: { tickCount: 3, tickMinStep: 1, format: "d" } },
          },
        },
        {
          transform: [
            { aggregate: [{ op: "median", field: length, as: "median" }], groupby: [series] },
            { calculate: "'median ' + format(datum.median, '.1~f')", as: "written" },
          ],
          layer: [
            { mark: { type: "rule", strokeDash: [4, 3] }, encoding: { x: { field: "median", type: "quantitative" } } },
            {
              mark: { type: "text", align: "center", baseline: "bottom", y: -3 },
              encoding: { x: { field: "median", type: "quantitative" }, text: { field: "written", type: "nominal" } },
            },
          ],
        },
      ],
    },
    resolve: { scale: { y: "shared" } },
  };
}
