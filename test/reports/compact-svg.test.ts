import { expect, test } from "vitest";
import { compactSVG } from "../../reports/html/compact-svg.js";

test("groups that say nothing go, and what neighbours share is said once", () => {
  const long = 'fill="none" stroke-width="2" stroke="#24292f"';
  expect(compactSVG(`<g><g transform="translate(0,0)"><path ${long} d="M0,0h1"></path><path ${long} d="M0,1h1"></path></g></g>`)).toBe(
    `<g ${long}><path d="M0,0h1"/><path d="M0,1h1"/></g>`,
  );
});

test("opacity and transforms, which are not handed down, stay where they are", () => {
  const svg = '<g opacity="0.5" transform="translate(1,2)"><rect opacity="0.5" width="3"/></g>';
  expect(compactSVG(svg)).toBe(svg);
});

test("Vega's disc is a circle", () => {
  expect(compactSVG('<path transform="translate(1.5,-2)" d="M3,0A3,3,0,1,1,-3,0A3,3,0,1,1,3,0" fill="red"></path>')).toBe(
    '<circle cx="1.5" cy="-2" r="3" fill="red"/>',
  );
});

test("discs of one colour say once how transparent they are; those with an outline keep that of the whole", () => {
  const disc = (x: number, more: string) =>
    `<path transform="translate(${x},2)" d="M3,0A3,3,0,1,1,-3,0A3,3,0,1,1,3,0" fill="red" ${more}></path>`;
  const circle = (x: number, more = "") => `<circle cx="${x}" cy="2" r="3"${more}/>`;
  expect(compactSVG([1, 2, 3].map((x) => disc(x, 'opacity="0.35"')).join(""))).toBe(
    `<g fill-opacity="0.35" fill="red">${[1, 2, 3].map((x) => circle(x)).join("")}</g>`,
  );
  expect(compactSVG([1, 2, 3].map((x) => disc(x, 'stroke="blue" opacity="0.35"')).join(""))).toBe(
    `<g fill="red" stroke="blue">${[1, 2, 3].map((x) => circle(x, ' opacity="0.35"')).join("")}</g>`,
  );
});

test("parts of texts, gradients and clip paths get no group, and texts keep their words", () => {
  for (const svg of [
    '<text>a <tspan fill="red" font-size="12px">b</tspan><tspan fill="red" font-size="12px">c</tspan> &lt;d</text>',
    '<clipPath id="c"><rect fill="black" stroke="black" width="1"/><rect fill="black" stroke="black" width="2"/></clipPath>',
    '<linearGradient id="g"><stop color="red" offset="0"/><stop color="red" offset="1"/></linearGradient>',
  ]) {
    expect(compactSVG(svg)).toBe(svg);
  }
});
