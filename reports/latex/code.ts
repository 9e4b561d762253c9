import { type AnyNode, isTag, isText } from "domhandler";
import { parseDocument } from "htmlparser2";
import { plainOutput } from "../document/plain-output.js";
import { highlight } from "../html/highlight.js";
import { breakPlaces, escapeCode, keepSpaces } from "./escape.js";

/** Source code: highlighted, every line whole, long ones broken. */
export const codeTeX = (source: string, language: string): string => environment("codecell", highlightedLines(source, language));

/** What a cell has printed, or a value's text. */
export function outputTeX(text: string): string {
  const { lines, more } = plainOutput(text);
  const shown = lines.map((line) => keepSpaces(escapeCode(line.replaceAll("\t", "    "))));
  return `${environment("outputcell", shown)}${more ? `\n\\textit{${more} more lines are in the notebook.}` : ""}`;
}

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

interface Piece {
  style: string | undefined;
  text: string;
}

function highlightedLines(source: string, language: string): string[] {
  const lines: Piece[][] = [[]];
  for (const { style, text } of pieces(parseDocument(highlight(source.replaceAll("\t", "    "), language)).children)) {
    for (const [i, line] of text.split("\n").entries()) {
      if (i) lines.push([]);
      lines.at(-1)!.push({ style, text: line });
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

/** Code as highlight.js marks it up; the inmost style that is known counts. */
const pieces = (nodes: readonly AnyNode[], style?: string): Piece[] =>
  nodes.flatMap((node) => {
    if (isText(node)) return { style, text: node.data };
    const scope = isTag(node) ? /hljs-([a-z]+)/.exec(node.attribs.class ?? "")?.[1] : undefined;
    return isTag(node) ? pieces(node.children, STYLES[scope ?? ""] ?? style) : [];
  });
