import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Binding } from "./binding.js";
import { digestOfFile, type Look, note } from "./damage.js";
import { execute, firstWorking } from "./execute.js";
import type { Log } from "./files.js";
import { withLock } from "./lock.js";
import { packageRoot } from "./paths.js";

/** A C++ compiler, as the words to start it with; `CXX` first. */
export const findCompiler = () => firstWorking([...(process.env.CXX ? [[process.env.CXX]] : []), ["g++"], ["c++"], ["clang++"]]);

/** -march=native: every instruction of this processor. Sums may be reordered where a loop says so, and nowhere else. */
const FLAGS = [
  "-std=c++17",
  "-O3",
  "-march=native",
  "-fopenmp-simd",
  "-fno-math-errno",
  "-fno-trapping-math",
  "-fPIC",
  "-shared",
  "-pthread",
];

const sourceFolder = () => join(packageRoot(), "src", "backend", "kernels");

/**
 * The library of our own kernels (src/backend/kernels) for a binding that we built, whether it is there or not: beside TensorFlow's, and named by everything that it
 * depends on: the source, the flags, and the processor. Undefined for the official binary, whose TensorFlow is older.
 */
export function kernelsFile({ file, origin }: Binding): string | undefined {
  if (origin !== "built") return undefined;
  const hash = createHash("sha256").update(FLAGS.join(" ")).update(processor());
  for (const name of readdirSync(sourceFolder()).sort()) hash.update(name).update(readFileSync(join(sourceFolder(), name)));
  return join(dirname(file), `erpo-kernels-${hash.digest("hex").slice(0, 12)}.so`);
}

/** Where the digest of compiled kernels is noted. */
const noteOf = (target: string): string => `${target}.sha256`;

/** Whether compiled kernels are there and are another file than was noted. Such that were compiled before there were notes are taken as they are. */
export async function kernelsDamaged(target: string, look: Look): Promise<boolean> {
  if (!existsSync(target)) return false;
  const digest = await digestOfFile(target, look);
  if (existsSync(noteOf(target))) return readFileSync(noteOf(target), "utf8") !== digest;
  note(noteOf(target), digest);
  return false;
}

/**
 * Compiles the kernels if they are not there (10 s or so).
 * @returns a line that says why there are none, undefined where they are there
 */
export async function ensureKernels(binding: Binding, log: Log): Promise<string | undefined> {
  const target = kernelsFile(binding);
  if (target === undefined) return "this TensorFlow takes no kernels of ours";
  if (existsSync(target) && !(await kernelsDamaged(target, "remember"))) return undefined;
  const compiler = await findCompiler();
  if (!compiler?.[0]) return "there is no C++ compiler for our kernels (Debian, Ubuntu: apt-get install g++)";
  const program = compiler[0];
  return withLock(`${target}.lock`, async () => {
    if (await kernelsDamaged(target, "remember")) {
      log(`${target} is damaged: compiling it again`);
      for (const file of [target, noteOf(target)]) rmSync(file, { force: true });
    }
    if (existsSync(target)) return undefined; // another process has made it while this one waited
    log("compiling the kernels (10 s or so)");
    const folder = dirname(target);
    const sources = readdirSync(sourceFolder()).filter((name) => name.endsWith(".cc"));
    const libraries = ["-L", folder, "-l:libtensorflow_cc.so.2", "-l:libtensorflow_framework.so.2", "-Wl,-rpath,$ORIGIN"];
    const beside = `${target}.${process.pid}`;
    const files = sources.map((name) => join(sourceFolder(), name));
    const { code, output } = await execute(program, [...FLAGS, ...files, "-o", beside, ...libraries]);
    if (code !== 0) {
      rmSync(beside, { force: true });
      const cause = output.split("\n").find((line) => /error/i.test(line)) ?? output.trim().split("\n").at(-1);
      return `${program} could not compile our kernels: ${cause?.trim()}`;
    }
    renameSync(beside, target);
    note(noteOf(target), await digestOfFile(target, "read"));
    return undefined;
  });
}

/** What tells processors apart that do not run each other's instructions. */
function processor(): string {
  try {
    return /^(?:flags|Features)\s*:.*$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[0] ?? "";
  } catch {
    return process.arch;
  }
}
