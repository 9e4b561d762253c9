import { readFileSync } from "node:fs";
import Module, { createRequire } from "node:module";
import { dirname, join } from "node:path";
import vm from "node:vm";
import { writeAtomic } from "../../src/setup/atomic.js";
import { cacheDir } from "../../src/setup/paths.js";

const WRITE_AFTER_MS = 4000;

/**
 * Loads TypeScript's nine megabytes with the machine code that V8 made of them last time, a quarter of a second faster; the first
 * kernel of a machine makes that file in erpo's cache. V8 itself refuses what another Node or another TypeScript has made.
 * `require("typescript")` finds the module loaded.
 */
export function preloadTypescript(): void {
  const require = createRequire(import.meta.url);
  const file = require.resolve("typescript");
  const source = readFileSync(file, "utf8");
  const cache = join(cacheDir(), "code", `typescript-${process.version}-${process.arch}.bin`);
  const cachedData = bytes(cache);
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
  setTimeout(() => {
    try {
      writeAtomic(cache, [script.createCachedData()]); // by now with what the first cells have needed
    } catch {
      // a full or read-only cache costs the next kernel a quarter of a second
    }
  }, WRITE_AFTER_MS).unref();
}

function bytes(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch {
    return undefined;
  }
}
