import { expect, test } from "vitest";
import { parseNotebook } from "../../reports/notebook/read.js";
import type { CodeCell } from "../../reports/notebook/types.js";
import nbformat from "../fixtures/notebook-version-3.json" with { type: "json" }; // made by test/fixtures/notebook_version_3.py

test("a notebook of nbformat 3 reads as nbformat's own conversion of it", () => {
  const ours = parseNotebook(JSON.stringify(nbformat.old), "old.ipynb");
  const { kernelspec, language_info, ...metadata } = ours.metadata; // nbformat drops the language
  expect({ ...ours, metadata }).toEqual(parseNotebook(JSON.stringify(nbformat.new), "new.ipynb"));
  expect(ours.cells[0]!.source).toBe("## A heading of two lines");
});

test("the language of the code cells chooses the kernel, as in a notebook of nbformat 4", () => {
  const { metadata } = parseNotebook(JSON.stringify(nbformat.old), "old.ipynb");
  expect(metadata.kernelspec).toEqual({ name: "python3", display_name: "Python 3", language: "python" });
  expect(metadata.language_info).toEqual({ name: "python" });
  const read = (code: object, own: object = {}) =>
    parseNotebook(
      JSON.stringify({ nbformat: 3, metadata: own, worksheets: [{ cells: [{ cell_type: "code", input: "", ...code }] }] }),
      "old.ipynb",
    ).metadata;
  expect(read({ language: "haskell" }).kernelspec).toMatchObject({ name: "haskell", language: "haskell" });
  expect(read({}).kernelspec).toBeUndefined();
  const own = { kernelspec: { name: "python2", language: "python" } };
  expect(read({ language: "python" }, own).kernelspec).toEqual(own.kernelspec); // what the notebook itself says counts
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
