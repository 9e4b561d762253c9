import fc from "fast-check";
import { expect, test } from "vitest";
import { columnFormat, formatValue } from "../../src/figures/numbers.js";
import { tableData, tableHTML, tableText } from "../../src/figures/table.js";

const column = (...values: unknown[]) => {
  const { format } = columnFormat(values);
  return values.map(format);
};

test("numbers of a column have the same decimals", () => {
  expect(column(1, 20, 300)).toEqual(["1", "20", "300"]);
  expect(column(0.1, 0.25, 0.123456)).toEqual(["0.100", "0.250", "0.123"]);
  expect(column(47.25, 27.333333)).toEqual(["47.25", "27.33"]);
  expect(column(1234.5678, 2)).toEqual(["1234.6", "2.0"]);
  expect(column(0.5, null, Number.NaN, undefined)).toEqual(["0.5", "–", "–", "–"]);
  expect(column(2e-5, 1e-6)).toEqual(["2.00e−5", "1.00e−6"]);
  expect(column(-0.001, 1.5)).toEqual(["0.00", "1.50"]);
  expect(column(-1.5, Number.POSITIVE_INFINITY)).toEqual(["−1.5", "∞"]);
  expect(column("a", 0.12345)).toEqual(["a", "0.123"]);
  expect(formatValue(0.95)).toBe("0.95");
});

test("as many numbers as an experiment has rows have a format", () => {
  const { format } = columnFormat(Array.from({ length: 300_000 }, (_, i) => i / 8));
  expect(format(0.125)).toBe("0.1");
});

test("rows and frames give the same table", () => {
  const rows = [
    { stage: "base", refused: 0.04 },
    { stage: "stage 1", refused: 0.875 },
  ];
  const frame = { columns: ["stage", "refused"], values: rows.map(Object.values) };
  expect(tableHTML(tableData(frame))).toBe(tableHTML(tableData(rows)));
  expect(tableText(tableData(rows))).toBe("stage    refused\n-------  -------\nbase       0.040\nstage 1    0.875");
  expect(tableHTML(tableData(rows))).toContain('<th scope="col" class="number">refused</th>');
});

test("a danfo frame", async () => {
  const { DataFrame } = await import("danfojs-node");
  const frame = new DataFrame([
    { a: 1, b: "x" },
    { a: 2, b: "y" },
  ]);
  expect(tableText(tableData(frame as never))).toBe("a  b\n-  -\n1  x\n2  y");
});

test("what is no table is named", () => {
  expect(() => tableData(3 as never)).toThrow("needs a danfo DataFrame or an array of objects");
});

test("no text of a cell becomes markup", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom("<", ">", "&", '"', "'", "script", "/", "=", " ") }), (text) => {
      const html = tableHTML(tableData([{ [text || "x"]: text }]));
      expect(html.replace(/<\/?(?:table|thead|tbody|tr|td|th scope="col"|th)>/g, "")).not.toMatch(/[<>]/);
    }),
  );
});
