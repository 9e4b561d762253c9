import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { expect, test } from "vitest";

const root = resolve(import.meta.dirname, "../..");

/** What each part may import besides itself. Imports point one way, down this list. */
const allowed: Record<string, string[]> = {
  "src/setup": [],
  "src/backend": ["src/setup"],
  "src/data": ["src/setup", "src/backend"],
  "src/model": ["src/setup", "src/backend", "src/data"],
  "src/objectives": ["src/backend"],
  "src/exante": ["src/setup", "src/data", "src/model", "src/objectives"],
  "src/generation": ["src/backend", "src/model", "src/data", "src/exante"],
  "src/training": ["src/setup", "src/backend", "src/data", "src/model", "src/objectives", "src/exante", "src/generation"],
  "src/evaluation": ["src/setup", "src/backend", "src/data", "src/model", "src/objectives", "src/exante", "src/generation", "src/training"],
  "src/frontend": [],
  "src/figures": ["src/setup", "src/frontend"],
};
const core = [...Object.keys(allowed)];
allowed["src/runs"] = core.filter((part) => part !== "src/frontend" && part !== "src/figures");
allowed["src/methods"] = [...allowed["src/runs"], "src/runs"];
allowed["src/index.ts"] = [...core, "src/runs", "src/methods"];
allowed.kernel = ["src/index.ts", "src/frontend", "src/figures", "src/setup", "src/backend"]; // the device on which cells use TensorFlow.js
allowed.reports = ["src/index.ts", "src/frontend", "src/figures", "src/setup", "kernel"];
allowed["src/cli"] = [...core, "src/runs", "src/methods", "src/index.ts", "kernel", "reports"];

const partOf = (file: string): string => {
  const path = relative(root, file);
  return path === "src/index.ts" ? path : path.startsWith("src/") ? path.split("/").slice(0, 2).join("/") : path.split("/")[0]!;
};

const sources = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => join(root, folder, file));

const files = ["src", "kernel", "reports"].flatMap(sources);

/** The files that a file imports, types included. */
const imports = (file: string): string[] =>
  [...readFileSync(file, "utf8").matchAll(/(?:from|import)\s*\(?\s*"(\.{1,2}\/[^"]+)"/g)].map(([, specifier]) =>
    resolve(dirname(file), specifier!).replace(/\.js$/, ".ts"),
  );

test("imports point one way", () => {
  const wrong: string[] = [];
  for (const file of files) {
    const part = partOf(file);
    if (file.endsWith("src/setup/doctor.ts")) continue; // says what the opened device is
    for (const imported of imports(file)) {
      const target = partOf(imported);
      if (target !== part && !allowed[part]?.includes(target)) wrong.push(`${relative(root, file)} imports ${relative(root, imported)}`);
    }
  }
  expect(wrong).toEqual([]);
});

test("no files import each other in a circle", () => {
  const circles: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): void => {
    const at = path.indexOf(file);
    if (at >= 0) circles.push([...path.slice(at), file].map((f) => relative(root, f)).join(" > "));
    if (at >= 0 || done.has(file)) return;
    for (const imported of imports(file)) if (files.includes(imported)) visit(imported, [...path, file]);
    done.add(file);
  };
  for (const file of files) visit(file, []);
  expect(circles).toEqual([]);
});

test("a file holds one concept: at most 350 lines", () => {
  const long = files
    .map((file) => ({ file: relative(root, file), lines: readFileSync(file, "utf8").split("\n").length }))
    .filter(({ lines }) => lines > 350);
  expect(long).toEqual([]);
});

test("the top level is what the design says", () => {
  for (const name of ["package.json", "notebooks", "src", "kernel", "reports", "test", "tsconfig.json", "README.md", "ARCHITECTURE.md"])
    expect(existsSync(join(root, name)), name).toBe(true);
});

test("commands and reports write files through writeAtomic, which keeps links, devices and pipes", () => {
  const own = /\b(?:writeFileSync|renameSync|copyFileSync|createWriteStream|writeFile\()/;
  const writers = [...sources("src/cli"), ...sources("reports")].filter((file) => own.test(readFileSync(file, "utf8")));
  expect(writers.map((file) => relative(root, file))).toEqual(["reports/execute/kernel-process.ts"]); // a kernel's connection file, in a folder of its own
});
