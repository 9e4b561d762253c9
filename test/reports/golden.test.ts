import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { buildDocument } from "../../reports/document/build.js";
import { addReferences } from "../../reports/document/references.js";
import { parseNotebook } from "../../reports/notebook/read.js";
import { contentOf } from "./notebooks.js";

const folder = new URL("../fixtures/report-golden/", import.meta.url).pathname;
const names = readdirSync(folder).filter((name) => name.endsWith(".ipynb"));

const read = (name: string) => buildDocument(parseNotebook(readFileSync(join(folder, name), "utf8"), name), join(folder, name));
const targets = new Map(["figures.ipynb", "headings.ipynb"].flatMap((name) => [...read(name).labels]));

/** Pairs NAME.ipynb -> NAME.html: one construct of a document each. */
test.each(names)("%s", async (name) => {
  const document = read(name);
  await addReferences(document, folder);
  const content = await contentOf(document, targets, folder);
  const about = [`title: ${document.title}`, ...document.warnings.map((text) => `warning: ${text}`)];
  const notes = document.footnotes.map(({ number, id }) => `footnote ${number}: ${id}`);
  await expect(`<!-- ${[...about, ...notes].join("\n")} -->\n${content}\n`).toMatchFileSnapshot(
    join(folder, name.replace(/\.ipynb$/, ".html")),
  );
});
