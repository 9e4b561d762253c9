import { INK, RULE } from "../../src/figures/theme.js";
import { compactSVG } from "./compact-svg.js";
import { escapeHTML } from "./escape.js";
import { sanitizeSVG } from "./sanitize.js";

/**
 * A cell's SVG for a place in the page: sanitised, named for screen readers, without a fixed size, and in the page's own text colour where it
 * uses the figures' ink, so that it follows light and dark.
 *
 * @param id unique in the page; ids within the picture begin with it
 * @param name the short text of the picture, `alt` the longer one
 */
export function inlineSVG(svg: string, id: string, name: string, alt: string | undefined): string {
  const clean = sanitizeSVG(svg, `${id}-`).trim();
  const open = /<svg\b([^<>]*)>/.exec(clean);
  if (!open) return `<p class="absent">[a picture that is no SVG was left out]</p>`;
  const attributes = open[1]!;
  const [width, height] = [length(attributes, "width"), length(attributes, "height")];
  const viewBox = /\bviewBox="([^"]*)"/.exec(attributes)?.[1] ?? (width && height ? `0 0 ${width} ${height}` : undefined);
  const kept = attributes.replace(/\s(?:width|height|viewBox|id|xmlns)="[^"]*"/g, "");
  const label = `<title id="${id}-title">${escapeHTML(name)}</title>${alt ? `<desc id="${id}-desc">${escapeHTML(alt)}</desc>` : ""}`;
  const named = `role="img" aria-labelledby="${id}-title${alt ? ` ${id}-desc` : ""}"`;
  const sized = `${viewBox ? ` viewBox="${viewBox}"` : ""}${width ? ` width="${width}"` : ""}${height ? ` height="${height}"` : ""}`;
  const inside = clean.slice(open.index + open[0].length);
  const body = withoutTitle(inside.slice(0, Math.max(0, inside.lastIndexOf("</svg>")))); // there may be others within
  return `<svg${kept} ${named}${sized}>${label}${compactSVG(themed(body))}</svg>`;
}

/** A length in pixels; other units are dropped, for the page's width decides. */
function length(attributes: string, name: string): number | undefined {
  const found = new RegExp(`(?<![\\w-])${name}="([\\d.]+)(?:px)?"`).exec(attributes);
  return found ? Math.ceil(Number(found[1])) : undefined;
}

/** The picture's own name and description give way to the caption's. */
const withoutTitle = (body: string) => body.replace(/^\s*(?:<title[^>]*>[^<]*<\/title>|<desc[^>]*>[^<]*<\/desc>)+/, "");

const PAPER = /^<rect width="[\d.]+" height="[\d.]+" fill="white"(?:\/>|><\/rect>)/;

function themed(body: string): string {
  if (!PAPER.test(body)) return body; // not from here: it keeps its own paper and colours
  return body
    .replace(PAPER, "")
    .replace(/ d="[^"]*"|translate\([\d.,-]*\)/g, (place) => place.replace(/(\.\d)\d+/g, "$1")) // tenths of a pixel
    .replaceAll(`="${INK}"`, '="currentColor"')
    .replaceAll(`stroke="${RULE}"`, 'stroke="currentColor" stroke-opacity="0.18"');
}

/** True where the picture has its own colours and needs paper under it in dark mode. */
export const hasOwnPaper = (html: string): boolean => /^<(?:svg|img)\b/.test(html) && !html.includes("currentColor");
