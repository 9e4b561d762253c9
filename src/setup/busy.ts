import { availableParallelism, cpus } from "node:os";
import { setTimeout as passes } from "node:timers/promises";

/** What other work keeps busy right now, as `busyInWords` says it. */
export const busyCores = async (): Promise<string | null> => busyInWords(await coresElsewhere());

/** How many cores other processes keep busy right now, over so many milliseconds. */
export async function coresElsewhere(milliseconds = 500): Promise<number> {
  const before = useNow();
  await passes(milliseconds);
  return coresBetween(before, useNow());
}

/** What has been used of the processor at a moment, in milliseconds: by all processes since the machine began, and by this one. */
interface Use {
  at: number;
  all: number;
  own: number;
}

function useNow(): Use {
  const { user, system } = process.cpuUsage(); // microseconds
  const busy = cpus().map(({ times }) => times.user + times.nice + times.sys + times.irq);
  return { at: performance.now(), all: busy.reduce((sum, core) => sum + core, 0), own: (user + system) / 1000 };
}

/** The cores that others have kept busy between two moments, in the mean. */
export const coresBetween = (before: Use, after: Use): number =>
  Math.max(0, after.all - before.all - (after.own - before.own)) / (after.at - before.at);

/** `1.4 of 2 cores busy`; null where it is less than half of them. */
export const busyInWords = (busy: number, cores = availableParallelism()): string | null =>
  busy < cores / 2 ? null : `${Math.min(busy, cores).toFixed(1)} of ${cores} cores busy`;

/** When an estimate of time holds that was measured just now. @param busy what `busyCores` said before */
export const holdsWhile = (busy: string | null): string =>
  busy === null ? "if nothing else runs" : `while other work keeps ${busy}, and less when that ends`;
