import { copyFileSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { writeHTML } from "../../reports/html/write.js";
import { latexWriter } from "../../reports/latex/write.js";
import { writeMarkdown } from "../../reports/markdown/write.js";
import { readSet, type Writer } from "../../reports/set.js";
import { code, md, shown, writeNotebook } from "./notebooks.js";

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
