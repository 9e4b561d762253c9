import { basename } from "node:path";
import { render, themed } from "../../src/figures/render.js";
import type { VegaLiteSpec } from "../../src/figures/spec.js";
import { palette } from "../../src/figures/theme.js";
import { escapeHTML } from "../html/escape.js";
import { inlineSVG } from "../html/svg.js";
import { type Axis, plain } from "./axes.js";
import { type Grouping, numbersOf } from "./groups.js";
import type { Member } from "./member.js";

/**
 * A figure for each number that is named by whole runs and not the same in all: the number against the parameter with the most values, a colour for each
 * combination of the others.
 */
export async function sweepFigures(members: readonly Member[], axes: readonly Axis[]): Promise<string[]> {
  const x = axes.reduce((most, axis) => (axis.values.length > most.values.length ? axis : most));
  const done = members.filter(({ status }) => status === "done");
  const labels = new Set(done.flatMap(({ values }) => [...values.keys()]));
  const figures: string[] = [];
  for (const label of labels) {
    const rows = done.flatMap((member) => {
      const value = member.values.get(label)?.number;
      return value === undefined ? [] : [{ x: member.swept[x.name], value, series: seriesOf(member, x, members) }];
    });
    if (new Set(rows.map(({ value }) => value)).size < 2) continue; // what no member has changed is told below the table
    figures.push(await figure(label, `${label} against ${x.name}`, curve(rows, x, label)));
  }
  return figures;
}

/**
 * A figure for each number of a sweep in groups that is not the same in all: each group's mean with its 95% t-interval, and its members' values as short lines, against the held parameter with the most values;
 * a colour for each combination of the others.
 */
export async function groupFigures({ held, over, groups }: Grouping): Promise<string[]> {
  const all: Axis = { name: `over ${over.join(", ")}`, values: ["all"] }; // where nothing is held, there is one group
  const x = held.reduce((most, axis) => (axis.values.length > most.values.length ? axis : most), held[0] ?? all);
  const labels = new Set(groups.flatMap(({ values }) => [...values.keys()]));
  const figures: string[] = [];
  for (const label of labels) {
    if (new Set(groups.flatMap((group) => numbersOf(group, label))).size < 2) continue; // the same in all runs: it is told below the table
    const means = groups.flatMap((group) => {
      const spread = group.values.get(label);
      if (!spread) return [];
      const { mean: value, low, high } = spread;
      const at = { x: x === all ? "all" : group.held[x.name], series: seriesOf({ path: group.path, swept: group.held }, x, groups) };
      return [{ ...at, value, ...(low <= high && { low, high }) }, ...numbersOf(group, label).map((member) => ({ ...at, member }))];
    });
    const caption = `${label} ${x === all ? x.name : `against ${x.name}, over ${over.join(", ")}`}: mean, 95% t-interval, and single runs as short lines`;
    figures.push(await figure(label, caption, spreadCurve(means, x, label)));
  }
  return figures;
}

async function figure(label: string, caption: string, spec: VegaLiteSpec): Promise<string> {
  const id = `fig-${label}`;
  const { svg } = await render(themed(spec));
  const drawn = inlineSVG(svg, id, caption, undefined);
  return `<figure id="${escapeHTML(id)}">\n<div class="picture">${drawn}</div>\n<figcaption>${escapeHTML(caption)}. The numbers are in the table.</figcaption>\n</figure>`;
}

interface Row {
  x: unknown;
  value: number;
  series: string;
}

function curve(rows: readonly Row[], x: Axis, label: string): VegaLiteSpec {
  const numeric = isNumeric(x);
  const key = seriesKey(rows);
  return {
    data: { values: numeric ? rows : rows.map((row) => ({ ...row, x: plain(row.x) })) },
    mark: numeric ? { type: "line", point: { size: 50, filled: true } } : { type: "point", filled: true, size: 60, opacity: 1 },
    encoding: {
      x: horizontal(x),
      y: { field: "value", type: "quantitative", title: label, scale: { zero: false } },
      ...(key && { color: key, shape: key }),
    },
  };
}

/** A mean with its interval, or a member's value, at a place of the horizontal axis. */
interface SpreadRow extends Omit<Row, "value"> {
  value?: number;
  low?: number;
  high?: number;
  member?: number;
}

/** Means with whiskers, and members as short lines. Where there are several series they stand beside each other, and the axis has names instead of a scale. */
function spreadCurve(rows: readonly SpreadRow[], x: Axis, label: string): VegaLiteSpec {
  const key = seriesKey(rows);
  const scaled = isNumeric(x) && !key;
  const y = (field: string) => ({ field, type: "quantitative", title: label, scale: { zero: false } });
  const present = (field: string) => [{ filter: `isValid(datum.${field})` }];
  return {
    data: { values: scaled ? rows : rows.map((row) => ({ ...row, x: plain(row.x) })) },
    ...(!scaled && { width: { step: 64, for: "position" } }),
    encoding: {
      x: scaled ? horizontal(x) : named(x),
      color: key ?? { value: palette[0] },
      ...(key && { xOffset: { field: "series", type: "nominal", sort: key.sort } }),
    },
    layer: [
      { transform: present("low"), mark: { type: "rule", strokeWidth: 2 }, encoding: { y: y("low"), y2: { field: "high" } } },
      ...(scaled ? [{ transform: present("value"), mark: { type: "line" }, encoding: { y: y("value") } }] : []),
      { transform: present("member"), mark: { type: "tick", orient: "horizontal", size: 10, thickness: 1 }, encoding: { y: y("member") } },
      {
        transform: present("value"),
        mark: { type: "point", filled: true, size: 60, opacity: 1 },
        encoding: { y: y("value"), ...(key && { shape: key }) },
      },
    ],
  };
}

const isNumeric = ({ values }: Axis): boolean => values.every((value) => typeof value === "number");

const named = ({ name }: Axis) => ({ field: "x", type: "nominal", title: name, sort: null, axis: { labelAngle: 0 } });

function horizontal(x: Axis) {
  if (!isNumeric(x)) return named(x);
  const numbers = x.values as readonly number[];
  const decades = Math.min(...numbers) > 0 && Math.max(...numbers) / Math.min(...numbers) >= 10;
  const scale = { type: decades ? "log" : "linear", zero: false, nice: false, padding: 24 };
  return { field: "x", type: "quantitative", title: x.name, scale, axis: { values: numbers } };
}

/** Colour or shape by series; undefined where there is one. */
function seriesKey(rows: readonly { series: string }[]) {
  const sort = [...new Set(rows.map((row) => row.series))];
  return sort.length > 1 ? { field: "series", type: "nominal", title: null, sort } : undefined;
}

/** What tells a member from others with the same value of `x`: `loss = ipo, 03-stage-2-dpo`. */
function seriesOf({ swept, path }: Pick<Member, "swept" | "path">, x: Axis, members: readonly { path: string }[]): string {
  const several = members.some((other) => other.path !== path);
  const others = Object.entries(swept).filter(([name]) => name !== x.name);
  const words = others.map(([name, value]) => `${name} = ${plain(value)}`);
  return [...words, ...(several ? [basename(path, ".ipynb")] : [])].join(", ");
}
