import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { renderReports } from "../../reports/report.js";
import { code, md, notebookJSON, type RawCell, shown } from "./notebooks.js";

const folder = mkdtempSync(join(tmpdir(), "erpo-test-"));
const file = join(folder, "nb.ipynb");

/** The failure, or the page and the warnings in it. */
async function render(content: string | Uint8Array): Promise<{ failure?: string; page?: string; warnings: string[] }> {
  writeFileSync(file, content);
  const { failures, written } = await renderReports([file], { output: folder });
  if (failures.length) return { failure: failures[0]!, warnings: [] };
  const page = readFileSync(written[0]!, "utf8");
  const list = /<aside class="warnings"[^>]*>([\s\S]*?)<\/aside>/.exec(page)?.[1] ?? "";
  return { page, warnings: [...list.matchAll(/<li>(.*?)<\/li>/g)].map(([, text]) => text!) };
}

const whole = {
  nbformat: 4,
  nbformat_minor: 5,
  metadata: {
    title: "T",
    authors: [{ name: "A" }],
    kernelspec: { name: "erpo", display_name: "TypeScript", language: "typescript" },
    language_info: { name: "typescript", version: "5" },
    erpo: {
      execution: {
        started: "2026-01-02T03:04:05Z",
        seconds: 2,
        source_sha256: "0",
        kernel: "erpo",
        complete: true,
        parameters: {},
        environment: {},
        runs: [{ folder: "../run", files: { "data/train.jsonl": "0" }, lengths: {} }],
        files: [{ file: "own.csv", sha256: "0" }],
        compared: [{ file: "../run/run.json", sha256: "0" }],
      },
    },
  },
  cells: [
    {
      cell_type: "markdown",
      id: "a",
      metadata: {},
      source: ["# T\n", "![a](attachment:a.png)"],
      attachments: { "a.png": { "image/png": "iVBORw==" } },
    },
    {
      cell_type: "code",
      id: "b",
      metadata: {
        tags: ["x"],
        label: "fig-a",
        execution: { "iopub.status.busy": "2026-01-02T03:04:05Z" },
      },
      execution_count: 1,
      source: ["1"],
      outputs: [
        { output_type: "stream", name: "stdout", text: ["x\n"] },
        { output_type: "display_data", metadata: { "image/png": { alt: "a" } }, data: { "image/png": "iVBORw==", "text/plain": ["x"] } },
        { output_type: "execute_result", execution_count: 1, metadata: {}, data: { "application/json": {} } },
        { output_type: "error", ename: "E", evalue: "e", traceback: ["t"] },
      ],
    },
  ],
};

/** The paths to every value inside of `value`. */
const pathsOf = (value: unknown, path: (string | number)[] = []): (string | number)[][] =>
  typeof value !== "object" || value === null
    ? [path]
    : [path, ...Object.entries(value).flatMap(([key, inner]) => pathsOf(inner, [...path, Array.isArray(value) ? Number(key) : key]))];

function replaced(path: readonly (string | number)[], value: unknown): unknown {
  if (path.length === 0) return value;
  const copy = structuredClone(whole) as unknown;
  let place = copy as Record<string | number, unknown>;
  for (const key of path.slice(0, -1)) place = place[key] as typeof place;
  place[path.at(-1)!] = value;
  return copy;
}

/** What may be anything, or is not read. */
const FREE = /^(nbformat_minor|.*\.data\.application\/json|cells\.1\.outputs\.2\.execution_count|.*\.(codemirror_mode|mimetype))$/;
/** Text that may also stand as a list of lines, and an author's name. */
const LINES = /\.(source|text|data\.(image\/png|text\/plain))$|^metadata\.authors\.0$/;
const isLines = (value: unknown) =>
  typeof value === "string" || (Array.isArray(value) && value.every((piece) => typeof piece === "string"));
const kind = (value: unknown) => (value === null ? "null" : Array.isArray(value) ? "list" : typeof value);

test.each(pathsOf(whole).map((path) => [path.join("."), path] as const))("a wrong type in %s", async (name, path) => {
  const before = path.reduce<unknown>((value, key) => (value as Record<string | number, unknown>)[key], whole);
  for (const value of [null, true, 3.5, "text", [], [[3]], {}, { a: 1 }, "\ud800"]) {
    const { failure, page, warnings } = await render(JSON.stringify(replaced(path, value)));
    const what = `${name} = ${JSON.stringify(value)}`;
    if (failure !== undefined) {
      expect(failure, what).toMatch(/^nb\.ipynb: [^\n]{5,150}$/);
      expect(failure, what).not.toMatch(/is not a function|Cannot read|not iterable/); // JavaScript's own words
      if (path.length > 2 && path[0] === "cells") expect(failure, what).toContain(`cell ${Number(path[1]) + 1}`);
    } else {
      expect(page, what).toMatch(/<\/html>\n$/);
      const told = warnings.length > 0 || /class="absent"|not shown in this report/.test(page!);
      const allowed = kind(value) === kind(before) || FREE.test(name) || (LINES.test(name) && isLines(value));
      expect(told || allowed, what).toBe(true);
    }
  }
});

test("a file that was cut off", async () => {
  const text = JSON.stringify(whole);
  for (let length = 0; length < text.length; length += 97)
    expect((await render(text.slice(0, length))).failure).toMatch(/^nb\.ipynb: not JSON \([^\n]+\)$/);
});

const refused: Record<string, [content: string | Uint8Array, cause: RegExp]> = {
  "an empty file": ["", /not JSON/],
  zeros: [new Uint8Array(1000), /not JSON/],
  "a picture": [Buffer.from("iVBORw0KGgoAAAANSUhEUg", "base64"), /not JSON/],
  "UTF-16": [Buffer.from(JSON.stringify(whole), "utf16le"), /not JSON/],
  "a list": ["[]", /not a notebook: the file holds no JSON object/],
  "another JSON file": ['{"name":"erpo"}', /not a notebook: nbformat is missing/],
  "nbformat 2": [
    '{"nbformat":2,"worksheets":[]}',
    /nbformat 2 is not supported; convert it with `jupyter nbconvert --to notebook nb\.ipynb`/,
  ],
  "nbformat 5": ['{"nbformat":5,"cells":[]}', /nbformat 5 is not supported/],
  "brackets without end": ["[".repeat(200_000), /not JSON|nested too deeply/],
};

test.each(Object.entries(refused))("%s is refused", async (_name, [content, cause]) => {
  expect((await render(content)).failure).toMatch(new RegExp(`^nb\\.ipynb: .*(?:${cause.source})`));
});

test("a folder, and nothing at all", async () => {
  const place = join(folder, "folder.ipynb");
  mkdirSync(place);
  const { failures } = await renderReports([place, join(folder, "none.ipynb")], { output: folder });
  expect(failures[0]).toMatch(/folder\.ipynb: is a folder, not a notebook$/);
  expect(failures[1]).toMatch(/none\.ipynb: no such file$/);
});

const nested = (open: string, close: string, depth: number) => open.repeat(depth) + close.repeat(depth);
const json = (depth: number): unknown => {
  let value: unknown = 1;
  for (let i = 0; i < depth; i++) value = [value];
  return value;
};

/** Notebooks that are shown, with what a reader is told of; undefined where there is nothing to tell. */
const shownWith: Record<string, [cells: RawCell[], warning: RegExp | undefined]> = {
  "a byte order mark": [[md("# T")], undefined],
  "half a character": [
    [md("# a \ud800 b"), code("\udfff", [shown({ "text/plain": "\ud83d" }), shown({ "text/html": "<b>\ud83d</b>" })])],
    undefined,
  ],
  "half a character in a formula": [[md("$\ud835$ $$\\text{\udfff}$$")], undefined],
  "base64 that is none": [[code("1", [shown({ "image/png": "not base64!" })])], /cell 1.*cannot be read|no alternative text/],
  "deep quotes": [[md(`a\n\n${">".repeat(5000)} b`)], undefined],
  "deep lists": [[md(Array.from({ length: 500 }, (_, i) => `${" ".repeat(2 * i)}- a`).join("\n"))], undefined],
  "lists too deep to be read in time": [
    [md(Array.from({ length: 1500 }, (_, i) => `${" ".repeat(2 * i)}- a`).join("\n")), md("after")],
    /^nb\.ipynb: cell 1: its lists or quotes are nested too deeply to be read in time; it was left out$/,
  ],
  "signs of emphasis that end nothing": [
    [md("before"), md("_a __b".repeat(30_000)), md("*a **b".repeat(6000)), md("~a ~~b".repeat(6000))],
    /^nb\.ipynb: cell 2: it has too many signs of emphasis \(\*, _, ~\) whose ends are looked for to be read in time; it was left out$/m,
  ],
  "50,000 dollars": [[md("$".repeat(50_000)), md("$a ".repeat(20_000))], undefined],
  "a table of 900,000 cells": [
    [md(`${"|a".repeat(3000)}|\n${"|-".repeat(3000)}|\n${"|b|\n".repeat(300)}`)],
    /^nb\.ipynb: cell 1: a table has more than 200,000 cells, most of them empty, which cannot be read in time; it was left out$/,
  ],
  "lists on one line": [[md("before"), md(`${"- ".repeat(1500)}a`)], /^nb\.ipynb: cell 2: nested too deeply; it was left out$/],
  "50,000 brackets": [["[", "![", "[^", "[@", "[a](", "[a] "].map((text) => md(text.repeat(50_000 / text.length))), undefined],
  "20,000 paragraphs": [[md("some words\n\n".repeat(20_000))], undefined],
  "deep emphasis": [[md(nested("*a **b ", " c** d*", 2000))], undefined],
  "brackets in text": [[md(`${"[".repeat(5000)}a${"]".repeat(5000)} ${"![".repeat(3000)}`)], undefined],
  "braces in a formula": [[md(`$${nested("{", "}", 20_000)}$ $${"\\sqrt{".repeat(5000)}$`)], undefined],
  "dollars, signs and marks": [
    [md(`${"$".repeat(20_000)} ${"@fig-".repeat(3000)} ${"[^".repeat(3000)} ${"[@".repeat(3000)} ${"`".repeat(20_000)}`)],
    undefined,
  ],
  "deep HTML": [[code("1", [shown({ "text/html": nested("<div>", "</div>", 10_000) })])], undefined],
  "deep SVG": [[code("1", [shown({ "image/svg+xml": `<svg>${nested("<g>", "</g>", 10_000)}</svg>` }, { "fig-alt": "a" })])], undefined],
  "a deep value": [[code("1", [shown({ "application/json": json(100_000) })]), md("after")], /cell 1: .*nested too deeply/],
  "one line of a million": [
    [code("x".repeat(1e6), [{ output_type: "stream", name: "stdout", text: "y".repeat(1e6) }])],
    /cell 1: of 1,000,000 characters/,
  ],
  "text without spaces": [
    [md("a".repeat(1e5)), md("a_".repeat(1e4)), md("-".repeat(1e5)), md(" ".repeat(1e5)), md("\\".repeat(1e5))],
    undefined,
  ],
  "10 MB of output": [
    [code("1", [{ output_type: "stream", name: "stdout", text: "some words\n".repeat(1e6) }])],
    /cell 1: of 11,000,000 characters/,
  ],
  "10 MB of HTML": [
    [code("1", [shown({ "text/html": "<p>some words</p>".repeat(6e5) })])],
    /cell 1: HTML of 10,200,000 characters is not shown/,
  ],
  "5,000 cells": [Array.from({ length: 2500 }, (_, i) => [md(`## Part ${i}`), code(`const a${i} = 1;`)]).flat(), undefined],
  "a label twice": [
    [1, 2].map(() => code("1", [shown({ "image/svg+xml": "<svg/>" }, { label: "fig-a", "fig-alt": "a" })])),
    /label fig-a is given twice/,
  ],
};

test.each(Object.entries(shownWith))("%s", async (_name, [cells, warning]) => {
  const before = process.cpuUsage();
  const text = _name === "a byte order mark" ? `\ufeff${notebookJSON(cells)}` : textOf(cells);
  const { failure, page, warnings } = await render(text);
  expect(failure).toBeUndefined();
  expect(page).toMatch(/<\/html>\n$/);
  expect(Buffer.from(page!).toString()).toBe(page); // whole characters
  if (warning) expect(warnings.join("\n")).toMatch(warning);
  expect(page!.length).toBeLessThan(6e6);
  expect(process.cpuUsage(before).user).toBeLessThan(15e6); // microseconds
});

/** `JSON.stringify` gives up on deep values: those are put in as text. */
function textOf(cells: RawCell[]): string {
  try {
    return notebookJSON(cells);
  } catch {
    return notebookJSON([code("1", [shown({ "application/json": "DEEP" })]), md("after")]).replace('"DEEP"', nested("[", "]", 100_000));
  }
}
