import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { latexWriter } from "../../reports/latex/write.js";
import { writeMarkdown } from "../../reports/markdown/write.js";
import { readSet, type Writer } from "../../reports/set.js";

const folder = new URL("../fixtures/report-golden/", import.meta.url).pathname;
const names = readdirSync(folder).filter((name) => name.endsWith(".ipynb"));

/** What stands between the title and the provenance. */
const PARTS: [extension: string, write: Writer, content: RegExp][] = [
  [".tex", latexWriter("article"), /\\maketitle\n\n([\s\S]*)\n\n\\section\*\{Provenance\}/],
  [".md", writeMarkdown, /^# .*\n\n([\s\S]*)\n\n## Provenance\n/],
];

/** Pairs NAME.ipynb -> NAME.tex and NAME.md: one construct of a document each. */
test.each(names.flatMap((name) => PARTS.map(([extension, write, content]) => ({ name, extension, write, content }))))(
  "$name as $extension",
  async ({ name, extension, write, content }) => {
    const set = await readSet([join(folder, name)], folder, undefined);
    const files = await write(set.sources[0]!, set);
    const text = String(files.at(-1)!.content);
    const rest = extension === ".md" ? (/\n\n(\[\^1\]:[\s\S]*)$/.exec(text)?.[1] ?? "") : "";
    const pictures = files.slice(0, -1).map(({ path }) => `file: ${path}`);
    const shown = [...pictures, content.exec(text)?.[1], rest].filter(Boolean).join("\n\n");
    await expect(`${shown.trimEnd()}\n`).toMatchFileSnapshot(join(folder, name.replace(/\.ipynb$/, extension)));
  },
);
