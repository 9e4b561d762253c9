import { posix } from "node:path";
import { Parser } from "htmlparser2";
import { decode } from "../document/pictures.js";

/**
 * Links that lead nowhere: to a page or file that the site does not have, or to a part that a page does not have. Links to other sites are not followed.
 *
 * @param pages HTML by its path in the site
 * @param files paths of the site's other files
 * @returns one line each: the page, the link, what is missing
 */
export function deadLinks(pages: ReadonlyMap<string, string>, files: ReadonlySet<string>): string[] {
  const parts = new Map([...pages].map(([path, html]) => [path, partsOf(html)]));
  const dead: string[] = [];
  for (const [path, { links }] of parts) {
    for (const link of links) {
      if (/^[a-z][\w+.-]*:/i.test(link)) continue;
      const [file = "", anchor] = link.split("#");
      const target = file === "" ? path : posix.normalize(posix.join(posix.dirname(path), decode(file)));
      const page = parts.get(target);
      if (!page && !files.has(target)) dead.push(`${path}: the link ${link} leads to no page`);
      else if (anchor && page && !page.ids.has(decode(anchor))) dead.push(`${path}: the link ${link} leads to no part of ${target}`);
    }
  }
  return dead;
}

function partsOf(html: string): { ids: Set<string>; links: Set<string> } {
  const [ids, links] = [new Set<string>(), new Set<string>()];
  const parser = new Parser({
    onopentag(_name, { id, href, src }) {
      if (id) ids.add(id);
      for (const link of [href, src]) if (link !== undefined) links.add(link);
    },
  });
  parser.end(html);
  return { ids, links };
}
