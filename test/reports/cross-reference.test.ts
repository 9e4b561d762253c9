import { copyFileSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { cellSeconds } from "../../reports/document/build.js";
import { pendingText, referenceText } from "../../reports/document/cross-reference.js";
import { plainText } from "../../reports/document/markdown.js";
import type { Target } from "../../reports/document/model.js";
import { writeHTML } from "../../reports/html/write.js";
import { latexWriter } from "../../reports/latex/write.js";
import { writeMarkdown } from "../../reports/markdown/write.js";
import type { CodeCell } from "../../reports/notebook/types.js";
import { readSet, type Writer } from "../../reports/set.js";
import { code, documentOf, md, shown, writeNotebook } from "./notebooks.js";

/** What the last of some notebooks says of `@sec-a` and the others, in one format. */
async function said(write: Writer, titles: readonly string[], text: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "erpo-test-"));
  const paths = titles.map((title, i) =>
    writeNotebook(
      [md(`# ${title}\n\n## Part {#sec-p${i}}\n\n$$a$$ {#eq-p${i}}${i === titles.length - 1 ? `\n\n${text}` : ""}`)],
      `n${i}.ipynb`,
    ),
  );
  const set = await readSet(paths, folder, undefined);
  return String((await write(set.sources.at(-1)!, set)).at(-1)!.content);
}

test("headings are numbered within those above them, and no two ids of a page are the same", () => {
  const document = documentOf([md("# T\n\n## A\n\n### A\n\n### B\n\n## Fig-a\n\n### ?\n\n## A")]);
  expect(document.headings.map(({ number, id }) => `${number} ${id}`)).toEqual([
    ...["1 a", "1.1 a-2", "1.2 b"],
    ...["2 section-fig-a", "2.1 section", "3 a-3"],
  ]);
  expect(documentOf([md("# <i></i>")]).title).toBe("nb");
});

test("footnotes are numbered by their first mention, those within footnotes behind them; of two definitions the first counts", () => {
  const { footnotes } = documentOf([
    md("[^a]: see[^c]\n\n# T\n\nOne[^b], two[^a], three[^b].\n\n[^b]: first\n\n[^c]: last\n\n[^b]: second"),
  ]);
  expect(footnotes.map(({ id, number, mentions }) => `${number} ${id} ${mentions}`)).toEqual(["1 b 2", "2 a 1", "3 c 1"]);
  expect(plainText(footnotes[0]!.tokens)).toBe("first");
});

test("a figure has a number for its caption too; a cell's time is none where it would be negative", () => {
  const svg = { "image/svg+xml": "<svg><path/></svg>" };
  const { blocks } = documentOf([code("", [shown(svg), shown(svg, { "fig-cap": "A" }), shown(svg, { label: "fig-b" })])]);
  expect(blocks.map((block) => block.kind === "figure" && block.number)).toEqual([undefined, 1, 2]);
  const times = (busy: string, idle: string) => ({ metadata: { execution: { "iopub.status.busy": busy, "iopub.status.idle": idle } } });
  const [before, after] = ["2026-01-02T03:04:05Z", "2026-01-02T03:04:07Z"];
  expect(cellSeconds(times(before, after) as unknown as CodeCell)).toEqual({ seconds: 2 });
  expect(cellSeconds(times(after, before) as unknown as CodeCell)).toEqual({});
});

test("a document's own label goes before another one's; a value of another page reads as one's own", () => {
  const document = documentOf([md("# T\n\n$$a$$ {#eq-a}")]);
  const other = { kind: "equation", text: "Equation 7", stem: "other", page: "Other" } as const;
  const targets = new Map<string, Target>([
    ["eq-a", other],
    ["val-a", { ...other, kind: "value", text: "0.5" }],
  ]);
  expect(referenceText("eq-a", { document, targets })).toBe("Equation 1");
  expect(referenceText("val-a", { document, targets })).toBe("0.5");
});

test("what a cell may still make is awaited only while one has not run", () => {
  const awaited = (execution_count: number | null) =>
    pendingText("fig-a", { document: documentOf([{ ...code("f()"), execution_count }]), targets: new Map() });
  expect([awaited(null), awaited(1)]).toEqual(["[figure]", undefined]);
});

const titles = ["Stage 1: learning to assess", "Evaluation: what it cost"];
const text = "Answers only (@sec-p0), by @eq-p0, not @sec-p1.";

test.each<[string, Writer, string]>([
  [
    "HTML",
    writeHTML,
    'Answers only (<a class="reference" href="n0.html#sec-p0">Section 1 of <em>Stage 1</em></a>), by <a class="reference" href="n0.html#eq-p0">Equation 1 of <em>Stage 1</em></a>, not <a class="reference" href="#sec-p1">Section 1</a>.',
  ],
  [
    "Markdown",
    writeMarkdown,
    "Answers only ([Section 1 of *Stage 1*](n0.md)), by [Equation 1 of *Stage 1*](n0.md), not [Section 1](#1-part).",
  ],
  [
    "LaTeX",
    latexWriter("article"),
    "Answers only (Section~\\refinother{n0}{sec-p0}{1} of \\emph{Stage 1}), by Equation~\\refinother{n0}{eq-p0}{1} of \\emph{Stage 1}, not Section~\\ref{sec-p1}.",
  ],
])("a reference to another page says so: %s", async (_, write, expected) => {
  expect(await said(write, titles, text)).toContain(expected);
});

test("a page is called by its whole title where another one begins the same, or where there is no colon", async () => {
  const page = (...titles: string[]) => said(writeMarkdown, titles, "See @sec-p0.");
  expect(await page("Stage 1: one", "Stage 1: two")).toContain("[Section 1 of *Stage 1: one*](n0.md)");
  expect(await page("Start here", "Stage 1: two")).toContain("[Section 1 of *Start here*](n0.md)");
  expect(await page("R2D: pivots: one", "Stage 1: two")).toContain("[Section 1 of *R2D*](n0.md)");
});

test("a page that is rendered without its neighbours names what it means of them, without a link or a warning; a label of nobody is told", async () => {
  const folder = mkdtempSync(join(tmpdir(), "erpo-test-"));
  const cells = [[md("# Stage 1: first\n\n$$a$$ {#eq-a}")], [md("# Two\n\nBy @eq-a, not @eq-lost.")], [md("no notebook")]];
  const paths = cells.map((own, i) => {
    const path = join(folder, `n${i}.ipynb`);
    copyFileSync(writeNotebook(own, `n${i}.ipynb`), path);
    return path;
  });
  writeFileSync(paths[2]!, "{");
  const set = await readSet([paths[1]!], folder, undefined);
  expect(set.failures).toEqual([]);
  const writers: [Writer, string][] = [
    [writeHTML, 'By Equation 1 of <em>Stage 1</em>, not <span class="unresolved">@eq-lost</span>.'],
    [writeMarkdown, "By Equation 1 of *Stage 1*, not `@eq-lost`."],
    [latexWriter("article"), "By Equation~1 of \\emph{Stage 1}, not \\texttt{@eq-lost}."],
  ];
  for (const [write, expected] of writers) expect(String((await write(set.sources[0]!, set)).at(-1)!.content)).toContain(expected);
  expect([...new Set(set.sources[0]!.document.warnings)]).toEqual(["reference @eq-lost leads nowhere"]);
});

test("the text of a figure for those who do not see it names the other page, too", async () => {
  const folder = mkdtempSync(join(tmpdir(), "erpo-test-"));
  const svg = shown({ "image/svg+xml": "<svg/>" }, { label: "fig-b", "fig-cap": "Rates.", "fig-alt": "As @sec-a." });
  const paths = [
    writeNotebook([md("# One: first\n\n## Part {#sec-a}")], "one.ipynb"),
    writeNotebook([md("# Two"), code("1", [svg])], "two.ipynb"),
  ];
  const set = await readSet(paths, folder, undefined);
  const html = String((await writeHTML(set.sources[1]!, set)).at(-1)!.content);
  expect(html).toContain("As Section 1 of One.");
});
