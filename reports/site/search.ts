import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { Parser } from "htmlparser2";
import { packageRoot } from "../../src/setup/paths.js";
import type { OutputFile } from "../set.js";

/** A part of a page as search finds it: what stands between a heading and the next one. */
export interface SearchEntry {
  /** Of the page. */
  page: string;
  /** The heading; "" for what stands before the first one. */
  title: string;
  /** The way to it from the site's beginning, with the heading's anchor. */
  url: string;
  text: string;
}

/** Characters of a part that are searched: a part is found by its beginning, and the file stays small. */
const SEARCHED = 3000;

/** What nobody looks for: elements and classes. The page's title is searched by itself. */
const LEFT_OUT = new Set(["h1", "svg", "script", "style", "nav", "math", "heading-number", "anchor", "data", "provenance"]);
/** What ends a word although no space is there. */
const APART = new Set(["td", "th", "li", "p", "pre", "summary", "figcaption"]);

/**
 * The parts of a page's content.
 * @param content HTML of the page's `main`
 * @param whole the page is one part: its sections are not worth finding by themselves
 */
export function searchEntries(page: string, url: string, content: string, whole = false): SearchEntry[] {
  const entries: SearchEntry[] = [{ page, title: "", url, text: "" }];
  let outside = 0;
  let heading = false;
  const parser = new Parser({
    onopentag(name, { id, class: classes = "" }) {
      if (APART.has(name)) entries.at(-1)!.text += " ";
      if (outside > 0 || LEFT_OUT.has(name) || LEFT_OUT.has(classes)) outside++;
      else if (!whole && /^h[2-6]$/.test(name) && id) {
        heading = true;
        entries.push({ page, title: "", url: `${url}#${id}`, text: "" });
      }
    },
    ontext(text) {
      if (outside > 0) return;
      const entry = entries.at(-1)!;
      if (heading) entry.title += text;
      else if (entry.text.length < SEARCHED) entry.text += text;
    },
    onclosetag(name) {
      if (outside > 0) outside--;
      else if (/^h[2-6]$/.test(name)) heading = false;
    },
  });
  parser.end(content);
  const plain = (text: string) => text.replace(/\s+/g, " ").trim();
  return entries
    .map((entry) => ({
      ...entry,
      title: plain(entry.title),
      text: plain(entry.text).slice(0, SEARCHED),
    }))
    .filter(({ title, text }) => title !== "" || text !== "");
}

/** The files behind the search box: MiniSearch, what is searched, and the page's script. All are classic scripts, which browsers load from a folder, too. */
export function searchFiles(entries: readonly SearchEntry[]): OutputFile[] {
  const library = dirname(dirname(dirname(createRequire(import.meta.url).resolve("minisearch"))));
  const [licence, code] = ["LICENSE.txt", "dist/umd/index.js"].map((file) => readFileSync(join(library, file), "utf8"));
  return [
    { path: "assets/minisearch.js", content: `/*! MiniSearch\n${licence}*/\n${code!.replace(/^\/\/# sourceMappingURL=.*$/m, "")}` },
    { path: "assets/search-data.js", content: `var searchEntries = ${JSON.stringify(entries)};\n` },
    { path: "assets/search-box.js", content: readFileSync(join(packageRoot(), "reports", "site", "search-box.js"), "utf8") },
  ];
}
