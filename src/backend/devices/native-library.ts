import { createRequire } from "node:module";
import { addonPackage, type Binding } from "../../setup/binding.js";
import { loadAddon, mendUtil } from "../shim.js";
import type { AskedPrecision } from "./device.js";

/** loader.c's addon. */
export interface Loader {
  quiet(): void;
  loud(): void;
  preload(path: string): boolean;
}

/** Loads the native library at once, which becomes the backend of TensorFlow.js. Nothing happens where it is loaded. */
export function loadLibrary(binding: Binding, precision: AskedPrecision): Loader | undefined {
  setPrecision(precision);
  process.env.TF_CPP_MIN_LOG_LEVEL ??= "3";
  process.env.TF_FORCE_GPU_ALLOW_GROWTH ??= "true"; // else it takes all of a GPU's memory at once
  mendUtil();
  const require = createRequire(import.meta.url);
  const loader: Loader | undefined = binding.loader === undefined ? undefined : require(binding.loader);
  preloadAll(loader, binding.cuda);
  if (process.env.TF_CPP_MIN_LOG_LEVEL !== "0") loader?.quiet();
  try {
    loadAddon(addonPackage(), binding.file);
  } finally {
    loader?.loud();
  }
  return loader;
}

/** Nothing below float32 is done that is not asked for, whatever the user's environment says; read once, when the library loads. */
function setPrecision(precision: AskedPrecision): void {
  for (const name of ["TF_SET_ONEDNN_FPMATH_MODE", "ONEDNN_DEFAULT_FPMATH_MODE", "DNNL_DEFAULT_FPMATH_MODE"]) delete process.env[name];
  if (precision !== "f32") delete process.env.NVIDIA_TF32_OVERRIDE;
  else process.env.NVIDIA_TF32_OVERRIDE = "0";
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
