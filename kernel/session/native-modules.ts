import { basename, dirname, join, sep } from "node:path";
import { cacheDir, packageRoot } from "../../src/setup/paths.js";

/** The packages of erpo's own folder; where it is one of a project's, those of the project too: npm puts there what several need. */
const MODULES = [join(packageRoot(), "node_modules"), ...[dirname(packageRoot())].filter((above) => basename(above) === "node_modules")];

/**
 * Native modules (`.node`) of erpo's own set-up that compute and draw, and reach no file or network by what a program asks of them: TensorFlow's binding
 * with its loader, Dawn, Skia. Set-up's folder is named by the versions of what is in it.
 */
const PURE: readonly [folder: string, names: RegExp][] = [
  [join(cacheDir(), "native"), /^(?:tfjs_binding|loader)\.node$/],
  ...MODULES.flatMap((modules): [string, RegExp][] => [
    [join(modules, "@tensorflow/tfjs-node-gpu"), /^tfjs_binding\.node$/],
    [join(modules, "webgpu"), /^dawn\.node$/],
    [join(modules, "@napi-rs"), /^skia\..+\.node$/],
  ]),
];

/** Whether a native module is known to reach nothing that a trace does not show. */
export const isPure = (path: string): boolean => {
  const name = path.slice(path.lastIndexOf(sep) + 1);
  return PURE.some(([folder, names]) => path.startsWith(folder + sep) && names.test(name));
};
