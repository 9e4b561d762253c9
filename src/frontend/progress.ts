import { type DisplayHandle, display } from "./display.js";
import { currentFrontend } from "./frontend.js";
import { DISPLAY } from "./shown.js";
import { terminal } from "./terminal.js";

/** A bar that is moved forward. */
export interface ProgressHandle {
  /** `n` more are done; `text` stands behind the bar until the next one replaces it. */
  tick(n?: number, text?: string): void;
  /** Shows the end state, whatever the last tick was. Nothing moves afterwards. */
  done(): void;
}

const WIDTH = 30;
/** Between updates; where each is a line of its own, as in a log, they are few. */
const INTERVAL_MS = { inPlace: 100, lines: 25_000 };

/**
 * A progress bar in text, updated in place at most ten times a second; where standard output is a file or a pipe, a line at least every half minute in which something was done. A static
 * document keeps its last line: how many of how many, in what time.
 *
 * @param total number of ticks expected, >= 0
 * @param options.label stands before the bar
 */
export function progress(total: number, options: { label?: string } = {}): ProgressHandle {
  if (!(total >= 0)) throw new RangeError(`progress: total must be >= 0, got ${total}`);
  const started = performance.now();
  let count = 0;
  let note = "";
  let ended = false;
  let shownAt = started;
  const interval = currentFrontend() === terminal && !process.stdout.isTTY ? INTERVAL_MS.lines : INTERVAL_MS.inPlace;
  const handle: DisplayHandle = display(line());

  function line(): object {
    const seconds = (performance.now() - started) / 1000;
    const share = total === 0 ? 1 : Math.min(1, count / total);
    const left = ended || count === 0 ? "" : ` < ${duration((seconds / count) * Math.max(0, total - count))}`;
    const filled = Math.round(share * WIDTH);
    const bar = `${"█".repeat(filled)}${"░".repeat(WIDTH - filled)}`;
    const text = [options.label, `|${bar}|`, `${count}/${total}`, `[${duration(seconds)}${left}]`, note].filter(Boolean).join(" ");
    return { [DISPLAY]: () => ({ "text/plain": text }) };
  }

  function show(): void {
    shownAt = performance.now();
    handle.update(line());
  }

  return {
    tick(n = 1, text) {
      if (ended) return;
      count += n;
      if (text !== undefined) note = text;
      if (count >= total || performance.now() - shownAt >= interval) show();
    },
    done() {
      if (ended) return;
      ended = true;
      show();
    },
  };
}

/** Seconds as `4.2s`, `3m05s` or `1h02m`. */
function duration(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(1)}s`;
  const two = (n: number) => String(Math.floor(n)).padStart(2, "0");
  return seconds < 3600
    ? `${Math.floor(seconds / 60)}m${two(seconds % 60)}s`
    : `${Math.floor(seconds / 3600)}h${two((seconds % 3600) / 60)}m`;
}
