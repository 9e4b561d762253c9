import { expect, test } from "vitest";
import { sanitizeSVG } from "../../reports/html/sanitize.js";
import { inlineSVG } from "../../reports/html/svg.js";
import { code, documentOf, shown } from "./notebooks.js";

test("what a style says of a shape stays, as attributes", () => {
  const svg =
    '<svg><path fill="red" style="fill: none; stroke:#123456; stroke-width: 2 !important; behavior: url(x); width: 9px" d="M0,0"/></svg>';
  expect(sanitizeSVG(svg, "")).toBe('<svg><path fill="none" d="M0,0" stroke="#123456" stroke-width="2"></path></svg>');
  expect(sanitizeSVG('<svg><path style="fill:url(https://a.org/x)"/></svg>', "")).toBe("<svg><path></path></svg>");
  expect(sanitizeSVG('<svg><path style="clip-path:url(#c)"/></svg>', "f-")).toBe('<svg><path clip-path="url(#f-c)"></path></svg>');
});

test("a picture with others within is shown whole, in its own size", () => {
  const html = inlineSVG(
    '<svg stroke-width="2" width="30" height="20"><svg x="1"><g></g></svg><rect width="5"/></svg>',
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
