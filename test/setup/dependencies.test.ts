import { readdirSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { join, resolve } from "node:path";
import ts from "typescript";
import { expect, test } from "vitest";

const root = resolve(import.meta.dirname, "../..");
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages;

const textsOf = (folders: readonly string[], ending: RegExp): string[] =>
  folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((file) => ending.test(file))
      .map((file) => readFileSync(join(root, folder, file), "utf8")),
  );

/** The specifiers of what a program text imports, as TypeScript reads it. */
const importsOf = (text: string): string[] => ts.preProcessFile(text, true, true).importedFiles.map(({ fileName }) => fileName);

/** What it asks for the path of, as by `require.resolve`. */
const resolvedIn = (text: string): string[] =>
  [...text.matchAll(/\b(?:require|resolve)\(\s*["`]([^"`\n]+)["`]/g)].map(([, specifier]) => specifier!);

/** `@scope/name` or `name`, of specifiers that are packages. */
const packages = (specifiers: readonly string[]): string[] =>
  specifiers
    .filter((specifier) => !/^[./]|^node:/.test(specifier) && !builtinModules.includes(specifier))
    .map((specifier) => /^(?:@[^/]+\/)?[^/]+/.exec(specifier)![0]);

const shipped = textsOf(["src", "kernel", "reports"], /\.m?ts$|\.mjs$/);
const all = [...shipped, ...textsOf(["test"], /\.ts$|\.mjs$/)];

/** Asked for in another way than by an import. */
const OTHERWISE: Record<string, string> = {
  "@tensorflow/tfjs-node-gpu": "src/setup/binding.ts opens its addon by path",
  "@fontsource/stix-two-text": "reports/pdf/fonts.ts takes its files",
  tslab: "kernel/session/tslab.ts finds it by name",
  "danfojs-node": "cells import it",
  "node-api-headers": "src/setup/native.ts compiles against it",
  "@types/node": "kernel/language: types of cells",
  "@biomejs/biome": "npm run lint",
  typedoc: "reports/site/main.ts runs it",
  "typedoc-plugin-markdown": "typedoc.json names it",
};

test("every dependency is imported somewhere", () => {
  const asked = (texts: readonly string[]) => new Set(packages(texts.flatMap((text) => [...importsOf(text), ...resolvedIn(text)])));
  const [imported, everywhere] = [asked(shipped), asked(all)];
  const isUsed = (name: string, where: ReadonlySet<string>) => where.has(name) || name in OTHERWISE;
  expect(Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies }).filter((name) => !isUsed(name, imported))).toEqual([]);
  const typed = (name: string) => /^@types\/(.*)/.exec(name)?.[1];
  expect(Object.keys(manifest.devDependencies).filter((name) => !isUsed(typed(name) ?? name, everywhere))).toEqual([]);
});

test("what is asked for in another way is named in the place that does so", () => {
  const texts = [
    ...shipped,
    ...textsOf(["notebooks"], /\.ipynb$/),
    readFileSync(join(root, "typedoc.json"), "utf8"),
    JSON.stringify(manifest.scripts),
  ].join("\n");
  for (const name of Object.keys(OTHERWISE)) expect(texts, name).toContain(name.replace(/^@biomejs\//, ""));
});

test("every package that is imported is a dependency", () => {
  const declared = (names: readonly object[]) => new Set(names.flatMap((part) => Object.keys(part)));
  const own = declared([manifest.dependencies, manifest.optionalDependencies, { erpo: "" }]);
  const withTests = declared([manifest.dependencies, manifest.optionalDependencies, manifest.devDependencies, { erpo: "" }]);
  expect([...new Set(packages(shipped.flatMap(importsOf)))].filter((name) => !own.has(name))).toEqual([]);
  expect([...new Set(packages(all.flatMap(importsOf)))].filter((name) => !withTests.has(name))).toEqual([]);
});

test("versions are exact, and the lockfile has a digest of every package, of other machines' binaries too", () => {
  for (const [name, version] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies, ...manifest.optionalDependencies }))
    expect(version, name).toMatch(/^(?:npm:.*@)?\d+\.\d+\.\d+$/);
  const without = Object.entries(lock as Record<string, { integrity?: string }>)
    .filter(([path, { integrity = "" }]) => path !== "" && !/^sha(512|256)-/.test(integrity))
    .map(([path]) => path);
  expect(without).toEqual([]);
});

test("what names a version of a package in the cache names the one that is declared", () => {
  const source = shipped.join("\n");
  for (const name of ["@retorquere/bibtex-parser", "subset-font"]) expect(source).toContain(`${name} ${manifest.dependencies[name]}, `);
});
