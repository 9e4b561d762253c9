import { parse } from "yaml";

/** Quarto's keys of a cell: how its output is labelled and described. */
export interface CellOptions {
  label?: string;
  "fig-cap"?: string;
  "fig-alt"?: string;
  "tbl-cap"?: string;
}

const KEYS = ["label", "fig-cap", "fig-alt", "tbl-cap"] as const;

/** What stands behind the mark of an option line, and how far in; undefined for another line. */
function optionLine(line: string): { indent: number; text: string } | undefined {
  const mark = /^(?:\/\/|#)\|/.exec(line);
  if (!mark) return undefined;
  const rest = line.slice(mark[0].length);
  const text = rest.replace(/^[ \t]+/, "");
  return { indent: rest.length - text.length, text };
}

/**
 * The `//| key: value` lines (`#|` in Python) at the top of a cell, and the code without them. A value of several lines is indented deeper than its key, and read as YAML;
 * one of a single line is taken as it stands, or as it is quoted.
 */
export function readOptionLines(source: string): { options: CellOptions; code: string } {
  const options: Record<string, unknown> = {};
  const lines = source.split("\n");
  const all = lines.map(optionLine);
  const first = all.indexOf(undefined);
  const marked = all.slice(0, first < 0 ? all.length : first) as { indent: number; text: string }[];
  let count = 0;
  while (count < marked.length) {
    const { indent, text } = marked[count]!;
    const found = /^([\w-]+):(.*)$/.exec(text);
    if (!found) break;
    const begin = ++count;
    while (count < marked.length && (marked[count]!.text === "" || marked[count]!.indent > indent)) count++;
    const more = marked.slice(begin, count).map((line) => " ".repeat(line.indent) + line.text);
    options[found[1]!] = more.some((line) => line.trim()) ? severalLines(text, more) : unquote(found[2]!.trim());
  }
  return { options: pick(options), code: lines.slice(count).join("\n") };
}

/** A value of several lines; as they stand where they are no YAML. */
function severalLines(first: string, more: readonly string[]): unknown {
  try {
    const [value] = Object.values(parse([first, ...more].join("\n")) as Record<string, unknown>);
    return typeof value === "string" ? value.trim() : value;
  } catch {
    return [first.replace(/^[\w-]+:/, ""), ...more]
      .map((line) => line.trim())
      .join(" ")
      .trim();
  }
}

const LABEL = /^(?:fig|tbl|val)-[A-Za-z0-9_-]+$/;

/** Quarto's keys of some metadata; what is no text, or no label, is left out. */
export function pick(metadata: Record<string, unknown>): CellOptions {
  const known = KEYS.filter((key) => {
    const value = metadata[key];
    return typeof value === "string" && (key === "label" ? LABEL.test(value) : value !== "");
  });
  return Object.fromEntries(known.map((key) => [key, metadata[key]]));
}

/** The first that has a key wins it: output metadata, cell metadata, option lines. */
export function combine(...sources: CellOptions[]): CellOptions {
  return Object.assign({}, ...[...sources].reverse());
}

function unquote(text: string): string {
  const quoted = /^"((?:[^"\\]|\\.)*)"$|^'((?:[^']|'')*)'$/.exec(text);
  if (!quoted) return text;
  return quoted[1] !== undefined ? quoted[1].replace(/\\(.)/g, "$1") : quoted[2]!.replaceAll("''", "'");
}
