import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { addonPackage, type Binding, findBinding } from "../setup/binding.js";
import { kernelsFile } from "../setup/kernels.js";
import { erpoCommand } from "../setup/paths.js";
import { BF16_FLAG } from "./ops/mat-mul.js";
import { KERNELS_FLAG } from "./ops/native.js";
import { loadAddon, mendUtil } from "./shim.js";

/** What this process computes on. */
export interface Device {
  kind: "tensorflow" | "wasm" | "cpu";
  /** the hardware, as people call it */
  name: string;
  /** the library that computes, with its version, and whether our kernels work in it: sums differ in their last bits */
  library: string;
  /** why this one, in one line */
  reason: string;
  /** "bf16" when products with frozen matrices round their inputs to BF16, or all products do (on NVIDIA cards to TF32); "f32" when nothing does */
  precision: "f32" | "bf16";
}

/** The device asked for cannot be opened: which, why, and what mends it. */
export class DeviceError extends Error {
  override name = "DeviceError";
}

type Precision = Device["precision"];
const opened = Symbol.for("erpo.device");

/** Kept on the global object: the native library's settings belong to the process, however many copies of this module it holds. */
const state = globalThis as { [opened]?: { device: Promise<Device>; precision: Precision } };
const mend = `\`${erpoCommand()} setup\` mends it`;

/**
 * Opens the best device there is, once in a process: native TensorFlow, else WebAssembly, else plain JavaScript. `ERPO_BACKEND` =
 * `tensorflow`, `wasm` or `cpu` forces one. Downloads and builds nothing.
 *
 * @param options.precision fixed when the device opens; "f32" by default; "bf16" is a permission, which only some processors use
 * @param options.log receives a line when a slower device than native TensorFlow is opened
 * @throws DeviceError when a forced device does not open, or when another precision is asked for later
 */
export async function openDevice(options: { precision?: Precision; log?: (line: string) => void } = {}): Promise<Device> {
  const { precision, log = () => {} } = options;
  const before = state[opened];
  if (!before) {
    const device = open(precision ?? "f32", log);
    state[opened] = { device, precision: precision ?? "f32" };
    device.catch(() => delete state[opened]);
    return device;
  }
  if (precision !== undefined && precision !== before.precision) {
    throw new DeviceError(
      `the device is open with precision ${before.precision}, which is fixed for the process: use another one for ${precision}`,
    );
  }
  return before.device;
}

async function open(precision: Precision, log: (line: string) => void): Promise<Device> {
  const forced = process.env.ERPO_BACKEND;
  if (forced !== undefined && forced !== "tensorflow" && forced !== "wasm" && forced !== "cpu") {
    throw new DeviceError(`ERPO_BACKEND is "${forced}": use tensorflow, wasm or cpu`);
  }
  const why = forced ? `ERPO_BACKEND=${forced}` : undefined;
  let reason = why;
  if (!forced || forced === "tensorflow") {
    const binding = findBinding();
    if (typeof binding !== "string") {
      try {
        const device = await openTensorflow(binding, precision, why);
        if (precision === "f32" && device.precision !== "f32")
          log("matrix products round below float32 here, although that was switched off");
        return device;
      } catch (error) {
        reason = `native TensorFlow does not load: ${(error as Error).message.split("\n")[0]}`;
      }
    } else reason = binding;
    if (forced) throw new DeviceError(`${reason}; ${mend}`);
    log(`${reason}; ${mend}; going on with WebAssembly, which is several times slower`);
  }
  if (forced !== "cpu") {
    try {
      return await openWasm(reason ?? "");
    } catch (error) {
      const cause = `WebAssembly does not open: ${(error as Error).message.split("\n")[0]}`;
      if (forced) throw new DeviceError(cause);
      log(`${cause}; going on with plain JavaScript, which is very slow`);
      reason = `${reason}; ${cause}`;
    }
  }
  return openCpu(reason ?? "");
}

/** Nothing below float32 is done that is not asked for, whatever the user's environment says; read once, when the library loads. */
function setPrecision(precision: Precision): void {
  for (const name of ["TF_SET_ONEDNN_FPMATH_MODE", "ONEDNN_DEFAULT_FPMATH_MODE", "DNNL_DEFAULT_FPMATH_MODE"]) delete process.env[name];
  if (precision === "bf16") delete process.env.NVIDIA_TF32_OVERRIDE;
  else process.env.NVIDIA_TF32_OVERRIDE = "0";
}

/** Whether the processor multiplies BF16 numbers; without that they are slower than float32. */
function multipliesBf16(): boolean {
  try {
    return /^flags\s*:.*\b(avx512_bf16|amx_bf16)\b/m.test(readFileSync("/proc/cpuinfo", "utf8"));
  } catch {
    return false; // not Linux
  }
}

interface Loader {
  quiet(): void;
  loud(): void;
  preload(path: string): boolean;
}

async function openTensorflow(binding: Binding, precision: Precision, why: string | undefined): Promise<Device> {
  setPrecision(precision);
  process.env.TF_CPP_MIN_LOG_LEVEL ??= "3";
  mendUtil();
  const require = createRequire(import.meta.url);
  const loader: Loader | undefined = binding.loader === undefined ? undefined : require(binding.loader);
  preloadAll(loader, binding.cuda);
  if (process.env.TF_CPP_MIN_LOG_LEVEL !== "0") loader?.quiet();
  try {
    loadAddon(addonPackage(), binding.file);
    await tf.ready();
  } finally {
    loader?.loud();
  }
  const backend = tf.backend() as unknown as { binding: { TF_Version: string }; isUsingGpuDevice: boolean };
  const gpu = backend.isUsingGpuDevice;
  const bf16 = precision === "bf16" && !gpu && multipliesBf16();
  tf.env().set(BF16_FLAG, bf16);
  const kernels = gpu ? undefined : kernelsFile(binding);
  const ours = kernels !== undefined && existsSync(kernels) && (loader?.preload(kernels) ?? false);
  tf.env().set(KERNELS_FLAG, ours);
  return {
    kind: "tensorflow",
    name: gpu ? gpuName() : cpuName(),
    library: `TensorFlow ${backend.binding.TF_Version}${ours ? " with our kernels" : ""}`,
    reason:
      why ??
      `native TensorFlow (${binding.origin === "built" ? "built by set-up" : "the official binary"}) loads${gpu ? " and sees a GPU" : ""}`,
    precision: bf16 ? "bf16" : observePrecision(),
  };
}

/** 1.001 is 1 in BF16 and 1.00098 in TF32, so a product of matrices of 1.001 tells: 512 * 1.001^2 = 513.0245 in float32. */
function observePrecision(): Precision {
  const sum = tf.tidy(() => {
    const matrix = tf.fill([512, 512], 1.001);
    return tf.matMul(matrix, matrix).dataSync()[0]!;
  });
  return Math.abs(sum - 513.0245) < 0.01 ? "f32" : "bf16";
}

/** Loads libraries that need each other in whatever order works. */
function preloadAll(loader: Loader | undefined, files: readonly string[]): void {
  let left = files;
  while (loader && left.length > 0) {
    const failed = left.filter((file) => !loader.preload(file));
    if (failed.length === left.length) return; // TensorFlow looks for itself, and goes on with the CPU if it must
    left = failed;
  }
}

async function openWasm(reason: string): Promise<Device> {
  const wasm = createRequire(import.meta.url)("@tensorflow/tfjs-backend-wasm") as typeof import("@tensorflow/tfjs-backend-wasm");
  const folder = dirname(createRequire(import.meta.url).resolve("@tensorflow/tfjs-backend-wasm/package.json"));
  wasm.setWasmPaths(`${join(folder, "dist")}/`);
  if (!(await tf.setBackend("wasm"))) throw new Error("the backend refused to start");
  await tf.ready();
  return { kind: "wasm", name: cpuName(), library: `TensorFlow.js WebAssembly ${wasm.version_wasm}`, reason, precision: "f32" };
}

async function openCpu(reason: string): Promise<Device> {
  await tf.setBackend("cpu");
  await tf.ready();
  (tf.backend() as unknown as { firstUse: boolean }).firstUse = false; // else its first operation prints an advertisement
  return { kind: "cpu", name: cpuName(), library: `TensorFlow.js ${tf.version_core}`, reason, precision: "f32" };
}

/** Whether a device has memory of its own. */
export const isGpu = ({ name }: Pick<Device, "name">): boolean => name.startsWith("NVIDIA");

const cpuName = (): string => `${cpus()[0]?.model.trim() || process.arch}, ${cpus().length} cores`;

function gpuName(): string {
  try {
    // "Model:  \t NVIDIA H100 80GB HBM3"
    const cards = readFileSync("/proc/driver/nvidia/version", "utf8").split("\n")[0];
    return `NVIDIA GPU (${cards?.replace(/^NVRM version: /, "").trim()})`;
  } catch {
    return "NVIDIA GPU";
  }
}
