import { wrapped } from "../../frontend/wrapped.js";
import { formatValue } from "../numbers.js";
import type { VegaLiteSpec } from "../spec.js";
import { INK, palette } from "../theme.js";

/** A node of a tree as it is drawn. */
export interface TreeRow {
  /** Depth, and place in leaves from the top; the same of its parent, or its own for the root. */
  x: number;
  y: number;
  fromX: number;
  fromY: number;
  /** What stands above the node. */
  label: string;
  value: number;
  visits: number;
  /** Whether it is on the path that is drawn thick. */
  taken: boolean;
}

/** How far before a node, in columns, its edge bends: behind the text of its parent. */
const BEND = 0.1;

/** Pixels of a column: five columns, the legend and the edges are within the 480 that a phone shows whole. */
const COLUMN = 96;

/** Letters of a line above a node: what a column has room for. */
const LINE = 12;

/** A label's two lines, of which the upper one is empty where one is enough; an ellipsis where two are not. */
export function labelLines(label: string): [string, string] {
  const [upper, ...more] = wrapped(label, LINE);
  if (more.length === 0) return ["", label];
  const rest = more.join(" ");
  return [upper!, rest.length > LINE ? `${rest.slice(0, LINE - 1)}…` : rest];
}

/**
 * A tree that was searched: nodes in columns by depth, coloured by value and sized by visits, with a label above and `value (visits)` below each. The path taken is thick.
 *
 * @param rows the nodes
 * @param options.columns what the depths are called, from the root's on
 * @param options.domain lowest and highest value
 */
export function searchTree(rows: readonly TreeRow[], options: { columns: readonly string[]; domain: [number, number] }): VegaLiteSpec {
  const { columns, domain } = options;
  const depth = Math.max(1, ...rows.map(({ x }) => x));
  const leaves = 1 + Math.max(...rows.map(({ y }) => y));
  const x = {
    field: "x",
    type: "quantitative",
    title: null,
    scale: { domain: [-0.1, depth + 0.75], nice: false },
    axis: {
      orient: "top",
      domain: false,
      ticks: false,
      grid: false,
      values: Array.from({ length: depth + 1 }, (_, i) => i),
      labelExpr: `[${columns.map((name) => JSON.stringify(name)).join(", ")}][datum.value] || ""`,
      labelAlign: "left",
      labelOffset: -5,
    },
  };
  const y = {
    field: "y",
    type: "quantitative",
    title: null,
    axis: null,
    scale: { domain: [-0.6, leaves - 0.4], reverse: true, nice: false },
  };
  /** What leads to a node: level with its parent, between the lines of that one's text, then across and level with the node. */
  const edges = (mark: object, of: object[]) =>
    [
      ["fromX", "bend", "fromY", "fromY"],
      ["bend", "bend", "fromY", "y"],
      ["bend", "x", "y", "y"],
    ].map(([x1, x2, y1, y2]) => ({
      transform: [...of, { filter: "datum.x > 0" }, { calculate: `datum.x - ${BEND}`, as: "bend" }],
      mark: { type: "rule", strokeCap: "round", ...mark },
      encoding: { x: { ...x, field: x1 }, x2: { field: x2 }, y: { ...y, field: y1 }, y2: { field: y2 } },
    }));
  const text = (field: string, dy: number, more: object) => ({
    mark: { type: "text", align: "left", dx: 8, dy, fontSize: 11, ...more },
    encoding: { x, y, text: { field, type: "nominal" } },
  });
  return {
    width: COLUMN * (depth + 0.85),
    height: 46 * leaves + 10,
    data: {
      values: rows.map((row) => {
        const [upper, label] = labelLines(row.label);
        return { ...row, upper, label, seen: `${formatValue(row.value, 2)} (${row.visits})` };
      }),
    },
    layer: [
      ...edges({ strokeWidth: 1, color: INK }, []),
      ...edges({ strokeWidth: 4, color: palette[1] }, [{ filter: "datum.taken" }]),
      {
        mark: { type: "circle", opacity: 1, stroke: INK, strokeWidth: 1 },
        encoding: {
          x,
          y,
          size: { field: "visits", type: "quantitative", legend: null, scale: { type: "sqrt", domainMin: 0, range: [40, 260] } },
          color: { field: "value", type: "quantitative", title: "value", scale: { domain, scheme: "viridis" } },
        },
      },
      text("upper", -22, { fontWeight: 700 }),
      text("label", -10, { fontWeight: 700 }),
      text("seen", 10, {}),
    ],
  };
}
