import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { library } from "./packages.js";

/**
 * What `erpo` exports, and from where: a cell that imports `display` loads the file that defines it and that file's types, in the place of the whole library with TensorFlow,
 * danfo and Vega.
 */

/** Where an exported name is defined. */
export interface Source {
  file: string;
  /** What it is called there; "*" for all that the file exports. */
  name: string;
}

/** Of every exported name. Types stand in the declarations alone. */
type Sources = ReadonlyMap<string, Source>;

const known = new Map<string, Sources>();

function sourcesOf(index: string): Sources {
  const before = known.get(index);
  if (before) return before;
  const found = new Map<string, Source>();
  for (const line of readFileSync(index, "utf8").split("\n")) {
    const [exported, path] = line.split(' from "'); // as the compiler writes it: a declaration per line
    if (path === undefined || !exported!.startsWith("export ")) continue;
    const file = join(dirname(index), path.slice(0, path.indexOf('"')));
    const all = /^export \* as (\w+)$/.exec(exported!)?.[1];
    if (all !== undefined) found.set(all, { file, name: "*" });
    for (const item of exported!.includes("{") ? exported!.slice(exported!.indexOf("{") + 1, exported!.lastIndexOf("}")).split(",") : []) {
      const [name, alias = name] = item
        .trim()
        .replace(/^type /, "")
        .split(" as ");
      if (name) found.set(alias!, { file, name });
    }
  }
  known.set(index, found);
  return found;
}

/** The files that define these values, with each name as it is called there. Undefined where `erpo` does not have one of them. */
export function librarySources(names: readonly string[]): Source[] | undefined {
  const sources = sourcesOf(library.code);
  const found = names.map((name) => sources.get(name));
  return found.some((source) => source === undefined) ? undefined : (found as Source[]);
}

/** Whether `erpo` exports a name, a value or a type. */
export const exportsName = (name: string): boolean => sourcesOf(library.types).has(name);

/** A module of TypeScript that exports these values and types of `erpo`; all of it where one of them is unknown, so that the fault names it. */
export function libraryModule(names: Iterable<string> | "all"): string {
  const sources = sourcesOf(library.types);
  const lines = names === "all" ? [undefined] : [...names].map((name) => exported(name, sources.get(name)));
  if (lines.includes(undefined)) return `export * from ${JSON.stringify(library.types.replace(/\.d\.ts$/, ".js"))};\n`;
  return `${lines.join("\n")}\nexport {};\n`;
}

function exported(alias: string, source: Source | undefined): string | undefined {
  if (!source) return undefined;
  const what = source.name === "*" ? `* as ${alias}` : `{ ${source.name} as ${alias} }`;
  return `export ${what} from ${JSON.stringify(source.file)};`;
}

/** The value that a source's module has. */
export const exportedValue = (module: Record<string, unknown>, { name }: Source): unknown => (name === "*" ? module : module[name]);
