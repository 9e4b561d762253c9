import { stripVTControlCharacters } from "node:util";
import { decodeHTML } from "entities";
import { highlight } from "../html/render-markdown.js";
import { breakPlaces, escapeCode, keepSpaces } from "./escape.js";

/** Lines of an output that are printed; of longer ones, the number of the others is said. */
const SHOWN_LINES = 40;

/** Source code: highlighted, every line whole, long ones broken. */
export const codeTeX = (source: string, language: string): string => environment("codecell", highlightedLines(source, language));

/** What a cell has printed, or a value's text. */
export function outputTeX(text: string, about = ""): string {
  const lines = plainOutput(text).split("\n");
  const rest = lines.length - SHOWN_LINES;
  const shown = (rest > 0 ? lines.slice(0, SHOWN_LINES) : lines).map((line) => keepSpaces(escapeCode(line.replaceAll("\t", "    "))));
  return `${about}${environment("outputcell", shown)}${rest > 0 ? `\n\\textit{${rest} more lines are in the notebook.}\\par` : ""}`;
}

/** Without terminal colours; what a carriage return overwrites is gone. */
export const plainOutput = (text: string): string =>
  stripVTControlCharacters(text)
    .trimEnd()
    .split("\n")
    .map((line) => line.replace(/\r$/, "").split("\r").at(-1)!)
    .join("\n");

const environment = (name: string, lines: readonly string[]): string =>
  `\\begin{${name}}\n${lines.map((line) => `\\codeline{${line}}`).join("\n")}\n\\end{${name}}`;

/** highlight.js's classes and the commands for them. */
const STYLES: Record<string, string> = {
  keyword: "codekeyword",
  literal: "codekeyword",
  string: "codestring",
  regexp: "codestring",
  comment: "codecomment",
  number: "codenumber",
};

function highlightedLines(source: string, language: string): string[] {
  const lines: { style: string | undefined; text: string }[][] = [[]];
  const open: string[] = [];
  for (const [, opened, text] of highlight(source.replaceAll("\t", "    "), language).matchAll(
    /<span class="hljs-([a-z]+)[^"]*">|<\/span>|([^<]+)/g,
  )) {
    if (opened !== undefined) open.push(opened);
    else if (text === undefined) open.pop();
    else {
      const style = STYLES[open.findLast((name) => STYLES[name]) ?? ""];
      for (const [i, piece] of decodeHTML(text).split("\n").entries()) {
        if (i) lines.push([]);
        lines.at(-1)!.push({ style, text: piece });
      }
    }
  }
  return lines.map((pieces) => {
    const places = breakPlaces(pieces.map(({ text }) => text).join(""));
    let at = 0;
    const line = pieces.map(({ style, text }) => {
      const escaped = escapeCode(text, new Set([...places].map((place) => place - at)));
      at += text.length;
      return style && text.trim() ? `\\${style}{${escaped}}` : escaped;
    });
    return keepSpaces(line.join(""));
  });
}
