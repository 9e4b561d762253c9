import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import { demoNotebook, mainNotebooks } from "../../src/methods/erpo/plan.js";
import { relatedMethods } from "../../src/methods/related.js";
import { profile } from "../../src/runs/profile.js";
import { solutionsOf } from "./solutions.js";

/** Static checks of the shipped notebooks: nothing is run. */

interface Cell {
  id: string;
  cell_type: "markdown" | "code";
  source: string | string[];
  metadata: { tags?: string[] };
  outputs?: unknown[];
  execution_count?: number | null;
}

interface Notebook {
  nbformat: number;
  nbformat_minor: number;
  metadata: { kernelspec?: unknown; language_info?: { name?: string }; title?: string };
  cells: Cell[];
}

const folder = new URL("../../notebooks/", import.meta.url).pathname;
const names = readdirSync(folder, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ipynb") && !name.startsWith("class/")) // a lecturer's copies
  .sort();
const notebooks = names.map((name) => ({ name, notebook: JSON.parse(readFileSync(join(folder, name), "utf8")) as Notebook }));

const text = ({ source }: Cell): string => (Array.isArray(source) ? source.join("") : source);
const markdown = ({ cells }: Notebook): string[] => cells.filter((c) => c.cell_type === "markdown").map(text);
const code = ({ cells }: Notebook): string[] => cells.filter((c) => c.cell_type === "code").map(text);
const matches = (source: string, pattern: RegExp): string[] => [...source.matchAll(pattern)].map((m) => m[1]!);

/** A heading's line outside of fenced code. */
const headings = (source: string): string[] => matches(source.replace(/^```[\s\S]*?^```/gm, ""), /^(#{1,6} .*)$/gm);

/** Arguments of each call of `name(`, cut at the bracket that closes it; brackets within texts are rare enough to be avoided there. */
function calls(source: string, name: string): string[] {
  return [...source.matchAll(new RegExp(`(?<![\\w.])${name}\\(`, "g"))].map((match) => {
    const start = match.index + match[0].length;
    let depth = 1;
    let end = start;
    for (; end < source.length && depth > 0; end++) depth += "([{".includes(source[end]!) ? 1 : ")]}".includes(source[end]!) ? -1 : 0;
    return source.slice(start, end - 1);
  });
}

/** What can be referred to: labels of figures, tables and values in code, of sections and equations in prose. */
function defined(notebook: Notebook): string[] {
  const source = code(notebook).join("\n");
  const prose = markdown(notebook).join("\n");
  return [
    ...matches(source, /label: "((?:fig|tbl)-[\w-]+)"/g),
    ...matches(source, /\bvalue\(\s*"(val-[\w-]+)"/g),
    ...matches(prose, /\{#((?:sec|eq)-[\w-]+)\}/g),
  ];
}

/** Prose without headings, code, mathematics and references. */
const proseOf = (source: string): string =>
  source
    .replace(/^```[\s\S]*?^```/gm, "")
    .replace(/^#.*$/gm, "")
    .replace(/\$\$[\s\S]*?\$\$/g, "")
    .replace(/`[^`]*`/g, "")
    .replace(/@[\w-]+/g, "");

/** What a reader may not know, where its word means nothing else here. */
const terms: Record<string, RegExp> = {
  frame: /\bframes?\b/i,
  "look-alike": /\blook-alikes?\b/i,
  suite: /\bsuites?\b/i,
  "log-odds": /\blog-odds\b/i,
  verdict: /\bverdicts?\b/i,
  trace: /\btraces?\b/i,
  policy: /(?<!usage )\bpolic(?:y|ies)\b/i,
  "matched-balanced-accuracy": /\bmatched balanced accuracy\b/i,
};

/** The ids of the glossary's headings. */
const glossary = new Set(
  matches(readFileSync(join(folder, "glossary.md"), "utf8"), /^### (.+)$/gm).map((title) =>
    title
      .toLowerCase()
      .replace(/[^\w\s-]/g, "")
      .replaceAll(" ", "-"),
  ),
);

const labels = notebooks.flatMap(({ notebook }) => defined(notebook));

it("has the notebooks of the main job, the demo and one of each related method", () => {
  const expected = [...mainNotebooks, demoNotebook, ...relatedMethods.map(({ name }) => `related/${name}`)].map((name) => `${name}.ipynb`);
  expect(names.filter((name) => !name.includes("/") || name.startsWith("related/"))).toEqual(expected.sort());
});

it("has what related methods refer to in the bibliography", () => {
  const keys = matches(readFileSync(join(folder, "references.bib"), "utf8"), /^@\w+\{([\w-]+),/gm);
  expect(relatedMethods.flatMap(({ references }) => references.filter((key) => !keys.includes(key)))).toEqual([]);
});

it("has a demo whose exercise trains twice as long as its profile does", () => {
  const { notebook } = notebooks.find(({ name }) => name === `${demoNotebook}.ipynb`)!;
  const tokens = matches(markdown(notebook).join("\n"), /"decisionTokens": (\d+)/g).map(Number);
  expect(tokens).toEqual([2 * profile("demo").stage1.decisionTokens]);
});

it("defines no label twice over the whole set", () => {
  expect(labels.filter((label, i) => labels.indexOf(label) !== i)).toEqual([]);
});

it("cites only what the bibliography has", () => {
  const keys = new Set(matches(readFileSync(join(folder, "references.bib"), "utf8"), /^@\w+\{([\w-]+),/gm));
  const cited = notebooks.flatMap(({ notebook }) => markdown(notebook).flatMap((source) => matches(source, /\[@([\w-]+)\]/g)));
  expect(cited.length).toBeGreaterThan(0);
  expect(cited.filter((key) => !keys.has(key))).toEqual([]);
  expect([...keys].filter((key) => !cited.includes(key))).toEqual([]);
});

describe.each(notebooks)("$name", ({ name, notebook }) => {
  const { cells } = notebook;
  const isLesson = name.startsWith("course/"); // its exercises have checks of their own: see course.test.ts

  it("is nbformat 4.5 for the erpo kernel, without outputs", () => {
    expect([notebook.nbformat, notebook.nbformat_minor]).toEqual([4, 5]);
    expect(notebook.metadata.kernelspec).toEqual({ name: "erpo", display_name: "TypeScript (ERPO)", language: "typescript" });
    expect(notebook.metadata.language_info?.name).toBe("typescript");
    const ids = cells.map((cell) => cell.id);
    expect(ids.filter((id) => !/^[A-Za-z0-9_-]{1,64}$/.test(id))).toEqual([]);
    expect(new Set(ids).size).toBe(ids.length);
    for (const cell of cells.filter((c) => c.cell_type === "code")) {
      expect(cell.outputs, cell.id).toEqual([]);
      expect(cell.execution_count, cell.id).toBeNull();
    }
  });

  it("begins with its title, the only heading of the first level", () => {
    const all = markdown(notebook).flatMap(headings);
    expect(all[0]).toMatch(/^# \S/);
    expect(all.filter((heading) => heading.startsWith("# "))).toHaveLength(1);
    expect(notebook.metadata.title).toBe(all[0]!.slice(2));
    expect(text(cells[0]!)).toContain("**Question.**");
    expect(text(cells[0]!)).toContain("**What you should see.**");
  });

  it("has one cell of parameters, those that `erpo start` sets first", () => {
    const tagged = cells.filter((cell) => cell.metadata.tags?.includes("parameters"));
    expect(tagged).toHaveLength(1);
    expect(cells.find((cell) => cell.cell_type === "code")).toBe(tagged[0]);
    expect(matches(text(tagged[0]!), /^let (\w+) = /gm).slice(0, 4)).toEqual(["profileName", "seed", "modelName", "runDir"]);
  });

  it("shows what it makes to be shown: a call that only makes it is a cell's last statement", () => {
    const lost = cells
      .filter((cell) => cell.cell_type === "code")
      .flatMap((cell) => {
        const { statements } = ts.createSourceFile(cell.id, text(cell), ts.ScriptTarget.Latest);
        return statements.slice(0, -1).flatMap((statement) => {
          if (!ts.isExpressionStatement(statement) || !ts.isCallExpression(statement.expression)) return [];
          const { expression: called } = statement.expression;
          return ts.isIdentifier(called) && ["markdown", "html", "svg", "latex"].includes(called.text)
            ? [`${cell.id}: ${called.text}`]
            : [];
        });
      });
    expect(lost).toEqual([]);
  });

  it("has code that fits a column of a page: at most 100 columns", () => {
    const wide = cells
      .filter((cell) => cell.cell_type === "code")
      .flatMap((cell) => {
        return text(cell)
          .split("\n")
          .filter((line) => [...line].length > 100)
          .map((line) => `${cell.id}: ${line.trim()}`);
      });
    expect(wide).toEqual([]);
  });

  it("links the terms of the project to the glossary, each where its prose has it first", () => {
    const path = `${name.includes("/") ? "../" : ""}glossary.md`;
    const prose = markdown(notebook).map(proseOf).join("\n\n");
    const links = [...prose.matchAll(/\[([^\]]+)\]\(([^)#]*glossary\.md)#([\w-]+)\)/g)];
    expect(links.map(([, , to]) => to)).toEqual(links.map(() => path));
    expect(links.map(([, , , term]) => term).filter((term) => !glossary.has(term!))).toEqual([]);
    const unlinked = Object.entries(terms).filter(([term, word]) => {
      const first = prose.search(word);
      const linked = links.some(([, words, , to], i) => to === term && first - links[i]!.index <= words!.length && first > links[i]!.index);
      return first >= 0 && !linked;
    });
    expect(unlinked.map(([term]) => term)).toEqual([]);
  });

  it("puts prose before each group of code, and says what to inspect", () => {
    expect(cells[0]!.cell_type).toBe("markdown");
    const runs = cells.map((cell) => (cell.cell_type === "code" ? "c" : "m")).join("");
    expect(Math.max(...runs.split("m").map((run) => run.length))).toBeLessThanOrEqual(3);
    expect(markdown(notebook).join("\n")).toContain("**What to inspect.**");
  });

  it("gives every figure and table a label and a caption, and every figure a text for those who do not see it", () => {
    const source = code(notebook).join("\n");
    const figures = calls(source, "figure");
    const tables = calls(source, "table");
    if (!name.startsWith("how-to/")) expect(tables.length).toBeGreaterThan(0); // those may have helpers of their own for tables
    for (const call of figures) expect(call).toMatch(/label: "fig-[\w-]+",\s+caption:\s[\s\S]*alt:\s/);
    for (const call of tables) expect(call).toMatch(/label: "tbl-[\w-]+",\s+caption:\s/);
    for (const call of tables) expect(call).toContain("new dfd.DataFrame(");
  });

  it("refers only to what there is", () => {
    const references = markdown(notebook).flatMap((source) =>
      matches(source, /@((?:fig|tbl|val|eq|sec)-[A-Za-z0-9_]+(?:-[A-Za-z0-9_]+)*)/g),
    );
    expect(references.filter((reference) => !labels.includes(reference))).toEqual([]);
  });

  it("labels every displayed equation", () => {
    for (const source of markdown(notebook)) {
      const parts = source.split("$$");
      expect(parts.length % 2, source).toBe(1);
      for (let i = 2; i < parts.length; i += 2) expect(parts[i]).toMatch(/^ \{#eq-[\w-]+\}/);
    }
  });

  it.skipIf(isLesson)("checks its claims in its last cells", () => {
    const at = cells.findIndex((cell) => cell.cell_type === "markdown" && headings(text(cell)).includes("## Checks"));
    expect(at).toBeGreaterThan(0);
    const checks = cells.slice(at).filter((cell) => cell.cell_type === "code");
    expect(checks).toHaveLength(2);
    for (const check of checks) expect(text(check)).toContain("throw new Error(");
  });

  it.skipIf(isLesson)("ends with two exercises", () => {
    const last = text(cells.at(-1)!);
    expect(last).toMatch(/^## Exercises\n/);
    expect(matches(last, /^(\d+)\. /gm)).toEqual(["1", "2"]);
  });

  it.skipIf(isLesson)("has solutions of at most 20 lines", () => {
    const solutions = solutionsOf(cells.at(-1)!);
    expect(solutions).toHaveLength(2);
    expect(solutions.map((code) => code.split("\n").length).filter((lines) => lines > 20)).toEqual([]);
  });
});
