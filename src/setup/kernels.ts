import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Binding } from "./binding.js";
import { digestOfFile, type Look, note } from "./damage.js";
import { execute, firstWorking } from "./execute.js";
import { type Log, SetupError } from "./files.js";
import { withLock } from "./lock.js";
import { packageRoot } from "./paths.js";

/** A C++ compiler, as the words to start it with; `CXX` first. */
export const findCompiler = () => firstWorking([...(process.env.CXX ? [[process.env.CXX]] : []), ["g++"], ["c++"], ["clang++"]]);

/** Sums may be reordered where a loop says so, and nowhere else. */
const FLAGS = ["-std=c++17", "-O3", "-fopenmp-simd", "-fno-math-errno", "-fno-trapping-math", "-fPIC", "-shared", "-pthread"];

/** Instructions that kernels are compiled for. */
interface Target {
  /** goes into the file's name */
  name: string;
  /** the compiler's words for them */
  flags: readonly string[];
  /** what /proc/cpuinfo calls those that a processor must have */
  needs: readonly string[];
}

/** Every instruction of this processor. */
const own = (): Target => ({ name: "", flags: ["-march=native"], needs: processor() });

const AVX2 = ["avx2", "fma", "f16c", "bmi1", "bmi2", "movbe", "abm"];
const AVX512 = ["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"];

/** What kernels for other machines are compiled for, the fastest first. */
const PORTABLE: Readonly<Record<string, readonly Target[]>> = {
  x64: [
    { name: "avx512-bf16-", flags: ["-march=x86-64-v4", "-mavx512bf16"], needs: [...AVX2, ...AVX512, "avx512_bf16"] },
    { name: "avx2-", flags: ["-march=x86-64-v3"], needs: AVX2 },
  ],
  arm64: [{ name: "armv8-", flags: ["-march=armv8-a"], needs: [] }],
};
const portable = (): readonly Target[] => PORTABLE[process.arch] ?? [];

const sourceFolder = () => join(packageRoot(), "src", "backend", "kernels");

/** Beside TensorFlow's library, and named by everything that it depends on: the source, the flags, and for `own` the processor. */
function fileFor(folder: string, { name, flags, needs }: Target): string {
  const hash = createHash("sha256")
    .update([...FLAGS, ...flags].join(" "))
    .update(needs.join(" "));
  for (const source of readdirSync(sourceFolder()).sort()) hash.update(source).update(readFileSync(join(sourceFolder(), source)));
  return join(folder, `erpo-kernels-${name}${hash.digest("hex").slice(0, 12)}.so`);
}

/**
 * The library of our own kernels (src/backend/kernels) to load beside a binding that we built: the one that was compiled for this processor, else the fastest of a bundle's that
 * this processor runs; where there is none, where the first would be. Undefined for the official binary, whose TensorFlow is older.
 */
export function kernelsFile({ file, origin }: Binding): string | undefined {
  if (origin !== "built") return undefined;
  const here = processor();
  const candidates = [own(), ...portable()].filter(({ needs }) => needs.every((instruction) => here.includes(instruction)));
  const files = candidates.map((target) => fileFor(dirname(file), target));
  return files.find((path) => existsSync(path)) ?? files[0];
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
 * Compiles the kernels for this processor if none are there that it runs (10 s or so).
 * @returns a line that says why there are none, undefined where they are there
 */
export async function ensureKernels(binding: Binding, log: Log): Promise<string | undefined> {
  const found = kernelsFile(binding);
  if (found === undefined) return "this TensorFlow takes no kernels of ours";
  if (existsSync(found)) {
    if (!(await kernelsDamaged(found, "remember"))) return undefined;
    log(`${found} is damaged: compiling it again`);
    for (const file of [found, noteOf(found)]) rmSync(file, { force: true });
  }
  return compileKernels(own(), dirname(binding.file), log);
}

/**
 * Compiles the kernels for processors of other machines: any of this architecture that has AVX2 (on ARM, any), and faster ones for those that multiply BF16.
 * @returns their files
 * @throws SetupError where they cannot be compiled
 */
export async function portableKernels({ file }: Binding, log: Log): Promise<string[]> {
  for (const target of portable()) {
    const reason = await compileKernels(target, dirname(file), log);
    if (reason !== undefined) throw new SetupError(reason);
  }
  return portable().flatMap((target) => {
    const path = fileFor(dirname(file), target);
    return [path, noteOf(path)];
  });
}

/** @returns a line that says why they cannot be compiled, undefined where they are there */
async function compileKernels({ name, flags, needs }: Target, folder: string, log: Log): Promise<string | undefined> {
  const target = fileFor(folder, { name, flags, needs });
  const compiler = await findCompiler();
  if (!compiler?.[0]) return "there is no C++ compiler for our kernels (Debian, Ubuntu: apt-get install g++)";
  const program = compiler[0];
  return withLock(`${target}.lock`, async () => {
    if (existsSync(target) && !(await kernelsDamaged(target, "remember"))) return undefined; // another process may have made it
    log(`compiling the kernels${name && ` for ${name.slice(0, -1)}`} (10 s or so)`);
    const sources = readdirSync(sourceFolder()).filter((source) => source.endsWith(".cc"));
    const libraries = ["-L", folder, "-l:libtensorflow_cc.so.2", "-l:libtensorflow_framework.so.2", "-Wl,-rpath,$ORIGIN"];
    const beside = `${target}.${process.pid}`;
    const files = sources.map((source) => join(sourceFolder(), source));
    const { code, output } = await execute(program, [...FLAGS, ...flags, ...files, "-o", beside, ...libraries]);
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

/** The instructions that this processor has beyond the least of its kind. */
function processor(): string[] {
  try {
    return (/^(?:flags|Features)\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1] ?? "").trim().split(" ");
  } catch {
    return [];
  }
}
