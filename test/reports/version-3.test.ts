import { expect, test } from "vitest";
import { parseNotebook } from "../../reports/notebook/read.js";
import type { CodeCell } from "../../reports/notebook/types.js";
import nbformat from "../fixtures/notebook-version-3.json" with { type: "json" }; // made by test/fixtures/notebook_version_3.py

test("a notebook of nbformat 3 reads as nbformat's own conversion of it", () => {
  const ours = parseNotebook(JSON.stringify(nbformat.old), "old.ipynb");
  expect(ours).toEqual(parseNotebook(JSON.stringify(nbformat.new), "new.ipynb"));
  expect(ours.cells[0]!.source).toBe("## A heading of two lines");
});

test("JSON of an output is a value, or the text that it is where it cannot be parsed", () => {
  const shown = (json: string) => {
    const cells = [{ cell_type: "code", input: "", outputs: [{ output_type: "display_data", json }] }];
    const { cells: read } = parseNotebook(JSON.stringify({ nbformat: 3, worksheets: [{ cells }] }), "old.ipynb");
    return (read[0] as CodeCell).outputs[0];
  };
  expect(shown('{"a": [1]}')).toMatchObject({ data: { "application/json": { a: [1] } } });
  expect(shown("{")).toMatchObject({ data: { "application/json": "{" } });
});

test.each([
  [{ worksheets: undefined }, "cells is missing or no list"],
  [{ worksheets: [{ cells: [3] }] }, "cell 1: is no object"],
  [{ worksheets: [{ cells: [{ cell_type: "code", input: 3 }] }] }, "cell 1: source must be text"],
  [
    { worksheets: [{ cells: [{ cell_type: "code", input: "", outputs: [{ output_type: "display_data", png: 3 }] }] }] },
    "cell 1: output 1: image/png",
  ],
])("what is wrong in one is named: %o", (change, message) => {
  expect(() => parseNotebook(JSON.stringify({ ...nbformat.old, ...change }), "old.ipynb")).toThrow(
    `old.ipynb: ${message.includes("cells is") ? "not a notebook: " : ""}${message}`,
  );
});
