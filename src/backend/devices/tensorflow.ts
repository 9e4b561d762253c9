import { existsSync, readFileSync } from "node:fs";
import * as tf from "@tensorflow/tfjs";
import { type Binding, nvidiaDriver } from "../../setup/binding.js";
import { kernelsFile } from "../../setup/kernels.js";
import { BF16_FLAG, EMULATION_FLAG } from "../ops/mat-mul.js";
import { KERNELS_FLAG } from "../ops/native.js";
import { cpuName, multipliesBf16 } from "./cpu.js";
import type { AskedPrecision, Device } from "./device.js";
import { loadLibrary } from "./native-library.js";

type Precision = Device["precision"];

/** Opens native TensorFlow. `reason` is why it was to be this device; where it is empty, that it loads is. */
export async function openTensorflow(binding: Binding, precision: AskedPrecision, reason: string): Promise<Device> {
  const loader = loadLibrary(binding, precision);
  await tf.ready();
  const backend = tf.findBackend("tensorflow") as unknown as { binding: { TF_Version: string }; isUsingGpuDevice: boolean };
  const gpu = backend.isUsingGpuDevice;
  const kernels = gpu ? undefined : kernelsFile(binding);
  const ours = kernels !== undefined && existsSync(kernels) && (loader?.preload(kernels) ?? false);
  tf.env().set(KERNELS_FLAG, ours);
  const sees = gpu ? " and sees a GPU" : nvidiaDriver() ? ", but sees no GPU, although there is NVIDIA's driver" : "";
  const device = {
    kind: "tensorflow" as const,
    name: gpu ? gpuName() : cpuName(),
    library: `TensorFlow ${backend.binding.TF_Version}${ours ? " with our kernels" : ""}`,
    reason: reason || `native TensorFlow (${binding.origin === "built" ? "built by set-up" : "the official binary"}) loads${sees}`,
  };
  return gpu ? { ...device, precision: observePrecision() } : inPrecision(device, precision);
}

/** A processor that is open in float32, in the precision that is asked for from now on. */
export function inPrecision(device: Omit<Device, "precision">, asked: AskedPrecision): Device {
  const multiplies = multipliesBf16();
  const emulates = asked === "bf16 everywhere" && !multiplies;
  const bf16 = emulates || (asked !== "f32" && multiplies);
  tf.env().set(BF16_FLAG, bf16);
  tf.env().set(EMULATION_FLAG, emulates);
  const library = emulates ? `${device.library}, BF16 emulated` : device.library;
  return { ...device, library, precision: bf16 ? "bf16" : observePrecision() };
}

/** 1.001 is 1 in BF16 and 1.00098 in TF32, so a product of matrices of 1.001 tells: 512 * 1.001^2 = 513.0245 in float32. */
function observePrecision(): Precision {
  const sum = tf.tidy(() => {
    const matrix = tf.fill([512, 512], 1.001);
    return tf.matMul(matrix, matrix).dataSync()[0]!;
  });
  return Math.abs(sum - 513.0245) < 0.01 ? "f32" : "bf16";
}

function gpuName(): string {
  try {
    // "Model:  \t NVIDIA H100 80GB HBM3"
    const cards = readFileSync("/proc/driver/nvidia/version", "utf8").split("\n")[0];
    return `NVIDIA GPU (${cards?.replace(/^NVRM version: /, "").trim()})`;
  } catch {
    return "NVIDIA GPU";
  }
}
