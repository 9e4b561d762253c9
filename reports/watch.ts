import { statSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { type ReportOptions, type ReportResult, renderReports } from "./report.js";

/** How often files are looked at, in ms. Asking for their times works on network drives too, and for files that do not exist yet. */
const TURN_MS = 300;

/** A rendering of all reports, and how long it took. */
export interface Rendering extends ReportResult {
  seconds: number;
}

/**
 * Renders reports, and again whenever something that they were made from has changed and rests.
 * @param signal ends it; a rendering that has begun is finished before
 * @throws NotebookError, FileError as `renderReports`
 */
export async function* watchReports(paths: readonly string[], options: ReportOptions, signal: AbortSignal): AsyncGenerator<Rendering> {
  let known = statesOf(paths);
  while (!signal.aborted) {
    const began = performance.now();
    const result = await renderReports(paths, options);
    known = new Map([...statesOf(result.read), ...known]); // what has changed meanwhile is new
    yield { ...result, seconds: (performance.now() - began) / 1000 };
    known = await changed(known, signal);
  }
}

/** The states of the files once one of them has changed and all have rested for a turn; at once where `signal` says to end. */
async function changed(known: States, signal: AbortSignal): Promise<States> {
  let last = known;
  for (;;) {
    try {
      await wait(TURN_MS, undefined, { signal });
    } catch {
      return last; // the signal
    }
    const now = statesOf([...known.keys()]);
    if (differ(now, known) && !differ(now, last)) return now;
    last = now;
  }
}

type States = ReadonlyMap<string, string>;

/** What changes with a file: its place on the disk, size and time. */
const statesOf = (files: readonly string[]): States =>
  new Map(
    files.map((file) => {
      const found = statSync(file, { throwIfNoEntry: false });
      return [file, found ? `${found.ino} ${found.size} ${found.mtimeMs}` : ""];
    }),
  );

const differ = (a: States, b: States): boolean => [...a].some(([file, state]) => b.get(file) !== state);
