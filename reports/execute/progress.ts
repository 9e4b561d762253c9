import { stripVTControlCharacters } from "node:util";
import type { Progress } from "./execute.js";

/** One line on a terminal that always says where a run stands. Writes nothing where there is no terminal. */
export interface ProgressLine {
  show(progress: Progress): void;
  /** Removes the line. */
  clear(): void;
}

/** @param stream standard error: what programs read stays clean */
export function progressLine(stream: NodeJS.WriteStream): ProgressLine {
  if (!stream.isTTY) return { show() {}, clear() {} };
  return {
    show(progress) {
      stream.write(`\r\x1b[2K${progressText(progress, (stream.columns || 80) - 1)}`);
    },
    clear() {
      stream.write("\r\x1b[2K");
    },
  };
}

/** `02-stage-1-sft.ipynb  cell 7 of 23  1:42  step 12/40 loss 0.41`, cut to `width`. */
export function progressText({ notebook, cell, cells, seconds, line }: Progress, width: number): string {
  const minutes = Math.floor(seconds / 60);
  const clock = `${minutes}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
  const text = [notebook, `cell ${cell} of ${cells}`, clock, stripVTControlCharacters(line).trim()].filter(Boolean).join("  ");
  return text.length > width ? `${text.slice(0, Math.max(0, width - 1))}…` : text;
}
