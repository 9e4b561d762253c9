import { existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { dirname, join, posix, resolve } from "node:path";
import { writeAtomic } from "../../src/setup/atomic.js";
import { NO_PART } from "../document/anchors.js";
import type { ReportDocument, Target } from "../document/model.js";
import { decode } from "../document/pictures.js";
import { writeBlocks } from "../html/blocks.js";
import { draw } from "../html/draw.js";
import { escapeHTML } from "../html/escape.js";
import { footnotes, made, references, styleSheet, titleHTML } from "../html/page.js";
import { type Links, MarkdownWriter } from "../html/render-markdown.js";
import { provenanceHTML } from "../provenance/html.js";
import { sealPage } from "../provenance/seal.js";
import { type OutputFile, type ReportSet, readSet, type Source } from "../set.js";
import { apiPages } from "./api.js";
import { galleryDocument } from "./gallery.js";
import { deadLinks } from "./links.js";
import {
  documentOf,
  executedNotebooks,
  GALLERY,
  markdownDocument,
  pageUrl,
  relativeUrl,
  type Section,
  sections,
  textCell,
} from "./pages.js";
import { type SearchEntry, searchEntries, searchFiles } from "./search.js";
import { type NavigationSection, shellHTML } from "./shell.js";

/** How the site is made. */
export interface SiteOptions {
  /** The repository, or a folder like it. */
  root: string;
  /** Folder of the site; an earlier site there goes. */
  output: string;
  /** Folder of a run, whose executed notebooks are shown. */
  run?: string;
  /** Folder of the library's pages in Markdown, as typedoc's plugin writes them. */
  api?: string;
}

/** What was written, and what keeps the site from being whole. */
export interface SiteResult {
  /** Paths of the pages within the site. */
  pages: string[];
  /** Of these, notebooks with their outputs. */
  executed: number;
  /** One line each. */
  failures: string[];
}

/** A page before it is written. */
interface Page {
  /** Path of its source in the repository; of the library's pages `api/...`. */
  file: string;
  document: ReportDocument;
  /** Of a notebook. */
  source?: Source;
}

/**
 * Makes the site: a page for each notebook and each Markdown file, the gallery, the library's pages, one navigation and a search over all. It needs no server and no
 * network. Nothing but the gallery's samples is executed.
 *
 * @throws FileError when the folder cannot be written; Error when it holds something other than a site
 */
export async function buildSite(options: SiteOptions): Promise<SiteResult> {
  const { root, output, api } = options;
  if (existsSync(output) && readdirSync(output).length > 0 && !existsSync(join(output, MARK)))
    throw new Error(`${output}: holds files that are no site, which would be lost; name another folder with --output`);
  const parts = sections(root);
  const { set, fileOf, pages } = await readPages(parts, options);
  const navigation = parts.map(({ name, files }): NavigationSection => {
    const there = [...(name === "Reference" && api !== undefined ? [LIBRARY] : []), ...files].filter((file) => pages.has(file));
    return { name, pages: there.map((file) => ({ title: pages.get(file)!.document.title, url: pageUrl(file) })) };
  });
  const copied = new Set<string>();
  const failures = [...set.failures];
  const written = new Map<string, string>();
  const entries: SearchEntry[] = [];
  const queue = [...pages.values()];
  for (const page of queue) {
    const url = pageUrl(page.file);
    const linked = (file: string): string | undefined => {
      const path = join(root, file);
      if (!pages.has(file)) {
        if (file.startsWith("..") || !existsSync(path) || !statSync(path).isFile()) return undefined;
        if (!file.endsWith(".md")) return copied.add(file) && `files/${file}`;
        const added = { file, document: markdownDocument(path) };
        pages.set(file, added);
        queue.push(added);
      }
      return pageUrl(file);
    };
    const content = await contentOf(page, new SiteMarkdown(linksOf(page, root, set.targets), page.file, fileOf, linked));
    const { title, headings } = page.document;
    const told = page.source ? [] : page.document.warnings.filter((warning) => !warning.endsWith(NO_PART)); // of which the check of links tells
    failures.push(...told.map((warning) => `${page.file}: ${warning}`));
    const html = await shellHTML({ title, url, navigation, headings, content, kind: page.source ? "notebook" : "text" });
    written.set(url, page.source ? sealPage(html, page.source.provenance) : html);
    entries.push(...searchEntries(title, url, content, page.file.startsWith("api/") && page.file !== LIBRARY));
  }

  const css = { path: "assets/site.css", content: styleSheet("html/style.css") + styleSheet("site/site.css") };
  const others = [
    css,
    ...searchFiles(entries),
    ...[...copied].map((file) => ({ path: `files/${file}`, content: readFileSync(join(root, file)) })),
  ];
  failures.push(...deadLinks(written, new Set(others.map(({ path }) => path))));
  replaceSite(output, [...others, ...[...written].map(([path, content]) => ({ path, content }))]);
  return { pages: [...written.keys()], executed: set.sources.filter(wasRun).length, failures };
}

/** Everything that the navigation lists, and the library's pages; with the notebooks' set and their paths by the names of their documents. */
async function readPages(
  parts: readonly Section[],
  { root, output, run, api }: SiteOptions,
): Promise<{ set: ReportSet; fileOf: Map<string, string>; pages: Map<string, Page> }> {
  const files = parts.flatMap((section) => section.files);
  const notebooks = files.filter((file) => file.endsWith(".ipynb"));
  const done = run === undefined ? new Map<string, string>() : executedNotebooks(run);
  const paths = notebooks.map((file) => done.get(posix.basename(file)) ?? join(root, file));
  const set = await readSet(paths, output, undefined);
  const fileOf = new Map(notebooks.map((file) => [posix.basename(file, ".ipynb"), file]));
  const pages = new Map<string, Page>();
  for (const source of set.sources) {
    const file = fileOf.get(source.document.stem)!;
    pages.set(file, { file, document: source.document, source });
  }
  for (const { file, markdown } of api === undefined ? [] : apiPages(api))
    pages.set(`api/${file}`, { file: `api/${file}`, document: documentOf([textCell(markdown)], file) });
  for (const file of files.filter((file) => file.endsWith(".md"))) {
    const path = join(root, file);
    const link = ({ document }: Source) => relativeUrl(GALLERY, fileOf.get(document.stem)!);
    const document = file === GALLERY ? await galleryDocument(readFileSync(path, "utf8"), file, set.sources, link) : markdownDocument(path);
    pages.set(file, { file, document });
  }
  return { set, fileOf, pages };
}

/** The page that leads to the library's pages. */
const LIBRARY = "api/README.md";
/** A file that only a site has. */
const MARK = "assets/search-data.js";

/** Writes a site where an earlier one may be. The file that marks it as one is there all the time: what was stopped halfway can be made anew. */
export function replaceSite(output: string, files: readonly OutputFile[]): void {
  const mark = files.find(({ path }) => path === MARK);
  if (mark) writeAtomic(resolve(output, MARK), [mark.content]);
  const earlier = existsSync(output) ? readdirSync(output, { recursive: true, withFileTypes: true }) : [];
  for (const entry of earlier) {
    const path = join(entry.parentPath, entry.name);
    if (!entry.isDirectory() && resolve(path) !== resolve(output, MARK)) rmSync(path, { force: true });
  }
  for (const { path, content } of files) writeAtomic(resolve(output, path), [content]);
}

const wasRun = ({ provenance }: Source): boolean => provenance.cells.some((cell) => cell.execution_count !== null);

function linksOf({ file, document, source }: Page, root: string, targets: ReadonlyMap<string, Target>): Links {
  const folder = dirname(source ? resolve(source.path) : join(root, file));
  return { document, targets, stems: new Set(), folder, warn: (text) => document.warnings.push(text) };
}

/** Markdown whose links between files of the repository become links between pages of the site. */
class SiteMarkdown extends MarkdownWriter {
  /**
   * @param file path of the page's source in the repository
   * @param fileOf paths of notebooks by the names of their documents
   * @param linked where in the site a file of the repository is; undefined for one that is not there
   */
  constructor(
    links: Links,
    private readonly file: string,
    private readonly fileOf: ReadonlyMap<string, string>,
    private readonly linked: (file: string) => string | undefined,
  ) {
    super(links);
  }

  protected override page(stem: string): string {
    return relativeUrl(pageUrl(this.file), pageUrl(this.fileOf.get(stem)!));
  }

  protected override href(href: string): string | undefined {
    const [path = "", anchor] = href.split("#");
    if (path === "" || /^[a-z][\w+.-]*:|^\//i.test(path)) return super.href(href);
    const url = this.linked(posix.normalize(posix.join(posix.dirname(this.file), decode(path))));
    if (url === undefined) return href; // the check of links will tell
    return relativeUrl(pageUrl(this.file), url) + (anchor === undefined ? "" : `#${anchor}`);
  }
}

const NOT_RUN = "This notebook was not executed for this site, so the page has its text and code and no outputs.";

/** What stands in `main`. */
async function contentOf({ document, source }: Page, markdown: SiteMarkdown): Promise<string> {
  const warn = (text: string) => document.warnings.push(text);
  const blocks = await writeBlocks(document, { markdown, draw, warn });
  const notes = footnotes(document, markdown);
  const authors = document.authors.length ? `<p class="authors">${document.authors.map(escapeHTML).join(", ")}</p>\n` : "";
  const heading = `<header>\n<h1>${titleHTML(document)}</h1>\n${authors}${source ? made(source.provenance) : ""}</header>`;
  if (!source || !wasRun(source)) {
    const body = [blocks, notes, references(document)].filter(Boolean).join("\n");
    return source
      ? `${heading}\n<aside class="note"><p>${NOT_RUN}</p></aside>\n<div class="not-run">\n${body}\n</div>`
      : `${heading}\n${body}`;
  }
  const warnings = [...new Set(document.warnings)].map((text) => `<li>${escapeHTML(text)}</li>`).join("");
  const told = warnings && `<aside class="warnings" aria-label="Warnings"><p>To know before reading:</p><ul>${warnings}</ul></aside>`;
  return [heading, told, blocks, notes, references(document), provenanceHTML(source.provenance)].filter(Boolean).join("\n");
}
