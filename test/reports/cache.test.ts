import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { cacheKey, type KeyParts } from "../../reports/execute/cache-key.js";
import { type ExecuteResult, executeNotebook } from "../../reports/execute/execute.js";
import { findKernel } from "../../reports/execute/kernelspec.js";
import { parseNotebook, readNotebook } from "../../reports/notebook/read.js";
import type { CodeCell } from "../../reports/notebook/types.js";
import { renderReports } from "../../reports/report.js";
import { erpo } from "./cli.js";
import { code, md, notebookJSON, type RawCell, writeNotebook } from "./notebooks.js";
import { useOwnCache } from "./own-cache.js";

const cache = useOwnCache();

/** A notebook in a folder of its own, run through the cache: its result and what it printed. */
function project(cells: RawCell[], files: Record<string, string> = {}, metadata: Record<string, unknown> = {}) {
  const path = writeNotebook(cells, "nb.ipynb", metadata);
  const folder = dirname(path);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const run = async (options: { parameters?: Record<string, unknown>; after?: string[] } = {}) => {
    const { parameters = {}, after = [] } = options;
    const result = await executeNotebook(path, { output: join(folder, "out", "nb.ipynb"), parameters, cache: { after } });
    return { ...result, printed: printed(result) };
  };
  return { path, folder, run };
}

const printed = ({ output }: ExecuteResult): string =>
  readNotebook(output)
    .notebook.cells.filter((cell): cell is CodeCell => cell.cell_type === "code")
    .flatMap((cell) => cell.outputs.map((shown) => (shown.output_type === "stream" ? shown.text : "")))
    .join("");

/** Paths that the cache has noted for the notebooks of a folder. */
function noted(folder: string): { access: string; path: string }[] {
  const files = readdirSync(join(cache, "notebooks"), { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".json"));
  const stored = files.map((name) => JSON.parse(readFileSync(join(cache, "notebooks", name), "utf8").split("\n")[1]!));
  return stored.flatMap(({ files }) => files).filter(({ path }: { path: string }) => path.startsWith(folder));
}

test("a notebook is taken from the cache until something that it depends on changes", async () => {
  const { path, folder, run } = project(
    [
      code("const beta: number = 0.1;", [], { tags: ["parameters"] }),
      code(
        `import { existsSync, readFileSync } from "node:fs";
import { twice } from "./helper.ts";
console.log(readFileSync("d.csv", "utf8"), twice(beta), existsSync("more.csv"), process.env.ERPO_TEST_WORD, process.env.TERM_OF_TEST ?? "");`,
      ),
    ],
    { "d.csv": "1,2", "helper.ts": "export const twice = (x: number): number => 2 * x;" },
  );
  const runs = async (text: string, how = {}) => {
    const made = await run(how);
    expect(made.cached, `${text}: run again`).toBeUndefined();
    expect(made.uncached, text).toBeUndefined();
    expect(made.printed.trim()).toBe(text);
    const again = await run(how);
    expect(again.cached, `${text}: cached`).toBeDefined();
    expect(again.printed.trim()).toBe(text);
    expect(again.hash).toBe(made.hash);
  };
  await runs("1,2 0.2 false undefined");
  writeFileSync(join(folder, "d.csv"), "1,3"); // a byte of the data
  await runs("1,3 0.2 false undefined");
  writeFileSync(join(folder, "helper.ts"), "export const twice = (x: number): number => 4 * x;"); // of a module
  await runs("1,3 0.4 false undefined");
  writeFileSync(join(folder, "more.csv"), ""); // a file that was looked for
  await runs("1,3 0.4 true undefined");
  writeFileSync(join(folder, "package-lock.json"), "{}"); // the lockfile
  await runs("1,3 0.4 true undefined");
  await runs("1,3 0.8 true undefined", { parameters: { beta: 0.2 } });
  await runs("1,3 0.4 true undefined", { after: ["0123"] }); // a notebook before it
  process.env.ERPO_TEST_WORD = "word";
  await runs("1,3 0.4 true word");
  delete process.env.ERPO_TEST_WORD;
  process.env.TERM_OF_TEST = "x"; // which no other notebook depends on
  await runs("1,3 0.4 true undefined x");
  delete process.env.TERM_OF_TEST;
  writeFileSync(join(folder, "d.csv"), "1,2"); // all as in the beginning, but for the lockfile and more.csv
  rmSync(join(folder, "more.csv"));
  rmSync(join(folder, "package-lock.json"));
  writeFileSync(join(folder, "helper.ts"), "export const twice = (x: number): number => 2 * x;");
  expect((await run()).cached).toBeDefined();

  const { output } = await run();
  const record = readNotebook(output).notebook.metadata.erpo!.execution as Record<string, string>;
  expect(Date.parse(record.cached!)).toBeGreaterThan(Date.parse(record.started!));
  const { written } = await renderReports([output], { output: join(folder, "reports") });
  expect(readFileSync(written[0]!, "utf8")).toContain("taken from the cache, not run again");
  const fresh = await executeNotebook(path, { output });
  expect(fresh.cached).toBeUndefined();
  expect(readNotebook(output).notebook.metadata.erpo!.execution).not.toHaveProperty("cached");
}, 240_000);

const KEY = (): KeyParts => ({
  notebook: parseNotebook(notebookJSON([md("# A"), code("1 + 1")]), "nb.ipynb"),
  folder: "/nonexistent",
  spec: findKernel("erpo"),
  allowErrors: false,
  after: [],
});

test("any change of a cell's text, and any other part, gives another key", () => {
  const key = cacheKey(KEY());
  expect(cacheKey(KEY())).toBe(key);
  fc.assert(
    fc.property(fc.nat(1), fc.string({ minLength: 1 }), fc.nat(4), (cell, text, at) => {
      const parts = KEY();
      const { source } = parts.notebook.cells[cell]!;
      parts.notebook.cells[cell]!.source = source.slice(0, at) + text + source.slice(at);
      expect(cacheKey(parts)).not.toBe(key);
    }),
    { numRuns: 40 },
  );
  const tagged = KEY();
  tagged.notebook.cells[1]!.metadata.tags = ["hide-input"];
  const others: KeyParts[] = [
    tagged,
    { ...KEY(), folder: "/other" },
    { ...KEY(), allowErrors: true },
    { ...KEY(), after: ["a"] },
    { ...KEY(), spec: { ...findKernel("erpo"), argv: ["node"] } },
  ];
  expect(new Set([key, ...others.map(cacheKey)]).size).toBe(others.length + 1);
});

test("every way to read a file is seen", async () => {
  const ways: [string, string][] = [
    ["read", 'fs.readFileSync("f0", "utf8")'],
    ["read", 'fs.readFileSync(pathToFileURL(path.resolve("f1")))'],
    ["read", 'fs.readFileSync(Buffer.from("f2"))'],
    ["read", 'await fs.promises.readFile("f3")'],
    ["read", 'await new Promise((done) => fs.readFile("f4", done))'],
    ["read", 'for await (const _ of fs.createReadStream("f5"));'],
    ["read", 'const file = await open("f6"); await file.readFile(); await file.close()'],
    ["read", 'const n = fs.openSync("f7", "r"); fs.readSync(n, Buffer.alloc(4)); fs.closeSync(n)'],
    ["read", 'fs.copyFileSync("f8", path.join(os.tmpdir(), "erpo-copy"))'],
    ["read", 'require("./f9.json")'],
    ["read", 'await import("./f10.json")'],
    ["read", 'await import("./f11.mjs")'],
    ["read", 'require("./f12.cjs")'],
    ["read", 'await (await fs.openAsBlob("f13")).text()'],
    ["list", 'fs.readdirSync("f14")'],
    ["list", 'for await (const _ of await fs.promises.opendir("f15"));'],
    ["probe", 'fs.existsSync("f16")'],
    ["probe", 'await promisify(fs.exists)("f17")'],
    ["probe", 'fs.statSync("f18").size'],
    ["probe", 'await fs.promises.access("f19")'],
    ["read", 'fs.appendFileSync("f20", "x")'],
    ["read", 'createRequire(path.resolve("x.js"))("./f21.json")'],
  ];
  const head = `import fs from "node:fs"; import os from "node:os"; import path from "node:path"; import { open } from "node:fs/promises";
import { pathToFileURL } from "node:url"; import { promisify } from "node:util"; import { createRequire } from "node:module";`;
  const { folder, run } = project([code(head), ...ways.map(([, source]) => code(`{ ${source} }`))]);
  for (const [i, [access, source]] of ways.entries()) {
    const ending = /f\d+(\.\w+)/.exec(source)?.[1] ?? "";
    if (access === "list") mkdirSync(join(folder, `f${i}`));
    else writeFileSync(join(folder, `f${i}${ending}`), ending === ".json" ? "1" : "");
  }
  const { uncached } = await run();
  expect(uncached).toMatch(/it changes .*f20, on which it depends/); // appending depends on what is there
  writeFileSync(
    join(folder, "nb.ipynb"),
    notebookJSON([code(head), ...ways.map(([, source]) => code(source.includes("f20") ? "" : `{ ${source} }`))]),
  );
  expect((await run()).uncached).toBeUndefined();
  const found = noted(folder).map(({ access, path }) => `${access} ${path.slice(folder.length + 1)}`);
  for (const [i, [access]] of ways.entries())
    if (i !== 20)
      expect(
        found.some((line) => line.startsWith(`${access} f${i}`) && !/\d/.test(line[`${access} f${i}`.length] ?? "")),
        `${ways[i]![1]}: ${found}`,
      ).toBe(true);
});

test.each([
  ["a program", 'import { execSync } from "node:child_process";\nexecSync("true")', "it starts a program"],
  ["a program that runs beside it", 'import { spawn } from "node:child_process";\nspawn("true")', "it starts a program"],
  ["the network", 'await fetch("http://127.0.0.1:61234/").catch(() => 0)', "it uses the network"],
  ["a thread", 'import { Worker } from "node:worker_threads";\nnew Worker("1", { eval: true })', "it starts a thread"],
  [
    "native code that is not known",
    'import { copyFileSync } from "node:fs";\ntry { process.dlopen({ exports: {} } as NodeModule, process.cwd() + "/n"); } catch {}',
    "it loads native code, which may reach files and the network: ",
  ],
  ["what its executor sets anew each time", "console.log(process.env.JPY_PARENT_PID !== undefined)", "environment variable JPY_PARENT_PID"],
  [
    "what it changes itself",
    'import fs from "node:fs";\nfs.writeFileSync("n", String(1 + Number(fs.readFileSync("n", "utf8"))))',
    "it changes ",
  ],
])("a notebook that depends on %s is run every time", async (_, source, reason) => {
  const { run } = project([code(source)], { n: "1" });
  expect((await run()).uncached).toContain(reason);
  expect((await run()).cached).toBeUndefined();
});

test("its author can vouch for what cannot be seen", async () => {
  const cells = [code('import { execSync } from "node:child_process";\nconsole.log(execSync("cat data/*").toString())')];
  const { folder, run } = project(cells, {}, { erpo: { inputs: ["data"] } });
  await expect(run()).rejects.toThrow("nb.ipynb: metadata erpo.inputs: data: no such file or folder");
  mkdirSync(join(folder, "data"));
  writeFileSync(join(folder, "data", "a"), "1");
  expect((await run()).uncached).toBeUndefined();
  expect((await run()).cached).toBeDefined();
  appendFileSync(join(folder, "data", "a"), "2");
  expect(await run()).toMatchObject({ printed: "12\n" });
});

test("files that a notebook has written are a part of its result", async () => {
  const { folder, run } = project([
    code(
      'import { mkdirSync, renameSync, writeFileSync } from "node:fs";\nmkdirSync("made", { recursive: true });\nwriteFileSync("made/.beside", "7");\nrenameSync("made/.beside", "made/seven");',
    ),
  ]);
  const seven = join(folder, "made", "seven");
  expect((await run()).uncached).toBeUndefined();
  expect((await run()).cached).toBeDefined();
  rmSync(seven);
  expect((await run()).cached).toBeUndefined();
  expect(existsSync(seven)).toBe(true);
  writeFileSync(seven, "8");
  expect((await run()).cached).toBeUndefined();
  expect(readFileSync(seven, "utf8")).toBe("7");
  expect((await run()).cached).toBeDefined();
});

test("a failed run is not kept, and a damaged entry is not used", async () => {
  const failing = project([code("throw new Error('x')")]);
  await expect(failing.run()).rejects.toThrow("Error: x");
  await expect(failing.run()).rejects.toThrow("Error: x");
  const { run } = project([code("console.log(1)")]);
  const entries = () =>
    readdirSync(join(cache, "notebooks"), { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".json"));
  const earlier = new Set(entries());
  await run();
  const [entry] = entries().filter((name) => !earlier.has(name));
  const file = join(cache, "notebooks", entry!);
  writeFileSync(file, readFileSync(file, "utf8").replace("console.log(1)", "console.log(2)"));
  expect((await run()).cached).toBeUndefined();
  expect((await run()).cached).toBeDefined();
});

test("notebooks of one call: a change in one runs it and those after it again; --no-cache runs all", async () => {
  const folder = mkdtempSync(join(tmpdir(), "erpo-test-"));
  const write = (name: string, source: string) => {
    writeFileSync(join(folder, name), notebookJSON([code(source)]));
    return join(folder, name);
  };
  const paths = ["a", "b", "c"].map((name) => write(`${name}.ipynb`, `console.log("${name}")`));
  const ran = async (...options: string[]) => {
    const { code, stdout, stderr } = await erpo(["execute", ...paths, "--output", join(folder, "out"), ...options], { ERPO_CACHE: cache });
    expect(code, stderr).toBe(0);
    return stdout
      .trim()
      .split("\n")
      .map((line) => !line.includes("(from the cache: "));
  };
  expect(await ran()).toEqual([true, true, true]);
  expect(await ran()).toEqual([false, false, false]);
  write("b.ipynb", 'console.log("other")');
  expect(await ran()).toEqual([false, true, true]);
  write("b.ipynb", 'console.log("other"); // in other words'); // puts out the same, but it is other code
  expect(await ran()).toEqual([false, true, true]);
  expect(await ran("--no-cache")).toEqual([true, true, true]);
});
