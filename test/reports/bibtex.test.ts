import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { readBibTeX } from "../../reports/document/bibtex.js";
import { describeEntry } from "../../reports/document/reference-text.js";
import { addReferences } from "../../reports/document/references.js";
import { bibliographyFile } from "../../reports/latex/bibliography.js";
import { renderReports } from "../../reports/report.js";
import { packageRoot } from "../../src/setup/paths.js";
import { documentOf, md, writeNotebook } from "./notebooks.js";

const raw = String.raw;

/** The reference of the entry `a`, and what the reader says. */
async function read(bib: string, key = "a") {
  const { entries, problems } = await readBibTeX(bib, [key], "references.bib");
  return { entry: entries[0], problems, ...(entries[0] && describeEntry(entries[0])) };
}

const authors = async (text: string) => (await read(`@misc{a, title={T}, author={${text}}}`)).text;

/** As BibTeX 0.99d and `plain.bst` print them, but for the two that it turns round. */
const NAMES: [bib: string, shown: string][] = [
  [raw`Kaiser, {\L}ukasz`, "Łukasz Kaiser. "],
  [raw`{\L}ukasz Kaiser`, "Łukasz Kaiser. "],
  ["Hinton, Jr., Geoffrey", "Geoffrey Hinton, Jr. "],
  ["Hinton, Geoffrey, Jr.", "Geoffrey Hinton, Jr. "],
  ["Geoffrey Hinton, Jr.", "Geoffrey Hinton, Jr. "],
  ["Gates, Bill, III", "Bill Gates, III. "],
  ["Vapnik, V", "V Vapnik. "],
  ["von der Leyen, Ursula", "Ursula von der Leyen. "],
  ["Ursula von der Leyen", "Ursula von der Leyen. "],
  [raw`de la Vall{\'e}e Poussin, Charles`, "Charles de la Vallée Poussin. "],
  [raw`van~den Oord, A{\"a}ron`, "Aäron van den Oord. "],
  ["{Qwen Team}", "Qwen Team. "],
  ["{Barnes and Noble, Inc.} and OpenAI", "Barnes and Noble, Inc. and OpenAI. "],
  [raw`G{\"o}del, Kurt and Erd\H{o}s, P{\'a}l and {\O}rsted, H. C.`, "Kurt Gödel, Pál Erdős and H. C. Ørsted. "],
  [raw`Fran{\c{c}}ois Chollet and {\AA}str{\"o}m, K. and \v{S}afa\v{r}\'{i}k, P.`, "François Chollet, K. Åström and P. Šafařík. "],
  [raw`Na{\"\i}m, Jos\'e`, "José Naïm. "],
  ["Park, Ryan and others", "Ryan Park et al. "],
  ["A, B and C, D and E, F and G, H", "B A et al. "],
];

test.each(NAMES)("the authors %s", async (bib, shown) => {
  expect(await authors(bib)).toBe(shown);
});

test.each([
  [raw`The {Nested {BRACES} of {\LaTeX}} and \TeX\ and {B}ib`, "The Nested BRACES of LaTeX and TeX and Bib"],
  [raw`A -- B~C \& 5\% of \emph{it}, \textbf{so}`, "A – B C & 5% of it, so"],
  ["p < 0.05 and <i>x</i> > 1", "p < 0.05 and <i>x</i> > 1"],
  [raw`On $\alpha$ and \unknown{this} one`, "On α and this one"],
  ["Sentences Keep {their} Capitals", "Sentences Keep their Capitals"],
])("the title %s", async (bib, shown) => {
  expect(await read(`@misc{a, title={${bib}}}`)).toMatchObject({ title: shown, problems: [] });
  expect(await read(`@misc{a, title="${bib.replace(/"/g, "{\\quotedbl}")}"}`)).toMatchObject({ title: shown, problems: [] });
});

test("strings, months, parents and the first of two entries", async () => {
  const bib = raw`@comment{@misc{a, title={No}}}
@string{jml = "Journal of {ML}"}
@Article{a, title={A}, journal=jml # " 2", month=mar, year=2020, pages={1--20}, volume={3}, crossref={p}}
@article{a, title={B}}
@proceedings{p, title={P}, publisher={X and Y}}`;
  const { entry, rest, title, problems } = await read(bib);
  expect({ rest, title, problems }).toEqual({ rest: "Journal of ML 2, vol. 3, pp. 1–20", title: "A", problems: [] });
  expect(entry).toMatchObject({ type: "article", fields: { month: "March" } });
});

test("editors stand for authors that are lacking; nobody but others is nobody; the preprint is known by either field", async () => {
  expect((await read("@book{a, title={A}, editor={Hinton, Geoffrey}}")).text).toBe("Geoffrey Hinton. ");
  expect((await read("@misc{a, title={A}, author={others}, year=2020}")).text).toBe("2020. ");
  const preprint = { rest: "arXiv:2504.02725", url: "https://arxiv.org/abs/2504.02725" };
  for (const field of ["archiveprefix", "eprinttype"])
    expect(await read(`@misc{a, title={A}, ${field}={arXiv}, eprint={2504.02725}}`)).toMatchObject(preprint);
});

test("addresses stay as they are", async () => {
  const bib =
    raw`@misc{a, title={A}, url={https://a.org/~me/x--y\_z?a=1\&b=%20c#d}}` +
    "\n@misc{b, title={B}, doi={https://doi.org/10.1/a--b}}\n@misc{c, title={C}, url={\\url{https://c.org/a_b}}}\n@misc{d, title={D}, url={javascript:x}}";
  expect((await read(bib)).url).toBe("https://a.org/~me/x--y_z?a=1&b=%20c#d");
  expect((await read(bib, "b")).url).toBe("https://doi.org/10.1/a--b");
  expect((await read(bib, "c")).url).toBe("https://c.org/a_b");
  expect((await read(bib, "d")).url).toBeUndefined();
});

test.each([
  ["@misc{x}\n\n@misc{b, title={B}\n\n@misc{a, title={A}}", "line 3: entry b cannot be read and was left out (Token mismatch, expected"],
  ["@misc{a, title={A}}\n@misc{b, title={B} year=2020}\n@misc{b2,\n title={", "line 3: entry b2 cannot be read"],
  ["@misc{a, title={A}, year=soon}", "line 1: @string soon is not defined; its name stands in its place"],
  [`@string{s = "${"{".repeat(20_000)}${"}".repeat(20_000)}"}\n@misc{a, title={A}}`, "references.bib"],
  [`@misc{a, title={A}, note={${"word ".repeat(8000)}}}`, "line 1: entry a is too long to be read and was left out"],
])("what is broken is told of in one line with its place", async (bib, told) => {
  const { problems } = await read(bib);
  expect(problems).toHaveLength(1);
  expect(problems[0]).toMatch(/^references\.bib[^\n]{10,300}$/);
  expect(problems[0]).toContain(told);
});

test("a cited entry that is broken is not shown in part", async () => {
  const folder = mkdtempSync(join(tmpdir(), "erpo-test-"));
  writeFileSync(join(folder, "references.bib"), "@misc{good, title={G}}\n@misc{bad, title={B} year=2020}\n");
  const document = documentOf([md("[@good; @bad] [@good] [@none]")]);
  await addReferences(document, folder);
  expect(document.citations).toEqual(["good"]);
  expect(document.warnings).toEqual([
    expect.stringMatching(/^references\.bib, line 2: entry bad cannot be read and was left out \(.+ at line 2, column 22\)$/),
    "citation @bad is not in references.bib",
    "citation @none is not in references.bib",
  ]);
});

test("a citation keeps what its author wrote before and behind the key, whether the key is found or not", async () => {
  const output = mkdtempSync(join(tmpdir(), "erpo-test-"));
  const notebook = writeNotebook([md("# T\n\nSo [see @known p. 2; but @nobody, p. 3].")]);
  writeFileSync(join(notebook, "../references.bib"), "@misc{known, title={T}}\n");
  await renderReports([notebook], { output, to: ["html", "markdown", "latex"] });
  const text = (file: string) => readFileSync(join(output, file), "utf8");
  expect(text("nb.html").replace(/<[^>]*>/g, "")).toContain("So [see 1 p. 2; but nobody?, p. 3].");
  expect(text("nb.md")).toContain("So \\[see [1](#references) p. 2; but nobody?, p. 3\\].");
  expect(text("latex/nb.tex")).toContain("So \\cite[see][p. 2]{known} {[}but \\textbf{nobody?}, p. 3{]}.");
});

test("a large file costs what is asked for of it", async () => {
  const abstract = `abstract = {${"Many {words} in it. ".repeat(50)}}`;
  const bib = Array.from({ length: 5000 }, (_, i) => `@article{k${i},\n  title = {Title ${i}},\n  ${abstract}\n}`).join("\n\n");
  await read("@misc{a, title={A}}"); // loads the parser
  const before = process.cpuUsage();
  expect((await read(bib, "k4999")).title).toBe("Title 4999");
  expect(process.cpuUsage(before).user).toBeLessThan(3e6); // microseconds; all of it takes a minute
});

test("any text is read or told of", async () => {
  const part = fc.constantFrom("@", "{", "}", '"', ",", "=", "#", "a", "\\", "$", "\n", "title", "@misc{k,", "@string{", "crossref={k}");
  await fc.assert(
    fc.asyncProperty(fc.array(part, { maxLength: 30 }), async (parts) => {
      const { problems } = await readBibTeX(parts.join(""), ["k"], "references.bib");
      for (const line of problems) expect(line).toMatch(/^references\.bib[^\n]*$/);
    }),
    { numRuns: 50 },
  );
});

test("a key may have letters beyond ASCII; for LaTeX they are code points, so that no two keys become one", async () => {
  const folder = mkdtempSync(join(tmpdir(), "erpo-test-"));
  writeFileSync(join(folder, "references.bib"), "@misc{müller2020, title={M}}\n@misc{möller2020, title={O}}\n");
  const document = documentOf([md("See [@müller2020; @möller2020, p. 3].")]);
  await addReferences(document, folder);
  expect(document.warnings).toEqual([]);
  expect(document.citations).toEqual(["müller2020", "möller2020"]);
  expect([...bibliographyFile([document]).matchAll(/@misc\{(.*),/g)].map(([, key]) => key)).toEqual(["mufcller2020", "muf6ller2020"]);
});

test("LaTeX's file keeps what is a name", async () => {
  const list = "{Barnes and Noble, Inc.} and von der Leyen, Ursula and Hinton, Geoffrey, Jr. and OpenAI and others";
  const { entries } = await readBibTeX(`@misc{a, title={T {X}}, author={${list}}, month=mar}`, ["a"], "references.bib");
  const document = { citations: ["a"], bibliography: new Map([["a", entries[0]!]]) };
  expect(bibliographyFile([document as never])).toBe(`@misc{a,
  author = {{Barnes and Noble, Inc.} and von der Leyen, Ursula and Hinton, Jr., Geoffrey and OpenAI and others},
  title = {{T X}},
  month = {March}
}
`);
});

test("in LaTeX's file a team is in braces, a long name is cut, pages have a dash, and the first entry of a key counts", async () => {
  const bib = (title: string) => `@article{a, author={{Qwen} and {${"Team ".repeat(30)}}}, title={${title}}, pages={1--20}}`;
  const documents = await Promise.all(
    ["T", "U"].map(async (title) => {
      const { entries } = await readBibTeX(bib(title), ["a"], "references.bib");
      return { citations: ["a"], bibliography: new Map([["a", entries[0]!]]) } as never;
    }),
  );
  expect(bibliographyFile(documents)).toBe(`@article{a,
  author = {{Qwen} and {${"Team ".repeat(20)}...}},
  title = {{T}},
  pages = {1--20}
}
`);
});

test("a title or a journal that ends in a dot or a question mark gets no other dot", async () => {
  const bib =
    "@article{a, author={A. B.}, year={2020}, title={Is it?}, journal={J. \\& K.}}\n@article{b, author={C}, year={2021}, title={It is}, journal={L}}";
  const notebook = writeNotebook([md("# T\n\n[@a; @b]")]);
  writeFileSync(join(dirname(notebook), "references.bib"), bib);
  const lists = await Promise.all(
    (["html", "markdown"] as const).map(async (format) => {
      const { written } = await renderReports([notebook], { output: join(dirname(notebook), format), to: [format] });
      return readFileSync(written.find((file) => /\.(?:html|md)$/.test(file))!, "utf8")
        .replace(/<[^>]*>/g, "")
        .replaceAll("*", "");
    }),
  );
  for (const text of lists) {
    expect(text).toMatch(/A\. B\. 2020\. \S*Is it\?\S* J\. \\?&(?:amp;)? K\.$/m);
    expect(text).toMatch(/C\. 2021\. \S*It is\S*\. L\.$/m);
  }
});

test("what the notebooks cite has authors, a title and an address", async () => {
  const text = readFileSync(join(packageRoot(), "notebooks", "references.bib"), "utf8");
  const keys = [...text.matchAll(/^@\w+\{([^,]+)/gm)].map(([, key]) => key!);
  const { entries, problems } = await readBibTeX(text, keys, "references.bib");
  expect(problems).toEqual([]);
  expect(entries.map(({ key }) => key)).toEqual(keys);
  for (const entry of entries)
    expect(describeEntry(entry)).toMatchObject({ text: expect.stringMatching(/^\S.*\. \d{4}\. $/), url: expect.stringMatching(/^https/) });
  expect(describeEntry(entries.find(({ key }) => key === "rdpo2024")!).text).toBe("Ryan Park et al. 2024. ");
});
