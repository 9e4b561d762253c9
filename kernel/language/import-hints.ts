import ts = require("typescript");

import { exportsName } from "./library-names.js";

/** "Cannot find name 'x'", with and without another name that was meant. */
const UNKNOWN_NAME = new Set([2304, 2552, 2503]);

/**
 * What to import for a name that nothing declares: a completion can only write where the cursor stands, and the import stands elsewhere.
 * @returns a sentence; undefined where neither `erpo` nor Node exports the name
 */
export function importHint({ code, start, length, file }: ts.Diagnostic, program: ts.Program): string | undefined {
  if (!UNKNOWN_NAME.has(code) || !file || start === undefined) return undefined;
  const name = file.text.slice(start, start + (length ?? 0));
  const from = exportsName(name) ? ["erpo"] : nodeModules(name, program.getTypeChecker());
  const lines = from.slice(0, 2).map((module) => `import { ${name} } from "${module}";`);
  return lines.length ? `It comes with: ${lines.join(" or ")}` : undefined;
}

/** Node's modules that export a name, those with the shortest names first. */
function nodeModules(name: string, checker: ts.TypeChecker): string[] {
  return checker
    .getAmbientModules()
    .filter((module) => module.name.startsWith('"node:') && checker.tryGetMemberInModuleExports(name, module))
    .map((module) => module.name.slice(1, -1))
    .sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
}
