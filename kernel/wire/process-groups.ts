import { isAlive } from "../../src/setup/alive.js";

/**
 * The process groups that children of this process lead, as those do that are started `detached`. What a leader leaves in its group when it
 * ends has another parent by then, and is known by the group alone.
 */
export class ProcessGroups {
  /** Children by process id, and whether they have ended. */
  private readonly leaders = new Map<number, { ended: boolean }>();

  started(pid: number): void {
    this.leaders.set(pid, { ended: false });
  }

  ended(pid: number): void {
    if (isAlive(-pid)) this.leaders.set(pid, { ended: true });
    else this.leaders.delete(pid);
  }

  /** Sends a signal to every process of the groups. */
  signal(signal: NodeJS.Signals): void {
    for (const [pid, { ended }] of this.leaders) {
      if (ended && isAlive(pid)) continue; // a number is given again once its group is gone: that process is another's
      try {
        process.kill(-pid, signal);
      } catch {
        // it leads no group, or its group is gone
      }
    }
  }
}
