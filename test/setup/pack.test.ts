import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { pack } from "../../src/setup/pack.js";
import { clientsLack, testPython } from "../kernel/python-env.js";
import { skipped } from "../programs.js";

/** The package away from its checkout: a tarball in an empty folder of a reader who has nothing, and `npm link`. */

const python = testPython();
const note = skipped(clientsLack());
const checkout = join(import.meta.dirname, "../..");
const place = mkdtempSync(join(tmpdir(), "erpo-packed-"));
const prefix = join(place, "prefix");
let env: NodeJS.ProcessEnv;
let tarball: string;

/** Runs a program to its end in a folder here, in the reader's environment. */
async function run(folder: string, program: string, ...words: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(program, words, { cwd: join(place, folder), env });
  return stdout;
}

/** What a notebook of packages shows on the installed kernel. */
async function executed(): Promise<string[]> {
  return JSON.parse(await run("empty", python!, join(import.meta.dirname, "pack_check.py")));
}
const SHOWN = ["2", "6", "'functionfunction'", "[ 'string', 'function', 'function' ]"];

beforeAll(async () => {
  for (const folder of ["empty", "home", "global"]) mkdirSync(join(place, folder));
  const setting = async (name: string) => (await promisify(execFile)("npm", ["config", "get", name])).stdout.trim();
  const network = Object.entries(process.env).filter(([name]) => /CERT|CA_BUNDLE|proxy/i.test(name)); // as this machine needs it
  env = {
    ...Object.fromEntries(network),
    PATH: `${dirname(python ?? "")}:${process.env.PATH}`,
    HOME: join(place, "home"),
    JUPYTER_PATH: join(prefix, "share", "jupyter"),
    npm_config_prefix: join(place, "global"),
    npm_config_cache: await setting("cache"), // what was downloaded once need not be again
    npm_config_prefer_offline: "true",
    npm_config_audit: "false",
    npm_config_registry: await setting("registry"),
  };
  tarball = await pack(join(place, "tarball"));
});
afterAll(() => rmSync(place, { recursive: true, force: true }));

test("a tarball is the package with what npm could not install, and nothing that a checkout leaves behind", async () => {
  expect(readdirSync(dirname(tarball))).toEqual(["erpo-0.1.0.tgz"]);
  const files = (await run("empty", "tar", "tzf", tarball)).trim().split("\n");
  const wanted = [
    "dist/src/index.d.ts",
    "dist/kernel/main.js",
    "src/setup/bootstrap.mjs",
    "src/setup/loader.c",
    "src/data/authored/rules.yaml",
    "src/exante/rules.schema.json",
    "kernel/papermill/pyproject.toml",
  ];
  expect(files).toEqual(expect.arrayContaining([...wanted, "node_modules/danfojs-node/package.json"].map((file) => `package/${file}`)));
  const bundled = new Set(files.flatMap((file) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? []));
  const { bundleDependencies } = JSON.parse(readFileSync(join(checkout, "package.json"), "utf8"));
  expect([...bundled].sort()).toEqual(bundleDependencies);
  expect(files.filter((file) => /\/(\.|test\/|__pycache__)/.test(file))).toEqual([]);
});

test(`a tarball works in an empty folder${note}`, async () => {
  await run("empty", "npm", "install", tarball);
  const erpo = (...words: string[]) => run("empty", "npx", "erpo", "kernel", ...words, "--prefix", prefix);
  await erpo("install");
  const [node, , main] = JSON.parse(readFileSync(join(prefix, "share/jupyter/kernels/erpo/kernel.json"), "utf8")).argv;
  expect([node, main]).toEqual([process.execPath, join(place, "empty/node_modules/erpo/dist/kernel/main.js")]);
  expect(await erpo("list")).toContain("TypeScript (ERPO)");
  await expect(run("empty", "npx", "erpo", "pack")).rejects.toThrow("only a checkout can be packed");
  if (python) expect(await executed()).toEqual(SHOWN);
  await erpo("uninstall");
  expect(existsSync(join(prefix, "share/jupyter/kernels/erpo"))).toBe(false);
}, 600_000);

test.skipIf(!python)(`\`npm link\` makes a command of a checkout${note}`, async () => {
  await promisify(execFile)("npm", ["link"], { cwd: checkout, env });
  await run("empty", join(place, "global/bin/erpo"), "kernel", "install", "--prefix", prefix);
  expect(await executed()).toEqual(SHOWN);
});
