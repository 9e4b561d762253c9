import { join } from "node:path";
import type { PathMapping } from "./tsconfig.js";

/** What may stand behind a name that is mapped to a path, in TypeScript's order. */
const ENDINGS = ["", ".ts", ".tsx", ".mts", ".js", ".mjs", ".cjs", ".json", "/index.ts", "/index.tsx", "/index.js"];

/**
 * The local file that a module's name means by `paths` or `baseUrl`: as TypeScript does it, an exact pattern before one with `*`, the
 * longest text before the `*` first. Undefined where none is there: then it is a package's.
 * @param exists whether there is a file
 */
export function mappedFile(specifier: string, { baseUrl, patterns }: PathMapping, exists: (file: string) => boolean): string | undefined {
  const candidates = [...matched(specifier, patterns), ...(baseUrl === undefined ? [] : [join(baseUrl, specifier)])];
  for (const path of candidates) {
    const written = ENDINGS.map((ending) => path + ending);
    const typescript = path.replace(/\.(m?)js(x?)$/, ".$1ts$2"); // `./a.js` where only `a.ts` exists
    const found = [...written, typescript].find(exists);
    if (found !== undefined) return found;
  }
  return undefined;
}

function matched(specifier: string, patterns: PathMapping["patterns"]): string[] {
  const exact = patterns.find(({ pattern }) => pattern === specifier);
  if (exact) return [...exact.files];
  const fitting = patterns
    .map(({ pattern, files }) => ({ ...parts(pattern), files }))
    .filter(
      ({ before, after }) =>
        after !== undefined &&
        specifier.startsWith(before) &&
        specifier.endsWith(after) &&
        specifier.length >= before.length + after.length,
    )
    .sort((a, b) => b.before.length - a.before.length);
  const best = fitting[0];
  if (!best) return [];
  const middle = specifier.slice(best.before.length, specifier.length - best.after!.length);
  return best.files.map((file) => file.replace("*", () => middle));
}

function parts(pattern: string): { before: string; after: string | undefined } {
  const [before = "", after] = pattern.split("*");
  return { before, after };
}
