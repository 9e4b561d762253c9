import { existsSync, readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";
import { cacheDir } from "./paths.js";
import { tensorflowWheels } from "./wheels.js";

export type Variant = keyof typeof tensorflowWheels;

/** A TensorFlow binding on this machine's disk. */
export interface Binding {
  /** the N-API addon of @tensorflow/tfjs-node-gpu */
  file: string;
  /** loader.c's addon, beside a binding that we built */
  loader?: string;
  /** CUDA's shared libraries that came with it */
  cuda: readonly string[];
  origin: "built" | "prebuilt";
}

/** What a finished build says of itself. Its files' sizes tell one that was cut short without reading 850 MB; set-up and doctor look at the digests. */
export interface Manifest {
  tensorflow: string;
  /** size in bytes of each file, by its path below the manifest's folder */
  files: Record<string, number>;
  /** SHA-256 of each file; a build of before has none until set-up has noted them */
  sha256?: Record<string, string>;
}

const require = createRequire(import.meta.url);

/** The folder of @tensorflow/tfjs-node-gpu. */
export const addonPackage = (): string => dirname(require.resolve("@tensorflow/tfjs-node-gpu/package.json"));

/** Where a build for a variant lies: named by everything that it depends on, so that nothing outdated is ever taken. */
export function buildFolder(variant: Variant): string {
  const wheel = tensorflowWheels[variant];
  const { version } = JSON.parse(readFileSync(join(addonPackage(), "package.json"), "utf8"));
  return join(cacheDir(), "native", `tfjs-${version}-${wheel.package}-${wheel.version}-${process.platform}-${process.arch}-napi8`);
}

/** True where an NVIDIA driver is seen. */
export function nvidiaDriver(): boolean {
  const onPath = (process.env.PATH ?? "").split(delimiter).some((dir) => dir !== "" && existsSync(join(dir, "nvidia-smi")));
  return existsSync("/proc/driver/nvidia/version") || onPath;
}

/** The builds that serve a machine, by default this one, the best first; none where TensorFlow has no pinned library, as on macOS and Windows. */
export function variants(machine = `${process.platform}-${process.arch}`, hasNvidia = nvidiaDriver()): Variant[] {
  const names = [...(hasNvidia ? [`${machine}-cuda`] : []), machine];
  return names.filter((name): name is Variant => name in tensorflowWheels);
}

/** @returns the whole build of a variant; a line that says why there is none otherwise */
export function builtBinding(variant: Variant): Binding | string {
  const dir = buildFolder(variant);
  const manifestFile = join(dir, "manifest.json");
  if (!existsSync(manifestFile)) return "the native TensorFlow library is not set up";
  try {
    const { files } = JSON.parse(readFileSync(manifestFile, "utf8")) as Manifest;
    for (const [name, size] of Object.entries(files)) {
      const found = statSync(join(dir, name)).size;
      if (found !== size) return `${join(dir, name)} is damaged (${found} bytes, not ${size})`;
    }
    const cuda = Object.keys(files).filter((name) => name.startsWith("nvidia/"));
    const at = (name: string) => join(dir, "tensorflow", name);
    return { file: at("tfjs_binding.node"), loader: at("loader.node"), cuda: cuda.map((name) => join(dir, name)), origin: "built" };
  } catch (error) {
    return `${dir} is damaged (${(error as Error).message.split("\n")[0]})`;
  }
}

/** The official binary, if the package's own install script put one into its folder. */
export function prebuiltBinding(): Binding | undefined {
  const file = join(addonPackage(), "lib/napi-v8/tfjs_binding.node");
  return existsSync(file) ? { file, cuda: [], origin: "prebuilt" } : undefined;
}

/** The binding to load now: the best build, else the official one, else a line that says why there is none. Looks, changes nothing. */
export function findBinding(): Binding | string {
  let reason = `there is no pinned TensorFlow library for ${process.platform}-${process.arch}`;
  for (const [index, variant] of variants().entries()) {
    const binding = builtBinding(variant);
    if (typeof binding !== "string") return binding;
    if (index === 0) reason = binding;
  }
  return prebuiltBinding() ?? reason;
}
