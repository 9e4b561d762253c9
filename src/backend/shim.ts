import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(import.meta.url);

/**
 * Node 23 removed two functions of `util` that @tensorflow/tfjs-node-gpu 4.22.0 calls (tfjs#8425, fixed but never released), and Node 22
 * warns when they are called. This puts equal ones in their place.
 */
export function mendUtil(): void {
  const util = require("node:util") as Record<string, unknown>;
  util.isNullOrUndefined = (value: unknown) => value === null || value === undefined;
  util.isArray = Array.isArray;
}

/**
 * Loads @tensorflow/tfjs-node-gpu with a binding from anywhere on the disk. The package asks node-pre-gyp where its binding is; for the
 * moment of loading, a stand-in answers, so nothing has to be written into node_modules.
 *
 * @returns the package's exports; its backend "tensorflow" is registered and chosen
 */
export function loadAddon(packageFolder: string, bindingFile: string): unknown {
  const fromPackage = createRequire(join(packageFolder, "dist/index.js"));
  const asked = fromPackage.resolve("@mapbox/node-pre-gyp");
  const cache = fromPackage.cache;
  const before = cache[asked];
  cache[asked] = {
    id: asked,
    filename: asked,
    loaded: true,
    exports: { find: () => bindingFile },
    children: [],
    paths: [],
  } as unknown as NodeModule;
  try {
    return fromPackage(packageFolder);
  } finally {
    if (before) cache[asked] = before;
    else delete cache[asked];
  }
}
