import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { failed, printed, result, useKernel } from "./client.js";

const kernel = useKernel();
const { run } = kernel;

test("imports: Node's modules, ESM-only, CommonJS, types, dynamic", async () => {
  expect(result(await run("import * as vega from 'vega'; import { marked } from 'marked'; typeof vega.View + typeof marked"))).toBe(
    "'functionfunction'",
  );
  expect(
    result(await run("import { readFileSync, type Stats } from 'node:fs'; import type { Server } from 'node:http'; typeof readFileSync")),
  ).toBe("'function'");
  expect(result(await run("import ts from 'typescript'; let stats: Stats | Server | undefined; ts.version.length > 2"))).toBe("true");
  expect(result(await run("(await import('marked')).marked.parse('*a*')"))).toContain("<em>a</em>");
  expect(failed(await run("import x from 'no-such-package-anywhere'")).evalue).toContain("Cannot find module 'no-such-package-anywhere'");
});

test("local files: TypeScript, read again after a change, and JSON; the notebook's packages come first", async () => {
  writeFileSync(join(kernel.folder, "helper.ts"), "export enum Level { Low = 1 }\nexport const level: Level = Level.Low;\n");
  writeFileSync(join(kernel.folder, "data.json"), '{"answer": 42}');
  mkdirSync(join(kernel.folder, "node_modules", "marked"), { recursive: true });
  writeFileSync(join(kernel.folder, "node_modules", "marked", "package.json"), '{"name":"marked","type":"module","exports":"./index.js"}');
  writeFileSync(join(kernel.folder, "node_modules", "marked", "index.js"), "export const marked = 'the folder\\'s own';");
  expect(result(await run("import { level } from './helper'; import data from './data.json'; level + data.answer"))).toBe("43");
  writeFileSync(join(kernel.folder, "helper.ts"), "export const level = 10;\n");
  expect(result(await run("import { level } from './helper.ts'; level"))).toBe("10");
  writeFileSync(join(kernel.folder, "outer.ts"), "export { level } from './helper.js';\nimport type {} from './outer';\n");
  expect(result(await run("import { level as through } from './outer'; through"))).toBe("10");
  writeFileSync(join(kernel.folder, "helper.ts"), "export const level = 11;\n");
  expect(result(await run("import { level as again } from './outer'; again"))).toBe("11");
  expect(result(await run("import { marked } from 'marked'; marked"))).toBe(`"the folder's own"`);
  rmSync(join(kernel.folder, "helper.ts"));
  mkdirSync(join(kernel.folder, "helper"));
  writeFileSync(join(kernel.folder, "helper", "index.ts"), "export const level = 'moved';\n");
  expect(result(await run("import { level as moved } from './helper'; moved.length"))).toBe("5");
});

test("packages: one with the name of Node's module hides neither it nor its types, and an upgraded one has its new types", async () => {
  mkdirSync(join(kernel.folder, "node_modules", "events"), { recursive: true });
  writeFileSync(join(kernel.folder, "node_modules", "events", "package.json"), '{"name":"events","types":"index.d.ts"}');
  writeFileSync(join(kernel.folder, "node_modules", "events", "index.d.ts"), "export const EventEmitter: 1;");
  expect(result(await run("import { EventEmitter } from 'events'; new EventEmitter().listenerCount('x')"))).toBe("0");
  expect(result(await run("import { once } from 'node:events'; typeof once"))).toBe("'function'");
  mkdirSync(join(kernel.folder, "node_modules", "late"), { recursive: true });
  const types = (file: string, text: string) => {
    writeFileSync(join(kernel.folder, "node_modules", "late", "package.json"), `{"name":"late","main":"index.js","types":"${file}"}`);
    writeFileSync(join(kernel.folder, "node_modules", "late", file), text);
  };
  writeFileSync(join(kernel.folder, "node_modules", "late", "index.js"), "exports.a = exports.b = 1;");
  types("index.d.ts", "export const a: 1;");
  expect(result(await run("import { a } from 'late'; a"))).toBe("1");
  types("newer.d.ts", "export const b: 1;"); // another version is installed
  expect(result(await run("import { b } from 'late'; b"))).toBe("1");
});

test("a JSON file may begin with a byte order mark, and has the keys that stand in it", async () => {
  writeFileSync(join(kernel.folder, "marked.json"), '\uFEFF{"a": 1, "__proto__": {"b": 2}}');
  expect(result(await run("import marks from './marked.json'; [marks.a, Object.keys(marks).join(), 'b' in marks].join()"))).toBe(
    "'1,a,__proto__,false'",
  );
});

test("the default of CommonJS that was compiled from an ES module is what its types say", async () => {
  const folder = join(kernel.folder, "node_modules", "compiled");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), '{"name":"compiled","main":"index.js","types":"index.d.ts"}');
  writeFileSync(
    join(folder, "index.js"),
    "Object.defineProperty(exports, '__esModule', { value: true }); exports.default = (x) => 2 * x; exports.one = 1;",
  );
  writeFileSync(join(folder, "index.d.ts"), "export default function twice(x: number): number; export const one: 1;");
  expect(result(await run("import twice, { one } from 'compiled'; twice(one)"))).toBe("2");
  expect(result(await run("import { default as doubled } from 'compiled'; doubled(2)"))).toBe("4");
});

test("what a local file imports is read again after a change, too: modules and JSON", async () => {
  writeFileSync(join(kernel.folder, "table.json"), '{"n": 1}');
  writeFileSync(join(kernel.folder, "plain.mjs"), "export const m = 1;\n");
  writeFileSync(
    join(kernel.folder, "both.ts"),
    "import table from './table.json';\nimport { m } from './plain.mjs';\nexport const both = [table.n, m];\n",
  );
  expect(result(await run("import { both } from './both'; both"))).toBe("[ 1, 1 ]");
  writeFileSync(join(kernel.folder, "table.json"), '{"n": 20}');
  expect(result(await run("import { both } from './both'; both"))).toBe("[ 20, 1 ]");
  writeFileSync(join(kernel.folder, "plain.mjs"), "export const m = 20;\n");
  expect(result(await run("import { both } from './both'; import { m } from './plain.mjs'; [...both, m]"))).toBe("[ 20, 20, 20 ]");
});

describe("local CommonJS files are read again after a change", () => {
  const write = (name: string, text: string) => writeFileSync(join(kernel.folder, name), text);

  test("by import, by require, and in those that require them", async () => {
    write("package.json", '{"type": "commonjs"}');
    write("inner.cjs", "exports.n = 1;");
    write("wrapper.js", "exports.runs = Math.random(); exports.n = require('./inner.cjs').n;");
    write("aside.cjs", "exports.runs = Math.random();");
    const all =
      "[(await import('./inner.cjs')).n, require('./inner.cjs').n, (await import('./wrapper.js')).default.n, require('./wrapper.js').n].join()";
    expect(result(await run(all))).toBe("'1,1,1,1'");
    await run("const aside = require('./aside.cjs').runs, outer = require('./wrapper.js').runs;");
    expect(result(await run("[require('./aside.cjs').runs === aside, require('./wrapper.js').runs === outer].join()"))).toBe("'true,true'");
    write("inner.cjs", "exports.n = 20; ");
    expect(result(await run(all))).toBe("'20,20,20,20'");
    expect(result(await run("[require('./aside.cjs').runs === aside, require('./wrapper.js').runs === outer].join()"))).toBe(
      "'true,false'",
    );
  });

  test("and TypeScript of either extension, JSON, and what a module takes from them", async () => {
    write("typed.cts", "export const n: number = 1;\nexport function fail(): never {\n  throw new Error('there');\n}\n");
    write("list.json", "[1]");
    write("user.mts", "import typed from './typed.cjs';\nexport const twice = 2 * typed.n;\n");
    const all =
      "[(await import('./typed.cts')).n, require('./typed.cts').n, require('./list.json')[0], (await import('./user.mts')).twice].join()";
    expect(result(await run(all))).toBe("'1,1,1,2'");
    expect(result(await run("import { n } from './typed.cts'; n"))).toBe("1");
    expect(failed(await run("require('./typed.cts').fail()")).traceback.join("\n")).toContain("(File typed.cts, line 3, column 9)");
    write("typed.cts", "export const n: number = 30;\n");
    write("list.json", "[30]");
    expect(result(await run(all))).toBe("'30,30,30,60'");
  });
});

test("a traceback names the TypeScript lines of local files", async () => {
  writeFileSync(
    join(kernel.folder, "broken.ts"),
    "interface Gone {\n  a: number;\n}\n\nexport function fail(gone?: Gone): never {\n  throw new Error(String(gone));\n}\n",
  );
  const text = failed(await run("import { fail } from './broken';\nfail();")).traceback.join("\n");
  expect(text).toContain("fail (File broken.ts, line 6, column 9)\n        6 | throw new Error");
  expect(text).toContain("line 2, column 1\n        2 | fail();");
  writeFileSync(join(kernel.folder, "throws.ts"), "type Gone = 1;\n\nthrow new Error('at once');\n");
  const atOnce = failed(await run("await import('./throws')")).traceback.join("\n");
  expect(atOnce).toContain("File throws.ts, line 3, column 7");
  expect(atOnce).not.toMatch(/node:internal|dist\/kernel/);
});

test("require loads local TypeScript, whose faults and frames have the reader's places", async () => {
  const lines = [
    "export interface Level { n: number }",
    "",
    "export const two: number = 2;",
    "export function fail(): never {",
    "  throw new RangeError('of the file');",
    "}",
  ];
  writeFileSync(join(kernel.folder, "required.ts"), lines.join("\n"));
  writeFileSync(join(kernel.folder, "halved.ts"), "\nconst = 1;");
  expect(result(await run("const required = require('./required.ts'); required.two"))).toBe("2");
  expect(failed(await run("required.fail()")).traceback.join("\n")).toContain("(File required.ts, line 5, column 9)");
  expect(failed(await run("require('./halved.ts')")).evalue).toMatch(/halved\.ts, line 2, column 7: .*\(TS1\d{3}\)$/);
});

test("import.meta resolves as an import from the notebook's folder would", async () => {
  writeFileSync(join(kernel.folder, "beside.mjs"), "export default 7;");
  expect(result(await run("(await import(import.meta.resolve('./beside.mjs'))).default"))).toBe("7");
  expect(result(await run("import.meta.resolve('./beside.mjs').split('/').at(-1)"))).toBe("'beside.mjs'");
  expect(result(await run("const found = () => import.meta.resolve('zod'); found()"))).toMatch(/^'file:.*node_modules\/zod\//);
  expect(result(await run("[import.meta.dirname, import.meta.resolve('node:fs')].join()"))).toBe(`'${kernel.folder},node:fs'`);
  expect(failed(await run("import.meta.resolve('no-such-package')")).evalue).toContain("Cannot find package 'no-such-package'");
});

test("console.trace prints what it is given, and where", async () => {
  expect(printed(await run("console.trace('here', 1)"), "stderr")).toMatch(/^Trace: here 1\n {4}at Cell In\[\d+\], line 1, column 9\n$/);
});

test.each([
  "Promise.withResolvers",
  "Set.prototype.union",
  "Map.groupBy",
  "Array.fromAsync",
  "''.isWellFormed",
  "new ArrayBuffer(1).transfer",
  "[1].values().map",
  "Array.prototype.toSorted",
])("%s has a type where this Node has it", async (expression) => {
  const isThere = new Function(`return typeof ${expression}`)() === "function";
  const answer = await run(`typeof ${expression}`);
  expect(failed(answer).ename ?? result(answer)).toBe(isThere ? "'function'" : "TypeCheckError");
});

test("a local file that cannot be parsed is named, with the place; no frames of the kernel or of Node follow", async () => {
  writeFileSync(join(kernel.folder, "unfinished.ts"), "export const a = 1;\nexport const = 2;\n");
  const typescript = failed(await run("await import('./unfinished')"));
  expect(typescript.evalue).toContain(`${join(kernel.folder, "unfinished.ts")}, line 2, column 14: `);
  writeFileSync(join(kernel.folder, "unfinished.json"), '{"a":');
  const json = failed(await run("await import('./unfinished.json' as string)"));
  expect(json.evalue).toContain(`${join(kernel.folder, "unfinished.json")}: `);
  const missing = failed(await run("await import('./missing.ts' as string)"));
  const late = await run("setTimeout(JSON.parse, 0, '{'); await new Promise((r) => setTimeout(r, 100));");
  expect(printed(late, "stderr")).toContain("SyntaxError");
  const tracebacks = [typescript, json, missing].flatMap(({ traceback }) => traceback);
  expect([...tracebacks, printed(late, "stderr")].join("\n")).not.toMatch(/at .*(node:internal|dist\/kernel)/);
});
