import type { Heading } from "../document/model.js";
import { escapeHTML } from "../html/escape.js";
import { headingText } from "../html/heading-text.js";
import { mathFontCSS } from "../html/math-font.js";
import { relativeUrl } from "./pages.js";

/** Only the site's own files, and no network. A folder has no origin, so `file:` is named. */
const POLICY =
  "default-src 'none'; script-src 'self' file:; style-src 'self' file: 'unsafe-inline'; img-src 'self' file: data:; font-src data:; base-uri 'none'; form-action 'self' file:";

/** A part of the navigation, with the pages that it lists. */
export interface NavigationSection {
  name: string;
  pages: { title: string; url: string }[];
}

/** A page's frame. */
export interface Shell {
  title: string;
  /** Its path within the site. */
  url: string;
  navigation: readonly NavigationSection[];
  /** Its headings of the second and third level. */
  headings: readonly Heading[];
  /** Safe HTML of `main`. */
  content: string;
  /** A class of `main`. */
  kind: "text" | "notebook";
}

/** A whole page: the site's head with the search box, the navigation, the page's contents and its text. */
export async function shellHTML({ title, url, navigation, headings, content, kind }: Shell): Promise<string> {
  const to = (path: string) => escapeHTML(relativeUrl(url, path));
  const root = "../".repeat(url.split("/").length - 1);
  const sections = navigation.map(({ name, pages }) => {
    const items = pages.map(
      (page) => `<li><a href="${to(page.url)}"${page.url === url ? ' aria-current="page"' : ""}>${escapeHTML(page.title)}</a></li>`,
    );
    return `<h2>${escapeHTML(name)}</h2>\n<ul>\n${items.join("\n")}\n</ul>`;
  });
  const parts = headings
    .filter(({ level }) => level <= 3)
    .map(({ id, level, tokens }) => `<li class="level-${level}"><a href="#${escapeHTML(id)}">${headingText(tokens)}</a></li>`);
  const list = `<ul>\n${parts.join("\n")}\n</ul>`;
  const folded =
    parts.length > 1
      ? `<nav class="contents folded" aria-label="On this page"><details><summary>On this page</summary>\n${list}</details></nav>\n`
      : "";
  const beside = parts.length > 1 ? `<nav class="contents beside" aria-label="On this page"><p>On this page</p>\n${list}</nav>\n` : "";
  return `<!DOCTYPE html>
<html lang="en" data-root="${root}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta name="generator" content="erpo">
<title>${escapeHTML(url === "index.html" ? title : `${title} · erpo`)}</title>
<link rel="stylesheet" href="${to("assets/site.css")}">
<style>${await mathFontCSS(content)}</style>
</head>
<body class="site">
<a class="skip" href="#content">Skip to the content</a>
<header class="site">
<a class="home" href="${to("index.html")}">erpo</a>
<form class="search" role="search" hidden>
<label><span>Search</span> <input type="search" name="q" autocomplete="off" spellcheck="false"></label>
<div class="found"><p role="status"></p><ol></ol></div>
</form>
<a class="menu" href="#pages">All pages</a>
</header>
${beside}<main id="content" class="${kind}">
${folded}${content}
</main>
<nav class="pages" id="pages" aria-label="All pages">
${sections.join("\n")}
</nav>
<script src="${to("assets/search-box.js")}"></script>
</body>
</html>
`;
}
