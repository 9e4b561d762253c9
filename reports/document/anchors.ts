import type { Token, Tokens } from "marked";
import type { ReportDocument } from "./model.js";
import { decode } from "./pictures.js";

/**
 * Makes links within a document lead to the ids that its page has. An author names a heading as Jupyter does (`#My-Heading`), as GitHub does (`#my-heading`), or gives a
 * name to a place (`<a name="here">`). A link to the title leads to the page's top. What is none of these is told of.
 *
 * @param tokens all of the document
 * @param isOwn whether a page makes this id itself
 */
export function resolveLinks(document: ReportDocument, tokens: readonly Token[], isOwn: (id: string) => boolean): void {
  const ids = new Set([...document.headings.map(({ id }) => id), ...document.labels.keys()]);
  for (const token of tokens) if (token.type === "html") for (const id of placesIn(token as Tokens.Tag, ids)) ids.add(id);
  const names = namesOf(document);
  for (const token of tokens) {
    if (token.type !== "link" || !/^#./.test(token.href)) continue;
    const name = decode(token.href.slice(1)).normalize("NFC");
    if (ids.has(name) || isOwn(name)) continue;
    const id = names.get(name);
    if (id === undefined) document.warnings.push(`link ${token.href.slice(0, 80)} ${NO_PART}`);
    else token.href = `#${id}`;
  }
}

/** The end of a warning of such a link. */
export const NO_PART = "leads to no part of the document";

/** Ids by the names that Jupyter and GitHub give to headings; that of the title is empty. Of two headings of one name GitHub counts the second, Jupyter leads to the first. */
function namesOf({ headings, title }: ReportDocument): Map<string, string> {
  const names = new Map<string, string>();
  const seen = new Map<string, number>();
  for (const { id, text } of [{ id: "", text: title }, ...headings]) {
    const slug = anchor(text);
    const before = seen.get(slug) ?? 0;
    seen.set(slug, before + 1);
    for (const name of [before ? `${slug}-${before}` : slug, text.replaceAll(" ", "-")]) {
      const known = name.normalize("NFC");
      if (!names.has(known)) names.set(known, id);
    }
  }
  return names;
}

/** GitHub's anchor of a heading. */
export const anchor = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}\s_-]/gu, "")
    .trim()
    .replace(/\s/g, "-");

const PLACE = /(<(?:a|div|span|li|sup|h[2-6])\s(?:[^<>]*?\s)?)(id|name)=(["']?)([^\s"'<>=]+)\3/gi;

/** The ids that HTML in text gives to places. A name becomes an id where no other part of the page has it. */
function placesIn(token: Tokens.Tag, taken: ReadonlySet<string>): string[] {
  const places: string[] = [];
  const named = token.raw.replace(PLACE, (whole, before: string, kind: string, _quote, place: string) => {
    places.push(place);
    return kind.toLowerCase() === "name" && !taken.has(place) ? `${before}id="${place}"` : whole;
  });
  if (named !== token.raw) Object.assign(token, { raw: named, text: named });
  return places;
}
