import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { packageRoot } from "../../src/setup/paths.js";
import { anchor } from "./anchors.js";
import { decode } from "./pictures.js";

const NAME = "glossary.md";

/** A link to a term: `[look-alikes](../glossary.md#look-alike)`. */
const LINK = /\[([^[\]\n]+)\]\((?:\.\.?\/)*glossary\.md#([^\s()]+)\)/g;

/**
 * Markdown whose links to terms of the glossary are footnotes with what it says: a page explains its terms by itself, also in print and without the glossary beside it.
 * Terms that the glossary lacks are left as words, and told of.
 *
 * @param sources Markdown cells, in order
 * @param path of the notebook: the glossary in its folder or the one above counts, else that of erpo's own notebooks
 */
export function explainTerms(sources: readonly string[], path: string): { sources: string[]; warnings: string[] } {
  const used = new Set(sources.flatMap((source) => [...source.matchAll(LINK)].map(([, , term]) => decode(term!))));
  if (used.size === 0) return { sources: [...sources], warnings: [] };
  const terms = readTerms(path);
  const warnings = [...used].filter((term) => !terms.has(term)).map((term) => `the term ${term} is not in ${NAME}`);
  const marked = sources.map((source) =>
    source.replace(LINK, (_, words: string, term: string) => (terms.has(decode(term)) ? `${words}[^term-${decode(term)}]` : words)),
  );
  const notes = [...used].flatMap((term) => terms.get(term) ?? []);
  return { sources: [...marked.slice(0, -1), [marked.at(-1), ...notes].join("\n\n")], warnings };
}

/** Where the glossary of a notebook may lie, but for the package's own: beside it, or in the folder above. */
export function glossaryPlaces(path: string): string[] {
  const folder = dirname(resolve(path));
  return [folder, dirname(folder)].map((place) => join(place, NAME));
}

/** The glossary's entries as footnotes, by the ids of their headings. */
function readTerms(path: string): Map<string, string> {
  const file = [...glossaryPlaces(path), join(packageRoot(), "notebooks", NAME)].find((place) => existsSync(place));
  if (file === undefined) return new Map();
  const [, ...entries] = readFileSync(file, "utf8").split(/^### /m);
  return new Map(
    entries.map((entry) => {
      const [title, ...lines] = entry.split("\n");
      const [definition] = lines.join("\n").trim().split("\n\n");
      return [anchor(title!), `[^term-${anchor(title!)}]: **${title!.trim()}.** ${unlinked(definition!).replaceAll("\n", " ")}`];
    }),
  );
}

/** Links within the glossary lead nowhere from a page. */
const unlinked = (text: string): string => text.replace(/\[([^[\]\n]+)\]\(#[\w-]+\)/g, "$1");
