import { join, sep } from "node:path";
import { cacheDir, packageRoot } from "../../src/setup/paths.js";

/**
 * Native modules (`.node`) of erpo's own set-up that compute and draw, and reach no file or network by what a program asks of them: TensorFlow's binding
 * with its loader, Dawn, Skia. Set-up's folder is named by the versions of what is in it.
 */
const PURE: readonly [folder: string, names: RegExp][] = [
  [join(cacheDir(), "native"), /^(?:tfjs_binding|loader)\.node$/],
  [join(packageRoot(), "node_modules/@tensorflow/tfjs-node-gpu"), /^tfjs_binding\.node$/],
  [join(packageRoot(), "node_modules/webgpu"), /^dawn\.node$/],
  [join(packageRoot(), "node_modules/@napi-rs"), /^skia\..+\.node$/],
];

/** Whether a native module is known to reach nothing that a trace does not show. */
export const isPure = (path: string): boolean => {
  const name = path.slice(path.lastIndexOf(sep) + 1);
  return PURE.some(([folder, names]) => path.startsWith(folder + sep) && names.test(name));
};
