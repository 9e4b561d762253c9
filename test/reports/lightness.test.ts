import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { packageRoot } from "../../src/setup/paths.js";
import { code, md, shown, writeNotebook } from "./notebooks.js";

const spec = { data: { values: [{ a: 1 }] }, mark: "point", encoding: { x: { field: "a", type: "quantitative" } } };
const svg = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 9 9'><circle r='4'/></svg>"; // one that draws nothing is no picture
const said = { label: "fig-a", "fig-cap": "A.", "fig-alt": "a" };

const bootstrap = join(packageRoot(), "src/setup/bootstrap.mjs");
beforeAll(() => void execFileSync(process.execPath, [bootstrap, "--version"])); // compiles, if something has changed

/** The npm packages that `erpo report` loads, in any thread, for a notebook with one figure. */
function packagesFor(figure: Record<string, unknown>): Set<string> {
  const folder = mkdtempSync(join(tmpdir(), "erpo-test-"));
  const loaded = join(folder, "loaded");
  writeFileSync(loaded, "");
  const notebook = writeNotebook([md("# T\n\n$x$"), code("const a = 1;", [shown(figure, said)])]);
  execFileSync(process.execPath, [bootstrap, "report", notebook, "--output", folder], {
    env: { ...process.env, LOADED: loaded, NODE_OPTIONS: `--import=${join(import.meta.dirname, "record-modules.mjs")}` },
  });
  expect(readFileSync(join(folder, "nb.html"), "utf8")).toContain("<svg");
  return new Set([...readFileSync(loaded, "utf8").matchAll(/\/node_modules\/((?:@[^/\n]+\/)?[^/\n]+)/g)].map(([, name]) => name!));
}

const HEAVY = /^(?:@tensorflow\/.*|typescript|danfojs-node|vega.*|canvas|@napi-rs\/.*|zeromq|zod|puppeteer.*)$/;

test("a report with pictures loads neither TensorFlow nor TypeScript nor Vega", () => {
  const packages = packagesFor({ "image/svg+xml": svg, "application/vnd.vegalite.v6+json": spec });
  expect(packages).toContain("marked"); // the record works, for modules and for what they require
  expect(packages).toContain("htmlparser2");
  expect([...packages].filter((name) => HEAVY.test(name))).toEqual([]);
});

test("Vega is loaded for a figure that comes without its picture", () => {
  const packages = packagesFor({ "application/vnd.vegalite.v6+json": spec });
  expect(packages).toContain("vega");
  expect([...packages].filter((name) => /^(?:@tensorflow\/.*|typescript)$/.test(name))).toEqual([]);
});
