import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { buildDocument } from "../../reports/document/build.js";
import { explainTerms } from "../../reports/document/glossary.js";
import type { Notebook } from "../../reports/notebook/types.js";

const folder = mkdtempSync(join(tmpdir(), "erpo-glossary-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
mkdirSync(join(folder, "how-to"));
writeFileSync(
  join(folder, "glossary.md"),
  `# Glossary

### Frame

A frame is a sentence with a gap. (See [decoding](#decoding).)

A second paragraph is for the glossary's own page.

### McNemar's test

It compares two policies.

### Größe

How large
it is.
`,
);

test("a term becomes a footnote with the glossary's definition, once, however often it is linked", () => {
  const cells = ["A [frame](glossary.md#frame).", "More [frames](glossary.md#frame), and [the test](glossary.md#mcnemars-test)."];
  const { sources, warnings } = explainTerms(cells, join(folder, "a.ipynb"));
  expect(warnings).toEqual([]);
  expect(sources[0]).toBe("A frame[^term-frame].");
  expect(sources[1]!.split("\n\n")).toEqual([
    "More frames[^term-frame], and the test[^term-mcnemars-test].",
    "[^term-frame]: **Frame.** A frame is a sentence with a gap. (See decoding.)",
    "[^term-mcnemars-test]: **McNemar's test.** It compares two policies.",
  ]);
});

test("a term's heading may have other letters than those of English", () => {
  const { sources, warnings } = explainTerms(["[Size](glossary.md#größe), [sizes](glossary.md#gr%C3%B6%C3%9Fe)."], join(folder, "a.ipynb"));
  expect(warnings).toEqual([]);
  expect(sources[0]).toBe("Size[^term-größe], sizes[^term-größe].\n\n[^term-größe]: **Größe.** How large it is.");
});

test("the glossary above a notebook's folder counts; a term that it lacks is left as words, and told of", () => {
  const { sources, warnings } = explainTerms(
    ["A [frame](../glossary.md#frame) and [nonsense](../glossary.md#nonsense)."],
    join(folder, "how-to/b.ipynb"),
  );
  expect(sources[0]).toMatch(/^A frame\[\^term-frame\] and nonsense\.\n\n\[\^term-frame\]: /);
  expect(warnings).toEqual(["the term nonsense is not in glossary.md"]);
});

test("a notebook that stands elsewhere, such as an executed one, takes the terms of erpo's own glossary", () => {
  const { sources } = explainTerms(["[Verdicts](glossary.md#verdict) count."], join(tmpdir(), "no-glossary-here/c.ipynb"));
  expect(sources[0]).toMatch(/^Verdicts\[\^term-verdict\] count\.\n\n\[\^term-verdict\]: \*\*Verdict\.\*\* \S/);
});

test("a page has no link to the glossary's file, and a footnote for each term", () => {
  const source = "# Title\n\nA [frame](glossary.md#frame), and another [frame](glossary.md#frame).";
  const notebook = { nbformat: 4, nbformat_minor: 5, metadata: {}, cells: [{ cell_type: "markdown", id: "a", metadata: {}, source }] };
  const document = buildDocument(notebook as unknown as Notebook, join(folder, "page.ipynb"));
  expect(document.footnotes).toHaveLength(1);
  expect(document.warnings).toEqual([]);
  expect(JSON.stringify(document.blocks)).not.toContain("glossary.md");
});
