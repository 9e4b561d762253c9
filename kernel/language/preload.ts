import { readFileSync } from "node:fs";
import Module, { createRequire } from "node:module";
import { dirname, join } from "node:path";
import vm from "node:vm";
import { cacheDir } from "../../src/setup/paths.js";
import { readSealed, writeSealed } from "../../src/setup/remembered.js";

/**
 * Loads TypeScript's nine megabytes with the machine code that V8 made of them before, kept in erpo's cache: a tenth of a second faster.
 * It is taken only as it was written, since V8 does not survive a damaged one. `require("typescript")` finds the module loaded.
 * @returns what keeps the code that has been needed until it is called, or nothing when there was code to load
 */
export function preloadTypescript(): (() => void) | undefined {
  const require = createRequire(import.meta.url);
  const file = require.resolve("typescript");
  const source = readFileSync(file, "utf8");
  const { version } = require("typescript/package.json");
  const cache = join(cacheDir(), "code", `typescript-${version}-${process.version}-${process.arch}.bin`);
  const cachedData = readSealed(cache);
  const script = new vm.Script(Module.wrap(source), {
    filename: file,
    ...(cachedData && { cachedData }),
    importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
  const module = new Module(file);
  module.filename = file;
  script.runInThisContext()(module.exports, createRequire(file), module, file, dirname(file));
  module.loaded = true;
  require.cache[file] = module;
  if (cachedData && !script.cachedDataRejected) return;
  return () => {
    try {
      const code = script.createCachedData();
      writeSealed(cache, code);
    } catch {
      // a full or read-only cache costs the next kernel a tenth of a second
    }
  };
}
