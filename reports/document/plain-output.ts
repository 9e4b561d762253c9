import { stripVTControlCharacters } from "node:util";

/** Lines of an output that formats without folding show. */
const SHOWN_LINES = 40;

/** A stream or a value's text without terminal colours, its first lines; what a carriage return overwrites is gone. */
export function plainOutput(text: string): { lines: string[]; more: number } {
  const lines = stripVTControlCharacters(text)
    .trimEnd()
    .split("\n")
    .map((line) => line.replace(/\r$/, "").split("\r").at(-1)!);
  return { lines: lines.slice(0, SHOWN_LINES), more: Math.max(0, lines.length - SHOWN_LINES) };
}
