import { NotebookError } from "../notebook/types.js";
import type { KernelClient } from "./client.js";

/** A run was interrupted by its caller. */
export class InterruptedError extends NotebookError {
  override name = "InterruptedError";
}

/** A cell has taken longer than it may. */
class TimeoutError extends NotebookError {
  override name = "TimeoutError";
}

/** What may end a cell before its time. */
export interface Limits {
  /** Why the cell is being stopped; undefined as long as it is not. */
  reason(): InterruptedError | TimeoutError | undefined;
  /** Rejects when the cell has not ended ten seconds after it was interrupted: the kernel is killed then. */
  gaveUp: Promise<never>;
  /** The cell has ended. */
  end(): void;
}

const GRACE_MS = 10_000;

/** 24 days. A timer for longer ends at once; no cell is that long. */
const LONGEST_MS = 2 ** 31 - 1;

/**
 * Interrupts the running cell when its time is over or the caller says so.
 * @param timeout seconds; no limit where undefined
 */
export function watchLimits(client: KernelClient, timeout: number | undefined, signal: AbortSignal | undefined): Limits {
  let reason: InterruptedError | TimeoutError | undefined;
  let giveUp: (error: Error) => void = () => {};
  const timers: NodeJS.Timeout[] = [];
  const gaveUp = new Promise<never>((_, reject) => {
    giveUp = reject;
  });
  gaveUp.catch(() => {});
  const stop = (error: InterruptedError | TimeoutError) => {
    if (reason) return;
    reason = error;
    client.interrupt().catch(() => {});
    timers.push(setTimeout(() => void client.kill().then(() => giveUp(error)), GRACE_MS));
  };
  const onAbort = () => stop(new InterruptedError("interrupted"));
  if (timeout !== undefined && timeout * 1000 <= LONGEST_MS)
    timers.push(setTimeout(() => stop(new TimeoutError(`not done within ${timeout} s (--timeout)`)), timeout * 1000));
  if (signal?.aborted) onAbort();
  else signal?.addEventListener("abort", onAbort, { once: true });
  return {
    reason: () => reason,
    gaveUp,
    end() {
      for (const timer of timers) clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    },
  };
}
