import { type Binding, builtBinding, findBinding, variants } from "./binding.js";
import { damagedBuild } from "./damage.js";
import type { Log } from "./files.js";
import { ensureKernels, kernelsDamaged, kernelsFile } from "./kernels.js";
import { ensureNative } from "./native.js";
import { keepWheel, packageReady, packageWhole } from "./packages.js";
import { askedWheels, dataWheels } from "./wheels.js";

/** What set-up brings onto the machine, and whether it is there. Looks only. */
export interface Inventory {
  /** the native TensorFlow binding, or why there is none */
  binding: Binding | string;
  packages: { name: string; version: string; ready: boolean }[];
}

/** Whether another device than native TensorFlow was asked for. */
export const withoutNative = (): boolean => (process.env.ERPO_BACKEND ?? "tensorflow") !== "tensorflow";

export function inventory(): Inventory {
  const packages = dataWheels.map(({ package: name, version }) => ({ name, version, ready: packageReady(name, version) }));
  return { binding: findBinding(), packages };
}

/** The damaged files of the native library that this machine would load, our kernels among them. Reads all of them. */
export async function damagedNative(): Promise<string[]> {
  for (const variant of withoutNative() ? [] : variants()) {
    const binding = builtBinding(variant);
    if (typeof binding === "string") continue;
    const kernels = kernelsFile(binding);
    const ours = kernels !== undefined && (await kernelsDamaged(kernels, "read")) ? [kernels] : [];
    return [...(await damagedBuild(variant, "read")), ...ours];
  }
  return [];
}

/**
 * Makes the machine ready: native library, default model, data packages; what is there already, with the digests that were recorded, is left alone, and what is damaged is
 * brought again. Without a native library
 * the job still runs, slower, and a line says why; another `ERPO_BACKEND` does without it on purpose.
 *
 * @returns what is there afterwards
 * @throws SetupError when the model or the data cannot be brought
 */
export async function makeReady(log: Log): Promise<Inventory> {
  let binding: Binding | string = findBinding();
  if (!withoutNative()) {
    binding = await ensureNative(log);
    if (typeof binding === "string") log(`no native TensorFlow: ${binding}; going on with WebGPU or WebAssembly, which is slower`);
    else {
      const reason = await ensureKernels(binding, log);
      if (reason !== undefined) log(`${reason}; going on without, which takes half as long again`);
    }
  }
  const asked = askedWheels.filter((wheel) => packageReady(wheel.package, wheel.version)); // whose terms have been accepted
  for (const wheel of [...dataWheels, ...asked]) {
    if (!(await packageWhole(wheel.package, wheel.version))) await keepWheel(wheel, log);
  }
  return { ...inventory(), binding };
}
