import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import {
  addonPackage,
  type Binding,
  buildFolder,
  builtBinding,
  findBinding,
  type Manifest,
  prebuiltBinding,
  type Variant,
  variants,
} from "./binding.js";
import { damagedBuild, digestsOf } from "./damage.js";
import { execute } from "./execute.js";
import { cacheError, inBytes, type Log, makeFolder, needSpace, SetupError } from "./files.js";
import { findCompiler } from "./kernels.js";
import { withLock } from "./lock.js";
import { isBundle, packageRoot } from "./paths.js";
import { downloadWheel, extractWheel } from "./pip.js";
import { cudaWheels, tensorflowWheels } from "./wheels.js";

const require = createRequire(import.meta.url);

/**
 * Makes the native TensorFlow library ready: takes a working build from the cache, else the official binary if it is in the package's
 * folder and loads, else builds the addon against the library inside TensorFlow's wheel. Nothing half-written ever looks whole.
 *
 * @returns the binding, or one line that says why there is none
 */
export async function ensureNative(log: Log): Promise<Binding | string> {
  if (isBundle()) return findBinding(); // what it brings; another build would need the network
  const serving = variants();
  if (serving.length === 0) return prebuiltBinding() ?? `there is no pinned TensorFlow library for ${process.platform}-${process.arch}`;
  const best = await wholeBuild(serving[0]!);
  if (typeof best !== "string") return best;
  const prebuilt = prebuiltBinding();
  if (prebuilt && (await loadFailure(prebuilt.file)) === undefined) return prebuilt;
  let reason = "";
  for (const variant of serving) {
    try {
      return await withLock(
        `${buildFolder(variant)}.lock`,
        () => build(variant, log),
        () => log("waiting for another process that builds TensorFlow"),
      );
    } catch (error) {
      const cause = cacheError(error, dirname(buildFolder(variant)));
      if (!(cause instanceof SetupError)) throw cause;
      reason = cause.message;
      if (variant !== serving.at(-1)) log(`${reason}; going on without CUDA`);
    }
  }
  return reason;
}

/** As `builtBinding`, with the digests of its files: they are read where they may have changed since set-up read them last. */
async function wholeBuild(variant: Variant): Promise<Binding | string> {
  const found = builtBinding(variant);
  if (typeof found === "string") return found;
  const [damaged] = await damagedBuild(variant, "remember");
  return damaged === undefined ? found : `${damaged} is damaged`;
}

async function build(variant: Variant, log: Log): Promise<Binding> {
  const target = buildFolder(variant);
  const found = await wholeBuild(variant); // another process may have built it while this one waited
  if (typeof found !== "string") return found;
  if (existsSync(target)) log(`${found}: building it again`);
  const wheel = tensorflowWheels[variant];
  const compiler = await findCompiler();
  if (!compiler?.[0]) throw new SetupError("a C++ compiler is needed to build the TensorFlow addon (Debian, Ubuntu: apt-get install g++)");
  const parent = dirname(target);
  makeFolder(parent);
  for (const name of readdirSync(parent)) {
    if (name.startsWith(`.${basename(target)}-`)) rmSync(join(parent, name), { recursive: true }); // of a build that was killed
  }
  rmSync(target, { recursive: true, force: true });
  const cuda = variant.endsWith("-cuda");
  needSpace(parent, 4.3 * wheel.size + (cuda ? 6e9 : 0), "unpacking TensorFlow");
  const staging = join(parent, `.${basename(target)}-${process.pid}`);
  mkdirSync(staging);
  try {
    const archive = await downloadWheel(wheel, log);
    log(`unpacking ${wheel.file}`);
    const headers = ["tensorflow/c/", "tensorflow/core/platform/ctstring", "tsl/", "xla/"].map((path) => `tensorflow/include/${path}`);
    await extractWheel(archive, ["tensorflow/libtensorflow_", ...headers], staging);
    if (cuda) await addCuda(staging, log);
    await compile(compiler[0], join(staging, "tensorflow"), log);
    rmSync(join(staging, "tensorflow/include"), { recursive: true });
    const failure = await loadFailure(join(staging, "tensorflow/tfjs_binding.node"));
    if (failure !== undefined) throw new SetupError(`the TensorFlow addon was built but does not load: ${failure}`);
    const manifest: Manifest = { tensorflow: wheel.version, files: sizes(staging), sha256: {} };
    manifest.sha256 = await digestsOf(staging, Object.keys(manifest.files));
    writeFileSync(join(staging, "manifest.json"), JSON.stringify(manifest, null, 2), { flush: true });
    renameSync(staging, target);
    rmSync(archive);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
  const built = builtBinding(variant);
  if (typeof built === "string") throw new SetupError(built);
  const bytes = Object.values(sizes(target)).reduce((sum, size) => sum + size, 0);
  log(`TensorFlow ${wheel.version} is ready (${inBytes(bytes)} in ${target})`);
  return built;
}

/** The folders `nvidia/<library>/lib` beside `tensorflow/`, as Python has them: where the library itself looks. */
async function addCuda(staging: string, log: Log): Promise<void> {
  for (const wheel of cudaWheels) {
    const archive = await downloadWheel(wheel, log);
    await extractWheel(archive, ["nvidia/"], staging);
    rmSync(archive);
  }
}

async function compile(compiler: string, dir: string, log: Log): Promise<void> {
  const started = Date.now();
  log("compiling the TensorFlow addon (20 s or so)");
  const source = join(dir, "source"); // a copy, since the package's folder may be read-only or move while we compile
  cpSync(join(addonPackage(), "binding"), join(source, "binding"), { recursive: true });
  cpSync(require("node-api-headers").include_dir, join(source, "node"), { recursive: true });
  const common = ["-O2", "-fPIC", "-shared", "-DNAPI_VERSION=8", "-I", join(source, "node")];
  const libraries = ["-L", dir, "-l:libtensorflow_cc.so.2", "-l:libtensorflow_framework.so.2", "-Wl,-rpath,$ORIGIN"];
  const addon = ["tfjs_backend.cc", "tfjs_binding.cc"].map((name) => join(source, "binding", name));
  const commands = [
    [...common, "-std=c++17", "-I", source, "-I", join(dir, "include"), ...addon, "-o", join(dir, "tfjs_binding.node"), ...libraries],
    [...common, "-x", "c", join(packageRoot(), "src/setup/loader.c"), "-o", join(dir, "loader.node"), "-ldl"],
  ];
  for (const command of commands) {
    const result = await execute(compiler, command);
    if (result.code === 0) continue;
    const cause = result.output.split("\n").find((line) => /error|cannot find/i.test(line)) ?? result.output.trim().split("\n").at(-1);
    throw new SetupError(`${compiler} could not compile the TensorFlow addon: ${cause?.trim()}`);
  }
  rmSync(source, { recursive: true });
  log(`compiled in ${((Date.now() - started) / 1000).toFixed(0)} s`);
}

/** Why an addon does not load, tried in another process since a bad library may end the process; undefined when it loads. */
async function loadFailure(file: string): Promise<string | undefined> {
  const script = `process.env.TF_CPP_MIN_LOG_LEVEL = "3"; process.stdout.write("loaded " + require(${JSON.stringify(file)}).TF_Version)`;
  const result = await execute(process.execPath, ["-e", script]);
  if (result.code === 0 && result.output.includes("loaded ")) return undefined;
  if (result.signal) return `loading it ends with ${result.signal}`;
  return /(?:Error|error): (.*)/.exec(result.output)?.[1] ?? result.output.trim().split("\n").at(-1);
}

/** The size in bytes of every file below a folder, by its relative path. */
function sizes(dir: string, below = ""): Record<string, number> {
  const found: Record<string, number> = {};
  for (const entry of readdirSync(join(dir, below), { withFileTypes: true })) {
    const path = below === "" ? entry.name : `${below}/${entry.name}`;
    if (entry.isDirectory()) Object.assign(found, sizes(dir, path));
    else if (/\.node$|\.so(\.\d+)*$/.test(entry.name)) found[path] = statSync(join(dir, path)).size;
  }
  return found;
}
