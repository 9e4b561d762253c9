import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { mappedFile } from "../../kernel/language/mapped-files.js";
import { failed, printed, result, useKernel } from "./client.js";

describe("names of modules by paths and baseUrl", () => {
  const there =
    (...files: string[]) =>
    (file: string) =>
      files.includes(file);
  const patterns = [
    { pattern: "@lib/*", files: ["/a/lib/*", "/a/other/*"] },
    { pattern: "@lib/deep/*", files: ["/a/deep/*"] },
    { pattern: "@lib/one", files: ["/a/single.ts"] },
    { pattern: "*.data", files: ["/a/data/*.json"] },
  ];
  test.each([
    ["a file", "@lib/x", ["/a/lib/x.ts"], "/a/lib/x.ts"],
    ["the second place", "@lib/x", ["/a/other/x/index.ts"], "/a/other/x/index.ts"],
    ["TypeScript before JavaScript", "@lib/x", ["/a/lib/x.js", "/a/lib/x.ts"], "/a/lib/x.ts"],
    ["a .js that is written in TypeScript", "@lib/x.js", ["/a/lib/x.ts"], "/a/lib/x.ts"],
    ["the longest pattern only", "@lib/deep/x", ["/a/lib/deep/x.ts", "/a/deep/x.ts"], "/a/deep/x.ts"],
    ["an exact one before all", "@lib/one", ["/a/lib/one.ts", "/a/single.ts"], "/a/single.ts"],
    ["text behind the star", "rows.data", ["/a/data/rows.json"], "/a/data/rows.json"],
    ["below baseUrl", "tools/x", ["/a/tools/x.ts"], "/a/tools/x.ts"],
    ["nothing", "lodash", [], undefined],
  ])("%s", (_, specifier, files, found) => {
    expect(mappedFile(specifier, { baseUrl: "/a", patterns }, there(...files))).toBe(found);
  });
});

describe("a folder with paths", () => {
  const kernel = useKernel("", {
    files: {
      "tsconfig.json": '{ "extends": "./base.json", /* a comment */ "compilerOptions": { "paths": { "@lib/*": ["./lib/*"] } } }',
      "base.json": '{ "compilerOptions": { "strict": false, "target": "es5" } }',
      "lib/rates.ts": 'import { twice } from "@lib/math"; export const rate: number = twice(0.5);',
      "lib/math.ts": "export const twice = (x: number) => 2 * x;",
      "lib/plain.js": "export const word = 'plain';",
    },
  });
  const { run } = kernel;

  test("cells and local files import by them, with types; only paths are taken", async () => {
    const code =
      "import { rate } from '@lib/rates'; import { word } from '@lib/plain'; const { twice } = await import('@lib/math'); [rate, word, twice(4)]";
    expect(result(await run(code))).toBe("[ 1, 'plain', 8 ]");
    expect(failed(await run("import { rate as r } from '@lib/rates'; const text: string = r;")).evalue).toContain(
      "Type 'number' is not assignable to type 'string'",
    );
    expect(failed(await run("import '@lib/nowhere'")).status).toBe("error");
    expect(failed(await run("const strict = (x: string | null) => x.length;")).evalue).toContain("possibly 'null'");
  });

  test("a file that another one imports by them is read again when it has changed", async () => {
    writeFileSync(join(kernel.folder, "lib", "math.ts"), "export const twice = (x: number) => 20 * x;");
    expect(result(await run("import { rate } from '@lib/rates'; rate"))).toBe("10");
  });

  test("JSX says which setting it needs", async () => {
    const { ename, traceback } = failed(await run("const page = <b>text</b>;"));
    expect(ename).toBe("SyntaxError");
    expect(traceback.at(-1)).toMatch(/^Hint: JSX is compiled where tsconfig\.json .* has "jsx": "react-jsx"/);
    expect(failed(await run("const x: number = ;")).traceback.join("\n")).not.toContain("JSX");
  });
});

describe("a folder with jsx", () => {
  const { run } = useKernel("", {
    files: {
      "tsconfig.json": '{ "compilerOptions": { "jsx": "react-jsx", "jsxImportSource": "tiny" } }',
      "node_modules/tiny/package.json":
        '{ "name": "tiny", "exports": { "./jsx-runtime": { "types": "./jsx.d.ts", "default": "./jsx.js" } } }',
      "node_modules/tiny/jsx.js": "exports.jsx = exports.jsxs = (tag, props) => ({ tag, props });",
      "node_modules/tiny/jsx.d.ts": `export namespace JSX { interface Element { tag: unknown; props: { children?: unknown } } interface IntrinsicElements { b: { id?: string; children?: unknown } } }
        export function jsx(tag: unknown, props: object): JSX.Element; export { jsx as jsxs };`,
      "view.tsx": "export const view = (text: string) => <b id={text}>in a file</b>;",
    },
  });

  test("cells and local files compile it, with types", async () => {
    const code =
      "const _jsx = 1; const bold = <b id='x'>text {1 + 1}</b>; console.log(JSON.stringify(bold), _jsx); const again = () => <b />;";
    expect(printed(await run(code))).toBe('{"tag":"b","props":{"id":"x","children":["text ",2]}} 1\n');
    expect(result(await run("import { view } from './view'; [again().tag, view('y').props]"))).toBe(
      "[ 'b', { id: 'y', children: 'in a file' } ]",
    );
    expect(failed(await run("<b id={3} />")).evalue).toContain("Type 'number' is not assignable to type 'string'");
    expect(failed(await run("<i />")).evalue).toContain("Property 'i' does not exist");
    expect(printed(await run("for (const n of [1]) console.log(await Promise.resolve(<b id={String(n)} />))"))).toContain("id: '1'");
  });
});

describe("a folder whose JSX is calls of React.createElement", () => {
  const { run } = useKernel("", {
    files: {
      "tsconfig.json": '{ "compilerOptions": { "jsx": "react" } }',
      "node_modules/react/package.json": '{ "name": "react", "types": "index.d.ts", "main": "index.js" }',
      "node_modules/react/index.js":
        "exports.Fragment = 'all'; exports.createElement = (tag, props, ...children) => ({ tag, props, children });",
      "node_modules/react/index.d.ts": `export namespace JSX { interface Element { tag: unknown; children: unknown[] } interface IntrinsicElements { b: { id?: string; children?: unknown } } }
        export const Fragment: (props: { children?: unknown }) => JSX.Element; export function createElement(tag: unknown, props: object | null, ...children: unknown[]): JSX.Element;`,
    },
  });

  test("what an earlier cell has imported or declared as React is what makes it", async () => {
    await run("import * as React from 'react';");
    expect(result(await run("<b id='x' />"))).toBe("{ tag: 'b', props: { id: 'x' }, children: [] }");
    const made = await run("const made = () => <>{1}</>; made().children");
    expect(failed(made).evalue ?? result(made)).toBe("[ 1 ]");
    await run("import * as other from 'react'; const React = { ...other, createElement: (tag: unknown) => ({ tag, children: [2] }) };");
    expect(result(await run("[(<b />).children, made().children]"))).toBe("[ [ 2 ], [ 2 ] ]");
    expect(result(await run("import * as React from 'react'; const once = () => <b />; [once().tag, (<b />).tag]"))).toBe("[ 'b', 'b' ]");
  });
});
