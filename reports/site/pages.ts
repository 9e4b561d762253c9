import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join, posix, resolve } from "node:path";
import { buildDocument } from "../document/build.js";
import type { ReportDocument } from "../document/model.js";
import type { CodeCell, Notebook, TextCell } from "../notebook/types.js";

/** The gallery: its figures are drawn when the site is made (`gallery.ts`). */
export const GALLERY = "notebooks/how-to/figures.md";

/** A part of the navigation: the files whose pages it lists, as paths in the repository. */
export interface Section {
  name: string;
  files: string[];
}

/**
 * What the site has pages of, in the order to read. Other Markdown files get pages where a page links to them.
 * @param root the repository
 */
export function sections(root: string): Section[] {
  const there = (...files: string[]) => files.filter((file) => existsSync(join(root, file)));
  const within = (folder: string, ...endings: string[]) =>
    (existsSync(join(root, folder)) ? readdirSync(join(root, folder)).sort() : [])
      .filter((name) => endings.some((ending) => name.endsWith(ending)))
      .map((name) => `${folder}/${name}`)
      .filter((file) => file !== GALLERY);
  return [
    { name: "Start", files: there("README.md", GALLERY, "notebooks/glossary.md") },
    { name: "Notebooks", files: within("notebooks", ".ipynb") },
    { name: "Course", files: within("notebooks/course", ".md", ".ipynb") },
    { name: "How to", files: [...within("notebooks/how-to", ".md"), ...within("notebooks/how-to", ".ipynb")] },
    { name: "Related methods", files: within("notebooks/related", ".ipynb") },
    { name: "Reference", files: there("kernel/README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md") },
  ].filter(({ files }) => files.length > 0);
}

/** The address of a file's page within the site: `kernel/README.md` is at `kernel/README.html`, the README at the top is the site's beginning. */
export const pageUrl = (file: string): string => (file === "README.md" ? "index.html" : file.replace(/\.(?:md|ipynb)$/, ".html"));

/** The way from one file of the site to another one. */
export const relativeUrl = (from: string, to: string): string => posix.relative(posix.dirname(from), to) || posix.basename(to);

/**
 * Executed notebooks of a run, by name: those of its main job and of its related methods.
 * @param run its folder
 */
export function executedNotebooks(run: string): Map<string, string> {
  const found = new Map<string, string>();
  const folders = (dir: string) => (existsSync(dir) ? readdirSync(dir).map((name) => join(dir, name)) : []);
  for (const folder of [join(run, "notebooks"), ...folders(join(run, "methods"))]) {
    if (!existsSync(folder) || !statSync(folder).isDirectory()) continue;
    for (const name of readdirSync(folder).filter((name) => name.endsWith(".ipynb"))) found.set(name, join(folder, name));
  }
  return found;
}

/** The newest run below `dir` with executed notebooks; undefined where there is none. */
export function newestRun(dir: string): string | undefined {
  const runs = existsSync(dir) ? readdirSync(dir).map((name) => resolve(dir, name)) : [];
  const time = (run: string) => Math.max(...[...executedNotebooks(run).values()].map((path) => statSync(path).mtimeMs));
  return runs.filter((run) => executedNotebooks(run).size > 0).sort((a, b) => time(b) - time(a))[0];
}

export const textCell = (source: string): TextCell => ({ cell_type: "markdown", source, metadata: {} });

/** A cell of which only what it shows is seen. */
export const shownCell = (data: Record<string, unknown>, metadata: Record<string, unknown>): CodeCell => ({
  cell_type: "code",
  source: "",
  metadata: {},
  execution_count: null,
  outputs: [{ output_type: "display_data", data, metadata }],
});

/** A document of cells, as the report generator knows it. */
export function documentOf(cells: Notebook["cells"], path: string): ReportDocument {
  return buildDocument({ nbformat: 4, nbformat_minor: 5, metadata: {}, cells }, path);
}

/** A Markdown file as a document; a picture in SVG that stands on a line of its own becomes a figure. */
export function markdownDocument(path: string): ReportDocument {
  const cells: Notebook["cells"] = [];
  let text: string[] = [];
  const flush = () => {
    cells.push(textCell(text.join("\n")));
    text = [];
  };
  for (const line of readFileSync(path, "utf8").split("\n")) {
    const [, alt, file] = /^!\[([^\]]*)\]\(([^():]+)\)$/.exec(line) ?? [];
    if (!file?.endsWith(".svg")) text.push(line);
    else {
      flush();
      cells.push(shownCell({ "image/svg+xml": readFileSync(join(dirname(path), file), "utf8") }, { "fig-alt": alt }));
    }
  }
  flush();
  return documentOf(cells, basename(path));
}
