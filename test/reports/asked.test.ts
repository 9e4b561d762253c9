import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, expect, test } from "vitest";
import { settle, stateOf } from "../../reports/execute/dependencies.js";
import { packageRoot } from "../../src/setup/paths.js";

const tracer = pathToFileURL(join(packageRoot(), "dist/kernel/session/file-trace.js")).href;

afterEach(() => {
  delete process.env.TERM_OF_TEST;
});

/** Runs a program under the kernel's trace in a folder with files d and e, a link to d, and a link to one of two equal folders. */
function traced(source: string): { folder: string; trace: string; stdout: string } {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "erpo-asked-")));
  for (const name of ["d", "e"]) writeFileSync(join(folder, name), "1");
  for (const name of ["one", "two"]) {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, "f"), "1");
  }
  symlinkSync("d", join(folder, "link"));
  symlinkSync("one", join(folder, "folder"));
  const file = join(mkdtempSync(join(tmpdir(), "erpo-trace-")), "trace");
  const head = `import fs from "node:fs"; const { traceFiles } = await import(${JSON.stringify(tracer)}); traceFiles();`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", `${head}\n${source}`], {
    cwd: folder,
    env: { ...process.env, ERPO_FILE_TRACE: file },
    encoding: "utf8",
  });
  expect(status, stderr).toBe(0);
  return { folder, trace: readFileSync(file, "utf8"), stdout };
}

const relink = (name: string, to: string) => (folder: string) => {
  rmSync(join(folder, name));
  symlinkSync(to, join(folder, name));
};
const touch = (folder: string) => utimesSync(join(folder, "d"), 1e9, 1e9);
const mode = (folder: string) => chmodSync(join(folder, "d"), 0o640);
const variable = () => {
  process.env.TERM_OF_TEST = "x";
};

test.each<[string, (folder: string) => void, "counts" | "does not count"]>([
  ['fs.readlinkSync("link")', relink("link", "e"), "counts"],
  ['await fs.promises.readlink("link")', relink("link", "e"), "counts"],
  ['fs.realpathSync("folder/f")', relink("folder", "two"), "counts"],
  ['fs.realpathSync.native("folder/f")', relink("folder", "two"), "counts"],
  ['fs.realpath.native("folder/f", () => {})', relink("folder", "two"), "counts"],
  ['fs.readFileSync("folder/f")', relink("folder", "two"), "does not count"], // the same bytes
  ['fs.lstatSync("link").isSymbolicLink()', (folder) => rmSync(join(folder, "link")), "counts"],
  ['fs.statSync("d").mtime', touch, "counts"],
  ['(await fs.promises.stat("d", { bigint: true })).mtimeNs', touch, "counts"],
  ['await new Promise((done) => fs.lstat("d", (_, stats) => done(stats.mtimeMs)))', touch, "counts"],
  ['const copy = { ...fs.statSync("d") }', touch, "counts"],
  ['console.log(fs.statSync("d"))', touch, "counts"],
  ['const n = fs.openSync("d", "r"); fs.fstatSync(n).mtimeMs; fs.closeSync(n);', touch, "counts"],
  ['fs.statSync("d").isFile() && fs.statSync("d").size', touch, "does not count"],
  ['fs.writeFileSync("d", "2"); fs.statSync("d").mtimeMs', touch, "does not count"], // it was made here
  ['fs.statSync("d").mode', mode, "counts"],
  ['fs.statSync("d").mtimeMs', mode, "does not count"],
  ["process.env.TERM_OF_TEST", variable, "counts"],
  ['"TERM_OF_TEST" in process.env', variable, "counts"],
  ["const { TERM_OF_TEST } = process.env", variable, "counts"],
  ["Object.keys(process.env)", variable, "counts"],
  ["const all = { ...process.env }", variable, "counts"],
  ["console.log(process.env)", variable, "counts"],
  ['fs.readFileSync("/proc/self/environ")', variable, "counts"],
  ['process.env.TERM_OF_TEST = "y"; process.env.TERM_OF_TEST', variable, "does not count"],
  ["process.env.PATH", variable, "does not count"],
])("%s: what it asks for counts, and nothing else", (source, change, expected) => {
  const { folder, trace } = traced(source);
  const settled = settle(trace, false);
  if ("reason" in settled) throw new Error(settled.reason);
  const holds = () => settled.files.every((used) => stateOf(used) === used.state);
  expect(holds()).toBe(true);
  change(folder);
  expect(holds()).toBe(expected === "does not count");
});

test("a program under the trace sees the environment that it would see without", () => {
  const source = `process.env.A_B = 1; delete process.env.HOME; console.log(process.env.A_B === "1", "HOME" in process.env, process.env.hasOwnProperty("PATH"),
    Object.entries(process.env).length === Object.keys(process.env).length, "toString" in process.env, typeof process.env.nothing, JSON.stringify(process.env).includes("A_B"));`;
  expect(traced(source).stdout).toBe("true false true true true undefined true\n");
  expect(traced("console.log(process.env)").stdout).toContain("PATH: ");
});

test("native code that is not known to compute only, and variables that an executor sets anew, have a reason", () => {
  const reason = (source: string) => settle(traced(source).trace, false);
  expect(reason('try { process.dlopen({ exports: {} }, fs.realpathSync("d")); } catch {}')).toEqual({
    reason: expect.stringMatching(/^it loads native code, which may reach files and the network: .*\/d$/),
  });
  expect(reason("process.env.JPY_PARENT_PID")).toEqual({ reason: "it reads the environment variable JPY_PARENT_PID" });
});
