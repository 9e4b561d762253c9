import { expect, test } from "vitest";
import { svgParts } from "../../reports/document/svg-parts.js";
import { figureSVG } from "../../reports/figure-files.js";
import { sanitizeSVG } from "../../reports/html/sanitize.js";
import { inlineSVG } from "../../reports/html/svg.js";
import { code, contentOf, documentOf, shown } from "./notebooks.js";

test("what a style says of a shape stays, as attributes", () => {
  const svg =
    '<svg><path fill="red" style="fill: none; stroke:#123456; stroke-width: 2 !important; behavior: url(x); width: 9px" d="M0,0"/></svg>';
  expect(sanitizeSVG(svg, "")).toBe('<svg><path fill="none" d="M0,0" stroke="#123456" stroke-width="2"></path></svg>');
  expect(sanitizeSVG('<svg><path style="fill:url(https://a.org/x)"/></svg>', "")).toBe("<svg><path></path></svg>");
  expect(sanitizeSVG('<svg><path style="clip-path:url(#c)"/></svg>', "f-")).toBe('<svg><path clip-path="url(#f-c)"></path></svg>');
});

test("a picture with others within is shown whole, in its own size in whole pixels", () => {
  const html = inlineSVG(
    '<svg stroke-width="2" width="29.2" height="20"><svg x="1"><g></g></svg><rect width="5"/></svg>',
    "b1",
    "Figure 1",
    undefined,
  );
  expect(html).toContain('viewBox="0 0 30 20" width="30" height="20"');
  expect(html).toContain('<rect width="5"');
  expect(html.match(/<svg/g)).toHaveLength(html.match(/<\/svg>/g)!.length);
});

test.each([
  ["its label", '<svg role="img" aria-label="A cart &amp; a pole"><title>x</title></svg>', {}, "A cart & a pole"],
  ["its title", "<svg>\n  <title>A cart</title><g><title>a wheel</title></g></svg>", {}, "A cart"],
  ["nothing of a title within it", "<svg><g><title>a wheel</title></g></svg>", {}, undefined],
  ["the alternative text that it is given", '<svg aria-label="A cart"/>', { "fig-alt": "Two carts" }, "Two carts"],
  ["nothing where its caption speaks for it", '<svg aria-label="A cart"/>', { "fig-cap": "Carts." }, undefined],
])("a picture is described by %s", (_, svg, metadata, alt) => {
  const [block] = documentOf([code("1", [shown({ "image/svg+xml": svg }, metadata)])]).blocks.filter(({ kind }) => kind === "figure");
  expect((block as { alt?: string }).alt).toBe(alt);
});

const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";
const XMLNS = 'xmlns="http://www.w3.org/2000/svg"';
/** As matplotlib writes them: letters and markers are repeated, pixels carried along. */
const LIKE_MATPLOTLIB = `<?xml version="1.0"?>
<svg xmlns:xlink="http://www.w3.org/1999/xlink" width="90pt" height="60pt" viewBox="0 0 90 60" ${XMLNS}>
 <defs>
  <style type="text/css">*{stroke-linejoin: round; stroke-linecap: butt}</style>
 </defs>
 <g id="text_1"><defs><path id="DejaVuSans-30" d="M 31 66 Q 24 66 20 58 z"/><path id="DejaVuSans-31" d="M 12 8 L 28 8"/></defs>
  <use xlink:href="#DejaVuSans-30"/><use xlink:href="#DejaVuSans-31" x="63"/></g>
 <image xlink:href="data:image/png;base64,
${PNG}" width="9" height="9" style="image-rendering:pixelated"/>
</svg>`;
const MASKED = `<svg ${XMLNS}><mask id="m"><rect width="5" height="5" fill="white"/></mask><circle r="4" mask="url(#m)"/></svg>`;
/** As svglite writes them: shapes have the style of their class. */
const LIKE_SVGLITE = `<svg ${XMLNS} class="svglite"><defs><style type="text/css"><![CDATA[ .svglite line { fill: none; } ]]></style></defs><line x2="5"/></svg>`;

const content = (data: Record<string, unknown>) => {
  const document = documentOf([code("1", [shown(data, { "fig-alt": "A plot." })])]);
  return contentOf(document).then((html) => ({ html, warnings: document.warnings }));
};

test("what a picture repeats and the pixels that it carries stay, with names of their own", async () => {
  const { html, warnings } = await content({ "image/svg+xml": LIKE_MATPLOTLIB, "image/png": PNG });
  expect(html).toContain('<path id="b2-DejaVuSans-30" d="M 31 66 Q 24 66 20 58 z"/>');
  expect(html).toContain('<use href="#b2-DejaVuSans-30"/><use href="#b2-DejaVuSans-31" x="63"/>');
  expect(html).toContain(`<image href="data:image/png;base64,${PNG}" width="9" height="9" image-rendering="pixelated"/>`);
  expect(html).toMatch(/<svg stroke-linejoin="round" stroke-linecap="butt"/);
  expect(warnings).toEqual([]);
});

test("of two things that are repeated, each keeps what it says of its lines", () => {
  const path = (id: string) => `<path id="${id}" stroke="#123456" stroke-width="2" stroke-linecap="round" d="M0,0h9"/>`;
  const html = inlineSVG(`<svg><defs>${path("a")}${path("b")}</defs><use href="#a"/></svg>`, "b1", "Figure 1", undefined);
  expect(html).toContain(`<defs>${path("b1-a")}${path("b1-b")}</defs>`);
});

test.each([
  ["a mask", MASKED, ["mask"]],
  ["style sheets", LIKE_SVGLITE, ["style"]],
  ["a use of another file", `<svg ${XMLNS}><use href="other.svg#a"/></svg>`, ["use"]],
])("a picture that needs %s is the PNG beside it, else closed, and told of", async (_, svg, lost) => {
  expect(svgParts(svg)).toEqual({ draws: true, lost });
  const beside = await content({ "image/svg+xml": svg, "image/png": PNG });
  expect(beside.html).toContain(`<img src="data:image/png;base64,${PNG}" alt="A plot.">`);
  expect(beside.warnings).toEqual([]);
  const alone = await content({ "image/svg+xml": svg });
  expect(alone.html).toContain(`<img src="data:image/svg+xml;base64,${Buffer.from(svg).toString("base64")}" alt="A plot.">`);
  expect(alone.warnings).toEqual([
    `the figure of cell 1 needs ${lost[0]} of SVG, so it stands as a closed picture: its text cannot be searched`,
  ]);
});

test("what is in a mask, a pattern or a marker is not drawn as if it stood beside them", async () => {
  expect(await figureSVG({ kind: "figure", cell: 1, picture: { type: "svg", svg: MASKED } })).toBe(
    `<svg ${XMLNS}><circle r="4"></circle></svg>`,
  );
});

test("an SVG that draws nothing does not hide the PNG beside it", async () => {
  const { html } = await content({ "image/svg+xml": `<svg ${XMLNS}><g/></svg>`, "image/png": PNG });
  expect(html).toContain("<img");
});

test("a picture that repeats its parts without end is left out", async () => {
  const twice = Array.from({ length: 30 }, (_, i) => `<g id="a${i}"><use href="#a${i + 1}"/><use href="#a${i + 1}"/></g>`);
  const { warnings } = await content({ "image/svg+xml": `<svg>${twice.join("")}<path id="a30"/></svg>` });
  expect(warnings).toEqual(["nb.ipynb: cell 1: its picture repeats its parts too often to be drawn in time; it was left out"]);
  expect(svgParts('<svg><g id="a"><use href="#a"/></g></svg>')).toEqual({ draws: true, lost: [] });
});
