import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Where typedoc's plugin says that an export is defined. */
const DEFINED = /^Defined in: \[(?:src\/)?((?:[\w.-]+\/)*)[\w.-]+:\d+\]/m;

/** A page of the library: Markdown as typedoc's plugin writes it. */
export interface ApiPage {
  /** Path within the folder of the pages. */
  file: string;
  markdown: string;
}

/** The pages of a folder that typedoc has written; its own index, which goes by kinds, gives way to one by folders of the source. */
export function apiPages(folder: string): ApiPage[] {
  const pages = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".md") && file !== "README.md")
    .sort()
    .map((file): ApiPage => ({ file: file.replaceAll("\\", "/"), markdown: readFileSync(join(folder, file), "utf8") }));
  return [{ file: "README.md", markdown: index(pages) }, ...pages];
}

/** What stands in which folder of the source, with its first sentence. */
function index(pages: readonly ApiPage[]): string {
  const folders = new Map<string, string[]>();
  for (const { file, markdown } of pages) {
    const title = /^# (?:[\w ]+: )?(.*)$/m.exec(markdown)?.[1];
    const namespace = file.includes("namespaces/");
    if (title === undefined || (namespace && !file.endsWith("/README.md"))) continue;
    const folder = namespace ? "methods" : (DEFINED.exec(markdown)?.[1]?.split("/")[0] ?? "");
    const about = opening(markdown);
    folders.set(folder, [...(folders.get(folder) ?? []), `- [${title}](${file})${about && `: ${about}`}`]);
  }
  const parts = [...folders].sort(([a], [b]) => (a < b ? -1 : 1)).map(([folder, lines]) => `## ${folder || "erpo"}\n\n${lines.join("\n")}`);
  return `# The library\n\nWhat a cell imports from \`erpo\`, by folder of the source.\n\n${parts.join("\n\n")}\n`;
}

/** The first sentence behind the place of definition; "" where there is none. */
function opening(markdown: string): string {
  const place = DEFINED.exec(markdown);
  if (!place) return "";
  const next = markdown.slice(place.index).split("\n\n")[1] ?? "";
  return /^[#>|*`\s-]/.test(next) ? "" : (/^[^\n]*?[.:](?=\s|$)/.exec(next)?.[0] ?? next.split("\n")[0]!).replace(/:$/, ".");
}
