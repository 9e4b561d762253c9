import type { Place } from "./cell-lines.js";

/** Where the program stands: how many frames of cells are on the stack, and the innermost one. */
export interface Position {
  depth: number;
  file: string;
  functionName: string;
  /** Undefined in what the reader has not written. */
  place: Place | undefined;
}

/** What a reader asks for. */
export type StepKind = "next" | "stepIn" | "stepOut" | "pause";

/** V8 steps from expression to expression; so many make at most one of the reader's, who steps from line to line. */
export const MAX_STEPS = 200;

/** Whether a step that began at `from` has not ended yet: it is still in the same line, or where no line of the reader's is. */
export function goesOn(kind: StepKind, from: Position | undefined, now: Position): boolean {
  if (!now.place) return true;
  if (!from?.place || kind === "pause" || kind === "stepOut") return false;
  const same = now.file === from.file && now.functionName === from.functionName && now.place.line === from.place.line;
  return same && now.depth <= from.depth;
}

/** Whether a step that began at `from` is in a call that it passes over. */
export function passesOver(kind: StepKind, from: Position | undefined, now: Position): boolean {
  if (!from) return false;
  return (kind === "next" && now.depth > from.depth) || (kind === "stepOut" && now.depth >= from.depth);
}
