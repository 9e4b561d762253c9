import { stripVTControlCharacters } from "node:util";

/** Lines of an output that formats without folding show. */
const SHOWN_LINES = 40;

/** A stream or a value's text without terminal colours, its first lines; what a carriage return overwrites is gone. */
export function plainOutput(text: string): { lines: string[]; more: number } {
  const lines = overprint(stripVTControlCharacters(text)).trimEnd().split("\n");
  return { lines: lines.slice(0, SHOWN_LINES), more: Math.max(0, lines.length - SHOWN_LINES) };
}

/** What a terminal would show of lines that a carriage return has overwritten: progress bars keep their last state. */
export function overprint(text: string): string {
  if (!text.includes("\r")) return text;
  return text
    .split("\n")
    .map((line, i, { length }) => {
      const open = i === length - 1 && line.endsWith("\r") ? "\r" : "";
      return (line.split("\r").filter(Boolean).at(-1) ?? "") + open;
    })
    .join("\n");
}
