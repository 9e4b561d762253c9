import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { beforeEach, expect, test } from "vitest";

const checkout = join(import.meta.dirname, "../..");
let root: string;

function write(file: string, text: string): void {
  mkdirSync(dirname(join(root, file)), { recursive: true });
  writeFileSync(join(root, file), text);
}

function erpo(args: string[], env: NodeJS.ProcessEnv = {}) {
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("npm_") && name !== "INIT_CWD"));
  return spawnSync(process.execPath, [join(root, "src/setup/bootstrap.mjs"), ...args], {
    cwd: root,
    env: { ...clean, ...env },
    encoding: "utf8",
  });
}

/** In place of TypeScript's compiler, to be quick: copies, since these sources are plain JavaScript, and complains of one file's name. */
const compiler = `
const { cpSync, existsSync, readdirSync, renameSync } = require("node:fs");
cpSync("src", "dist/src", { recursive: true, filter: (file) => !file.endsWith(".mjs") });
for (const file of readdirSync("dist/src", { recursive: true })) {
  if (file.endsWith(".ts")) renameSync("dist/src/" + file, "dist/src/" + file.replace(/ts$/, "js"));
}
if (existsSync("src/wrong.ts")) {
  console.log("src/wrong.ts(1,14): error TS2322: Type 'string' is not assignable to type 'number'.");
  process.exitCode = 2;
}`;

/** A checkout in small: a main that prints its words and folder and returns the number in the first word as exit code. */
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "erpo-bootstrap-"));
  mkdirSync(join(root, "src/setup"), { recursive: true });
  for (const name of ["bootstrap.mjs", "bootstrap-lock.mjs"])
    copyFileSync(join(checkout, "src/setup", name), join(root, "src/setup", name));
  copyFileSync(join(checkout, "tsconfig.json"), join(root, "tsconfig.json"));
  const packages = {
    "": {},
    "node_modules/a": { version: "1.0.0", integrity: "x" },
    "node_modules/b": { version: "2.0.0", optional: true },
  };
  write("package.json", '{"name":"erpo","type":"module"}');
  write("node_modules/typescript/package.json", "{}");
  write("package-lock.json", JSON.stringify({ packages }));
  write("node_modules/.package-lock.json", JSON.stringify({ packages: { "node_modules/a": packages["node_modules/a"] } }));
  write("node_modules/typescript/bin/tsc", compiler);
  write(
    "src/cli/main.ts",
    "export const run = async (args) => { console.log(args.join(' '), process.cwd()); return Number(args[0]) || 0; };\n",
  );
});

test("compiles once, again when a source changed, and prunes what lost its source", () => {
  const compiled = () => readFileSync(join(root, "dist/.compiled"), "utf8");
  write("src/old.ts", "export const old = 1;\n");
  const first = erpo(["hello", "there"]);
  expect(first).toMatchObject({ status: 0, stdout: `hello there ${root}\n`, stderr: "" });
  expect(existsSync(join(root, "dist/src/old.js"))).toBe(true);
  const stamp = compiled();
  const again = performance.now();
  erpo(["hello"]);
  expect(performance.now() - again).toBeLessThan(1000);
  expect(compiled()).toBe(stamp);
  rmSync(join(root, "src/old.ts"));
  write("src/cli/main.ts", "export const run = async () => { console.log('changed'); return 0; };\n");
  expect(erpo([]).stdout).toBe("changed\n");
  expect(existsSync(join(root, "dist/src/old.js"))).toBe(false);
});

test("a compile that was killed is redone, and exit codes pass through", () => {
  erpo([]);
  rmSync(join(root, "dist/.compiled")); // written last
  rmSync(join(root, "dist/src"), { recursive: true });
  expect(erpo(["3"]).status).toBe(3);
});

test("a compiled file with another byte is named and compiled again, also where its size and time are the same", () => {
  erpo([]);
  const file = join(root, "dist/src/cli/main.js");
  const whole = readFileSync(file, "utf8");
  const { atime, mtime } = statSync(file);
  writeFileSync(file, whole.replace("console.log", "console.lag"));
  expect(erpo(["hello"])).toMatchObject({
    status: 0,
    stdout: `hello ${root}\n`,
    stderr: "erpo: dist/src/cli/main.js is damaged: compiling again\n",
  });
  expect(readFileSync(file, "utf8")).toBe(whole);
  expect(erpo(["hello"]).stderr).toBe("");
  utimesSync(file, atime, mtime);
  erpo([]); // looks once more, since the time differs, and finds it whole
  writeFileSync(file, whole.replace("console.log", "console.lag"));
  utimesSync(file, atime, mtime);
  expect(erpo(["doctor"])).toMatchObject({ status: 0, stderr: expect.stringContaining("dist/src/cli/main.js is damaged") });
  expect(readFileSync(file, "utf8")).toBe(whole);
});

test("npm's record that is damaged calls for npm, a damaged lockfile for git", () => {
  const record = join(root, "node_modules/.package-lock.json");
  const whole = readFileSync(record, "utf8");
  for (const broken of [whole.slice(1), whole.replace("1.0.0", "1.0.8"), whole.replace('"x"', '"y"')]) {
    writeFileSync(record, broken);
    expect(erpo(["hello"], { PATH: "/nonexistent" }).stderr).toMatch(/^erpo: npm ci failed: spawn npm ENOENT; .*\n$/);
  }
  writeFileSync(record, whole);
  write("package-lock.json", "}");
  expect(erpo(["hello"])).toMatchObject({
    status: 1,
    stderr: `erpo: ${root}/package-lock.json is damaged: \`git checkout package-lock.json\` brings it back\n`,
  });
});

test("what is wrong with npm's record is said while npm installs the packages again, also where nobody looks on", () => {
  const record = join(root, "node_modules/.package-lock.json");
  const whole = readFileSync(record, "utf8");
  const npm = join(root, "bin/npm"); // in the place of npm: writes the record, as `npm ci` does at its end
  write("bin/npm", `#!/bin/sh\n[ "$1" = ci ] && printf %s '${whole}' > node_modules/.package-lock.json\n`);
  chmodSync(npm, 0o755);
  const broken: [string | undefined, string][] = [
    [whole.slice(1), "is damaged"],
    [undefined, "is missing"],
    [whole.replace('"x"', '"y"'), "says something else than package-lock.json of node_modules/a"],
  ];
  for (const [text, wrong] of broken) {
    if (text === undefined) rmSync(record);
    else writeFileSync(record, text);
    expect(erpo(["hello"], { PATH: `${dirname(npm)}:${process.env.PATH}` })).toMatchObject({
      status: 0,
      stdout: `hello ${root}\n`,
      stderr: `erpo: node_modules/.package-lock.json ${wrong}: installing all packages again (a minute or so)\n`,
    });
    expect(erpo(["hello"]).stderr).toBe("");
  }
});

test("type errors are named and do not stop; what cannot be compiled at all does, in one line", () => {
  write("src/wrong.ts", "export const n = 'text';\n");
  const typed = erpo(["hello"]);
  expect(typed).toMatchObject({ status: 0, stdout: `hello ${root}\n` });
  expect(typed.stderr).toMatch(/^erpo: 1 type error.*src\/wrong\.ts\(1,14\): error TS2322/);
  expect(erpo(["hello"]).stderr).toBe(typed.stderr); // said again without compiling again
  rmSync(join(root, "src/cli/main.ts"));
  rmSync(join(root, "dist"), { recursive: true });
  const failed = erpo(["hello"]);
  expect(failed.status).toBe(1);
  expect(failed.stderr.trim().split("\n")).toHaveLength(1);
});

test("under `npm run erpo` paths resolve where the user stands; elsewhere they do not", () => {
  const npm = { INIT_CWD: tmpdir(), npm_package_json: join(root, "package.json") };
  expect(erpo(["0"], { ...npm, npm_lifecycle_event: "erpo" }).stdout).toBe(`0 ${tmpdir()}\n`);
  expect(erpo(["0"], { ...npm, npm_lifecycle_event: "start" }).stdout).toBe(`0 ${root}\n`);
});

test("a lockfile that node_modules does not match calls for npm, whose failure is one line", () => {
  write("package-lock.json", JSON.stringify({ packages: { "": {}, "node_modules/a": { version: "1.0.1", integrity: "y" } } }));
  const { status, stderr } = erpo(["hello"], { PATH: "/nonexistent" });
  expect(status).toBe(1);
  expect(stderr).toMatch(/^erpo: npm ci failed: spawn npm ENOENT; .*\n$/);
});

test("an installed package neither installs nor compiles", () => {
  erpo([]);
  for (const file of ["package-lock.json", "tsconfig.json", "node_modules", "dist/.compiled"])
    rmSync(join(root, file), { recursive: true });
  expect(erpo(["packed"])).toMatchObject({ status: 0, stdout: `packed ${root}\n`, stderr: "" });
});
