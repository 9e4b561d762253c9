import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { kill } from "node:process";

/**
 * Sends a signal to the processes that `pid` has started, and to theirs. Those that started others come first: a script whose program was
 * stopped before it would go on with its next line.
 * @param spared children of `pid` that are left alone
 */
export function signalChildren(pid: number, signal: NodeJS.Signals, spared: ReadonlySet<number> = new Set()): void {
  for (const process of children(pid)
    .filter((child) => !spared.has(child))
    .flatMap(withDescendants)) {
    try {
      kill(process, signal);
    } catch {
      // it has ended
    }
  }
}

/** A process and all that it has started, before their children. */
const withDescendants = (pid: number): number[] => [pid, ...children(pid).flatMap(withDescendants)];

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
