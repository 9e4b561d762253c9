import hljs from "highlight.js/lib/common";
import { escapeHTML } from "./escape.js";

/** Characters of code that are coloured at most. */
const COLOURED = 50_000;

/** Code as HTML with highlight.js's classes, where it knows the language. */
export function highlight(code: string, language: string): string {
  if (!hljs.getLanguage(language) || code.length > COLOURED) return escapeHTML(code);
  return hljs.highlight(code, { language, ignoreIllegals: true }).value;
}

/** The page's class for each of highlight.js's that has a colour. */
const CLASSES: Record<string, string> = {
  keyword: "k",
  built_in: "k",
  literal: "k",
  string: "s",
  regexp: "s",
  attr: "s",
  number: "n",
  comment: "c",
  meta: "c",
  title: "f",
  function: "f",
  type: "t",
  property: "t",
  variable: "t",
};

/** Code as HTML for a page: short classes, and no elements for what has no colour, a third of the bytes. */
export function colourCode(code: string, language: string): string {
  const open: boolean[] = [];
  return highlight(code, language).replace(/<span class="hljs-(\w+)[^"<>]*">|<\/span>/g, (_tag, name?: string) => {
    if (name === undefined) return open.pop() ? "</span>" : "";
    const short = CLASSES[name];
    open.push(short !== undefined);
    return short === undefined ? "" : `<span class="${short}">`;
  });
}
