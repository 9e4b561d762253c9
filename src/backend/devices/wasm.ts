import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { cpuName } from "./cpu.js";
import type { Device } from "./device.js";

/** @throws Error when WebAssembly, or the package, does not load */
export async function openWasm(reason: string): Promise<Device> {
  const require = createRequire(import.meta.url);
  const wasm = require("@tensorflow/tfjs-backend-wasm") as typeof import("@tensorflow/tfjs-backend-wasm");
  const folder = dirname(require.resolve("@tensorflow/tfjs-backend-wasm/package.json"));
  wasm.setWasmPaths(`${join(folder, "dist")}/`);
  if (!(await tf.setBackend("wasm"))) throw new Error("WebAssembly does not start");
  await tf.ready();
  return { kind: "wasm", name: cpuName(), library: `TensorFlow.js WebAssembly ${wasm.version_wasm}`, reason, precision: "f32" };
}
