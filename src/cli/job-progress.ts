import { clock as clockOf, cutTo, plainLine } from "../../reports/execute/progress.js";
import type { Progress } from "../../reports/execute/run.js";
import { inWords, type Span, spanInWords } from "../methods/erpo/duration.js";
import { type Activity, activities } from "../runs/activity.js";

/** Where a job stands: on a terminal one line that is redrawn, elsewhere a line now and then. */
export interface JobProgress {
  show(progress: Progress): void;
  /** Removes the line that is redrawn. */
  clear(): void;
}

/** Between two lines, in ms: looked for every second by `executeNotebook`, so a line comes at least every half minute. */
const between = { terminal: 1000, elsewhere: 25_000 };

/**
 * @param stream standard error
 * @param dir the run's folder, which says what is computed
 * @param left what is left of the job, where that was estimated
 * @param clock for tests: ms
 */
export function jobProgress(
  stream: Pick<NodeJS.WriteStream, "isTTY" | "columns" | "write">,
  dir: string,
  left: (running: number) => Span | null,
  clock: () => number = Date.now,
): JobProgress {
  const since = clock();
  let last = since;
  return {
    show(progress) {
      if (clock() - last < (stream.isTTY ? between.terminal : between.elsewhere)) return;
      last = clock();
      const text = progressText(progress, activities(dir, since), left(progress.seconds));
      stream.write(stream.isTTY ? `\r\x1b[2K${cutTo((stream.columns || 80) - 1, text)}` : `${text}\n`);
    },
    clear() {
      if (stream.isTTY) stream.write("\r\x1b[2K");
    },
  };
}

/** `  1:42  18 to 25 min left in all; 1-sft/decision, step 120 of 476, loss 0.412, 830 tokens/s, 3 min left`, of which a narrow terminal cuts the end; where nothing is computed, the cell and what it says. */
export function progressText({ cell, cells, seconds, line }: Progress, doing: readonly Activity[], left: Span | null): string {
  const said = plainLine(line);
  const now = doing.length > 0 ? doing.map(inText).join(" | ") : [`cell ${cell} of ${cells}`, said].filter(Boolean).join(", ");
  return `  ${clockOf(seconds)}  ${left ? `${spanInWords(left)} left in all; ` : ""}${now}`;
}

function inText(doing: Activity): string {
  if (doing.kind === "result") return doing.answers > 0 ? `${doing.path}, ${doing.answers} answers` : doing.path;
  const { stage, step, steps, loss, tokensPerSecond, secondsLeft } = doing;
  const time = step < steps ? `, ${inWords(secondsLeft)} left` : "";
  return `${stage}, step ${step} of ${steps}, loss ${loss.toPrecision(3)}, ${tokensPerSecond.toFixed(0)} tokens/s${time}`;
}
