import { isRecord } from "../setup/json.js";
import { PARTS, type View } from "./check.js";
import { render } from "./render.js";
import type { VegaLiteSpec } from "./spec.js";

/** Views are not made narrower than this part of what the specification says; from there on the whole picture shrinks, text included. */
const LEAST = 0.3;

/**
 * Draws a specification so that the whole picture has a given width. Plots are made wider or narrower, their heights follow, and text keeps
 * its size; bars and points that stand one under the other keep their distance. A legend that is too wide gets more rows.
 *
 * @param width CSS pixels (1/96 inch), > 0
 * @returns SVG of exactly this width
 * @throws FigureError as `render` does
 */
export async function renderAt(spec: VegaLiteSpec, width: number): Promise<string> {
  let best = await solve(spec, width);
  for (const columns of [2, 1]) {
    if (sizeOf(best).width <= width + 1) break;
    const svg = await solve(withLegendColumns(spec, columns), width);
    if (sizeOf(svg).width < sizeOf(best).width - 1) best = svg;
  }
  return scaledTo(best, width);
}

/** The picture's width is nearly a straight line over the factor of the plots' width: two drawings give it, the next ones hit. */
async function solve(spec: VegaLiteSpec, width: number): Promise<string> {
  const draw = async (factor: number) => {
    const { svg } = await render(stretched(spec, factor) as VegaLiteSpec);
    return { factor, svg, width: sizeOf(svg).width };
  };
  let before = await draw(1);
  let now = await draw(clamp(width / before.width));
  for (let i = 0; i < 4 && Math.abs(now.width - width) > 0.5; i++) {
    const slope = (now.width - before.width) / (now.factor - before.factor);
    if (!(slope > 1)) break; // something else than the plots is as wide as this
    const factor = clamp(now.factor + (width - now.width) / slope);
    if (factor === now.factor) break;
    [before, now] = [now, await draw(factor)];
  }
  return now.svg;
}

const clamp = (factor: number) => Math.min(20, Math.max(LEAST, factor));

/** The specification with the sizes of all its views multiplied; a view that says none has the configuration's. */
function stretched(spec: View, factor: number): View {
  const result = sized(spec, factor);
  const config = (spec.config ?? {}) as View;
  const { continuousWidth = 300, continuousHeight = 300, discreteWidth, ...view } = (config.view ?? {}) as View;
  const defaults = {
    continuousWidth: (continuousWidth as number) * factor,
    continuousHeight: (continuousHeight as number) * factor,
    discreteWidth: scaled(discreteWidth ?? { step: (view.step as number) ?? 20 }, factor),
  };
  return { ...result, config: { ...config, view: { ...view, ...defaults } } };
}

function sized(view: View, factor: number): View {
  const result = { ...view };
  if (view.width !== undefined) result.width = scaled(view.width, factor);
  if (typeof view.height === "number") result.height = view.height * factor;
  if (isRecord(view.spec)) result.spec = sized(view.spec, factor);
  for (const part of PARTS) {
    const views = view[part];
    if (Array.isArray(views)) result[part] = views.map((child) => (isRecord(child) ? sized(child, factor) : child));
  }
  return result;
}

/** A width: pixels, or pixels a step. */
function scaled(size: unknown, factor: number): unknown {
  if (typeof size === "number") return size * factor;
  return isRecord(size) && typeof size.step === "number" ? { ...size, step: size.step * factor } : size;
}

/** The specification with legends of so many columns, those that say how many they want too. */
function withLegendColumns({ config, ...views }: VegaLiteSpec, columns: number): VegaLiteSpec {
  const set = (value: unknown, key = ""): unknown => {
    if (key === "data") return value;
    if (Array.isArray(value)) return value.map((child) => set(child));
    if (!isRecord(value)) return value;
    const own = Object.fromEntries(Object.entries(value).map(([name, child]) => [name, set(child, name)]));
    return key === "legend" && "columns" in value ? { ...own, columns } : own;
  };
  return { ...(set(views) as View), config: { ...config, legend: { ...(config?.legend as View), columns } } };
}

/**
 * The size of an SVG picture in its own units: that of its view box, else its width and height.
 * @returns width and height, 0 where it says none
 */
export function sizeOf(svg: string): { width: number; height: number } {
  const tag = rootTag(svg);
  const [, , width, height] = /\sviewBox="([^"]*)"/
    .exec(tag)?.[1]
    ?.trim()
    .split(/[\s,]+/) ?? ["", "", length(tag, "width"), length(tag, "height")];
  return { width: Number(width) || 0, height: Number(height) || 0 };
}

const length = (tag: string, name: string) => new RegExp(`\\s${name}="([\\d.]+)(?:px)?"`).exec(tag)?.[1];

/** The same picture at another width, in CSS pixels; its height follows. */
export function scaledTo(svg: string, width: number): string {
  const size = sizeOf(svg);
  const height = Math.round(((size.height * width) / size.width) * 100) / 100;
  const tag = rootTag(svg);
  const kept = tag.replace(/\s(?:width|height)="[^"]*"/g, "").slice("<svg".length);
  const box = /\sviewBox="/.test(kept) ? "" : ` viewBox="0 0 ${size.width} ${size.height}"`;
  return svg.replace(tag, () => `<svg width="${width}" height="${height}"${box}${kept}`);
}

/** The first tag of an SVG: `<svg ...>`. */
export function rootTag(svg: string): string {
  const start = svg.indexOf("<svg");
  return start < 0 ? "" : svg.slice(start, svg.indexOf(">", start) + 1);
}
