import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { freemem, totalmem } from "node:os";
import { dirname, join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { type Device, isGpu, openDevice } from "../backend/device.js";
import { readLast } from "../backend/read.js";
import { busyCores } from "./busy.js";
import { freeBytes, inBytes } from "./files.js";
import { damagedMembers, packageReady } from "./packages.js";
import { cacheDir, erpoCommand } from "./paths.js";
import { findPrograms } from "./programs.js";
import { damagedNative, inventory } from "./ready.js";
import { askedWheels } from "./wheels.js";

/** Something that is missing or broken. */
export interface Problem {
  what: string;
  /** the one command or action that mends it */
  mend: string;
  /** true when the main job cannot run; false when it is slower or makes less */
  serious: boolean;
}

/** What `erpo doctor` says of the machine. Bytes and GFLOP/s are numbers, so that a program can compare them. */
export interface Diagnosis {
  /** the main job can run */
  ok: boolean;
  node: string;
  platform: string;
  device: Device | null;
  /** float32 matrix product of 1024 x 1024, 10^9 floating-point operations a second; null without a device */
  gflops: number | null;
  libraries: Record<string, string>;
  /** bytes; the limit of the container where there is one */
  memory: { total: number; free: number };
  cache: { folder: string; free: number };
  packages: { name: string; version: string; ready: boolean }[];
  /** programs that some outputs need: version or path, null where there is none */
  programs: Record<string, string | null>;
  problems: Problem[];
}

/**
 * How fast the open device multiplies two 1024 x 1024 float32 matrices, measured for about 0.7 s after a warm-up.
 * The device is opened if it is not yet.
 */
export async function measure(): Promise<{ gflops: number }> {
  await openDevice();
  const size = 1024;
  const [a, b] = [tf.randomUniform([size, size], -1, 1, "float32", 1), tf.randomUniform([size, size], -1, 1, "float32", 2)];
  const multiply = () => readLast(tf.matMul(a, b)); // [size, size]
  await multiply();
  const started = performance.now();
  let products = 0;
  do {
    await multiply();
    products++;
  } while (performance.now() - started < 700);
  const elapsed = (performance.now() - started) / 1000; // s
  tf.dispose([a, b]);
  return { gflops: (products * 2 * size ** 3) / elapsed / 1e9 };
}

/** Looks at the whole machine: opens the device, measures it, verifies what set-up brought. Changes nothing. */
export async function diagnose(): Promise<Diagnosis> {
  const { packages } = inventory();
  const problems: Problem[] = [];
  const setup = `${erpoCommand()} setup`;
  for (const { name, version, ready } of packages) {
    if (!ready) problems.push({ what: `${name} ${version} is not downloaded`, mend: setup, serious: true });
    const damaged = ready ? await damagedMembers(name, version, "read") : [];
    for (const file of damaged) problems.push({ what: `${file} is damaged`, mend: setup, serious: true });
  }
  for (const { package: name, version } of askedWheels) {
    const damaged = packageReady(name, version) ? await damagedMembers(name, version, "read") : [];
    for (const file of damaged) problems.push({ what: `${file} is damaged`, mend: setup, serious: false });
  }
  const native = await damagedNative();
  for (const file of native) problems.push({ what: `${file} is damaged`, mend: setup, serious: true });
  let device: Device | null = null;
  let gflops: number | null = null;
  const busy = await busyCores();
  try {
    if (native.length > 0) throw new Error("the native library is not loaded, since it is damaged");
    device = await openDevice({ precision: "bf16" }); // as runs do
    gflops = (await measure()).gflops;
    if (!process.env.ERPO_BACKEND && device.kind !== "tensorflow") {
      problems.push({ what: `${device.reason}; computing with ${device.library}`, mend: setup, serious: false });
    }
  } catch (error) {
    problems.push({
      what: `no device: ${(error as Error).message}`,
      mend: process.env.ERPO_BACKEND ? "unset ERPO_BACKEND" : setup,
      serious: true,
    });
  }
  if (busy !== null)
    problems.push({ what: `other work keeps ${busy}: all is slower until it ends`, mend: "wait for it, or end it", serious: false });
  const memory = availableMemory();
  problems.push(...memoryProblems(memory.total));
  const programs = await findPrograms();
  for (const { found, what, mend } of programs) if (found === null) problems.push({ what, mend, serious: false });
  return {
    ok: !problems.some(({ serious }) => serious),
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    device,
    gflops,
    libraries: libraryVersions(),
    memory,
    cache: { folder: cacheDir(), free: freeBytes(existing(cacheDir())) },
    packages,
    programs: Object.fromEntries(programs.map(({ name, found }) => [name, found])),
    problems,
  };
}

/** What is noted where a machine has less memory than README asks for. @param total bytes */
export function memoryProblems(total: number): Problem[] {
  return total < 8e9 ? [{ what: `${inBytes(total)} of memory, less than 8 GB`, mend: "a machine with more", serious: false }] : [];
}

function libraryVersions(): Record<string, string> {
  const require = createRequire(import.meta.url);
  const names = ["@tensorflow/tfjs", "@tensorflow/tfjs-node-gpu", "webgpu", "danfojs-node", "typescript", "vega", "vega-lite"];
  return Object.fromEntries(names.map((name) => [name, packageVersion(require, name)]));
}

function packageVersion(require: NodeJS.Require, name: string): string {
  for (const folder of require.resolve.paths(name) ?? []) {
    const file = join(folder, name, "package.json");
    if (existsSync(file)) return JSON.parse(readFileSync(file, "utf8")).version;
  }
  return "missing";
}

export function availableMemory(): { total: number; free: number } {
  const limit = process.constrainedMemory?.() ?? 0;
  const total = limit > 0 && limit < totalmem() ? limit : totalmem();
  return { total, free: Math.min(total, process.availableMemory?.() ?? freemem()) };
}

/** Bytes that the device computes in: a GPU's own (null where nvidia-smi does not say; WebGPU does not either), the 4 GB that WebAssembly can address, or the machine's. */
export function deviceMemory(device: Device): number | null {
  if (isGpu(device)) {
    const { stdout } = spawnSync("nvidia-smi", ["--query-gpu=memory.total", "--format=csv,noheader,nounits"], { encoding: "utf8" });
    return Number.parseInt(stdout ?? "", 10) * 2 ** 20 || null; // MiB of the first card
  }
  if (device.kind === "webgpu") return null;
  const { total } = availableMemory();
  return device.kind === "wasm" ? Math.min(total, 2 ** 32) : total;
}

function existing(dir: string): string {
  return existsSync(dir) ? dir : existing(dirname(dir));
}
