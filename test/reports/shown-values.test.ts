import { expect, test } from "vitest";
import { format } from "../../kernel/session/format.js";
import { draw } from "../../reports/html/draw.js";
import { svg, widget } from "../../src/frontend/index.js";
import { code, contentOf, documentOf, shown } from "./notebooks.js";

/** What the kernel makes of values, as reports show it. */

const reported = async (value: unknown, source = "") => {
  const { data, metadata } = await format(value);
  return contentOf(documentOf([code(source, [shown(data, metadata)])]));
};

test("a widget leaves its still picture as a figure, else a sentence with its state", async () => {
  const picture = ({ n }: { n: number }) => svg(`<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><text>${n}</text></svg>`);
  const still = await reported(widget({ esm: "", state: { n: 2 }, still: picture }), "//| label: fig-w\n//| fig-cap: A counter.");
  expect(still).toMatch(/<figure[^>]* id="fig-w"[\s\S]*<text>2<\/text>[\s\S]*A counter\./);
  expect(await reported(widget({ esm: "", state: { n: 2 } }))).toContain("A widget, which works where the kernel runs. Its state: n = 2.");
});

test("a list of objects is a table with the cell's label and caption", async () => {
  const page = await reported([{ beta: 0.1, name: "<b>" }], "//| label: tbl-r\n//| tbl-cap: Rows.");
  expect(page).toMatch(/id="tbl-r"[\s\S]*Rows\.[\s\S]*<td>0\.1<\/td><td>&lt;b&gt;<\/td>/);
});

test("a specification that another kernel has let pass is named where it draws nothing", async () => {
  const encoding = { x: { field: "x", type: "quantitative" } };
  await expect(draw({ data: { values: [{ x: 1 }] }, mark: "lime", encoding })).rejects.toThrow('figure: mark is "lime"');
  await expect(draw({ data: { values: [] }, mark: "point", encoding })).rejects.toThrow(
    "figure: draws nothing, since data.values has no rows",
  );
  expect(await draw({ data: { values: [{ x: 1 }] }, mark: "point", encoding })).toContain("<svg");
}, 240_000);
