import { stripVTControlCharacters } from "node:util";
import type { Progress } from "./run.js";

/** Says where a run stands, in one line that is redrawn; on a terminal only. */
export interface ProgressLine {
  show(progress: Progress): void;
  /** The notebook is done: removes the line. */
  clear(): void;
}

const REDRAW_MS = 100;

/** @param stream standard error: what programs read stays clean */
export function progressLine(stream: NodeJS.WriteStream): ProgressLine {
  if (!stream.isTTY) return { show() {}, clear() {} };
  let drawn = { at: Number.NEGATIVE_INFINITY, cell: 0 };
  return {
    show(progress) {
      const at = performance.now();
      if (at - drawn.at < REDRAW_MS && progress.cell === drawn.cell) return; // a second later the next one comes in any case
      drawn = { at, cell: progress.cell };
      stream.write(`\r\x1b[2K${progressText(progress, (stream.columns || 80) - 1)}`);
    },
    clear() {
      stream.write("\r\x1b[2K");
    },
  };
}

/** `02-stage-1-sft.ipynb  cell 7 of 23  1:42  step 12/40 loss 0.41`, cut to `width`. */
export function progressText({ notebook, cell, cells, seconds, line }: Progress, width: number): string {
  const text = [notebook, `cell ${cell} of ${cells}`, clock(seconds), plainLine(line)].filter(Boolean).join("  ");
  return cutTo(width, text);
}

/** Seconds as `1:42`. */
export const clock = (seconds: number): string => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

/** What a cell has written, in one line without control characters. */
export const plainLine = (text: string): string =>
  stripVTControlCharacters(text)
    .replace(/[\s\p{Cc}]+/gu, " ")
    .trim();

/** A text cut to so many characters. */
export function cutTo(width: number, text: string): string {
  const characters = Array.from(text);
  return characters.length > width ? `${characters.slice(0, Math.max(0, width - 1)).join("")}…` : text;
}
