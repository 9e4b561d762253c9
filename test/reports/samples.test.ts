import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { expect, test } from "vitest";
import { GALLERY } from "../../reports/site/pages.js";
import { runSample, samplesIn } from "../../reports/site/samples.js";
import * as figures from "../../src/figures/index.js";
import { packageRoot } from "../../src/setup/paths.js";

/** The TypeScript in the Markdown that readers get: it is checked against the library's types as it stands, and run where it wants no model, data or server. */

const root = packageRoot();
const pages = ["README.md", "kernel/README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].concat(
  readdirSync(join(root, "notebooks"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".md"))
    .map((file) => `notebooks/${file}`),
);
const samples = pages.flatMap((page) => samplesIn(readFileSync(join(root, page), "utf8")).map((sample) => ({ ...sample, page })));

test("blocks of TypeScript are found with their lines", () => {
  expect(samplesIn("text\n```ts\nlet a;\nlet b;\n```\n```sh\nls\n```\n```ts\nlet c;\n```\n")).toEqual([
    { code: "let a;\nlet b;\n", line: 3 },
    { code: "let c;\n", line: 10 },
  ]);
});

test("every sample has the library's types, as a module of its own; a fault is told with its page and line", () => {
  const wrong = { page: "wrong.md", line: 7, code: 'import { wilson } from "erpo";\nwilson("3", 4);\n' };
  const all = [...samples, wrong];
  const files = new Map(all.map(({ code }, i) => [join(root, `sample-${i}.ts`), `${code}\nexport {};\n`]));
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2022,
    lib: ["lib.es2023.d.ts", "lib.esnext.disposable.d.ts"],
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    types: ["node"],
    strict: true,
    skipLibCheck: true,
    noEmit: true,
  };
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (file) => files.has(file) || fileExists(file);
  host.readFile = (file) => files.get(file) ?? readFile(file);
  host.getSourceFile = (file, target) => {
    const own = files.get(file);
    return own === undefined ? getSourceFile(file, target) : ts.createSourceFile(file, own, target);
  };
  const found = ts.getPreEmitDiagnostics(ts.createProgram([...files.keys()], options, host)).map(({ file, start = 0, messageText }) => {
    const { page, line } = all[Number(/sample-(\d+)/.exec(file?.fileName ?? "")?.[1])] ?? { page: file?.fileName, line: 0 };
    const place = `${page}:${line + (file?.getLineAndCharacterOfPosition(start).line ?? 0)}`;
    return `${place}: ${ts.flattenDiagnosticMessageText(messageText, " ")}`;
  });
  expect(samples.length).toBeGreaterThan(15);
  expect(found).toEqual([expect.stringMatching(/^wrong\.md:8: Argument of type 'string'/)]);
});

const cheap = samples.filter(({ code }) => !/\b(?:openRun|loadModel|fetch)\(/.test(code));

test.each(cheap)("$page:$line runs", async ({ code }) => {
  const shown = await runSample(code);
  if (/\bfigure\(/.test(code)) expect(shown.map(({ data }) => data["image/svg+xml"])).toEqual([expect.stringContaining("<svg")]);
});

test("the gallery has every kind of figure", () => {
  const live = ["sliders", "viewer"]; // a figure of one's own with controls, and a policy that is asked
  const kinds = Object.keys(figures).filter((name) => !["figure", "table", "value", "palette", "FigureError", ...live].includes(name));
  const drawn = samples.filter(({ page }) => page === GALLERY).map(({ code }) => /\bfigure\(\s*(\w+)\(/.exec(code)?.[1]);
  expect(drawn.sort()).toEqual(kinds.sort());
});
