import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import * as tf from "@tensorflow/tfjs";
import type { Device } from "./device.js";

/** Plain JavaScript, which opens everywhere. */
export async function openCpu(reason: string): Promise<Device> {
  await tf.setBackend("cpu");
  await tf.ready();
  (tf.backend() as unknown as { firstUse: boolean }).firstUse = false; // else its first operation prints an advertisement
  return { kind: "cpu", name: cpuName(), library: `TensorFlow.js ${tf.version_core}`, reason, precision: "f32" };
}

/** The processor, as people call it. */
export const cpuName = (): string => `${cpus()[0]?.model.trim() || process.arch}, ${cpus().length} cores`;

/** Whether the processor multiplies BF16 numbers; without that they are slower than float32. */
export function multipliesBf16(): boolean {
  try {
    return /^flags\s*:.*\b(avx512_bf16|amx_bf16)\b/m.test(readFileSync("/proc/cpuinfo", "utf8"));
  } catch {
    return false; // not Linux
  }
}
