import { basename } from "node:path";
import { render, themed } from "../../src/figures/render.js";
import type { VegaLiteSpec } from "../../src/figures/spec.js";
import { escapeHTML } from "../html/escape.js";
import { inlineSVG } from "../html/svg.js";
import type { Axis } from "./axes.js";
import type { Member } from "./member.js";

/**
 * A figure for each number that two or more whole runs have named: the number against the parameter with the most values, a colour for each
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
    if (rows.length < 2) continue;
    const id = `fig-${label}`;
    const caption = `${label} against ${x.name}`;
    const { svg } = await render(themed(curve(rows, x, label)));
    const drawn = inlineSVG(svg, id, caption, undefined);
    figures.push(
      `<figure id="${escapeHTML(id)}">\n<div class="picture">${drawn}</div>\n<figcaption>${escapeHTML(caption)}. The numbers are in the table.</figcaption>\n</figure>`,
    );
  }
  return figures;
}

interface Row {
  x: unknown;
  value: number;
  series: string;
}

function curve(rows: readonly Row[], x: Axis, label: string): VegaLiteSpec {
  const numbers = x.values.filter((value): value is number => typeof value === "number");
  const numeric = numbers.length === x.values.length;
  const decades = numeric && Math.min(...numbers) > 0 && Math.max(...numbers) / Math.min(...numbers) >= 10;
  const series = [...new Set(rows.map((row) => row.series))];
  return {
    data: { values: rows.map((row) => (numeric ? row : { ...row, x: typeof row.x === "string" ? row.x : JSON.stringify(row.x) })) },
    mark: numeric ? { type: "line", point: { size: 50, filled: true } } : { type: "point", filled: true, size: 60, opacity: 1 },
    encoding: {
      x: numeric
        ? {
            field: "x",
            type: "quantitative",
            title: x.name,
            scale: { type: decades ? "log" : "linear", zero: false, nice: false, padding: 24 },
            axis: { values: numbers },
          }
        : { field: "x", type: "nominal", title: x.name, sort: null, axis: { labelAngle: 0 } },
      y: { field: "value", type: "quantitative", title: label, scale: { zero: false } },
      ...(series.length > 1 && {
        color: { field: "series", type: "nominal", title: null, sort: series },
        shape: { field: "series", type: "nominal", title: null, sort: series },
      }),
    },
  };
}

/** What tells a member from others with the same value of `x`: `loss = ipo, 03-stage-2-dpo`. */
function seriesOf({ swept, path }: Member, x: Axis, members: readonly Member[]): string {
  const several = members.some((other) => other.path !== path);
  const others = Object.entries(swept).filter(([name]) => name !== x.name);
  const words = others.map(([name, value]) => `${name} = ${typeof value === "string" ? value : JSON.stringify(value)}`);
  return [...words, ...(several ? [basename(path, ".ipynb")] : [])].join(", ");
}
