import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/**
 * Sends a signal to the processes that `pid` has started, and to theirs; those that started others come last.
 * @param spared children of `pid` that are left alone
 */
export function signalChildren(pid: number, signal: NodeJS.Signals, spared: ReadonlySet<number> = new Set()): void {
  for (const child of children(pid)) {
    if (spared.has(child)) continue;
    signalChildren(child, signal);
    try {
      process.kill(child, signal);
    } catch {
      // it has ended
    }
  }
}

function children(pid: number): number[] {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    return threads.flatMap((thread) => numbers(readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8")));
  } catch {
    return listed(pid);
  }
}

/** Where there is no `/proc`. */
function listed(pid: number): number[] {
  try {
    return numbers(execFileSync("pgrep", ["-P", String(pid)], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }));
  } catch {
    return []; // none, or no such program
  }
}

const numbers = (text: string): number[] => text.split(/\s+/).filter(Boolean).map(Number);
