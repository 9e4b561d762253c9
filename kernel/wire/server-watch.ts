import { rmSync } from "node:fs";
import { dirname } from "node:path";
import { isAlive } from "../../src/setup/alive.js";

/**
 * Ends this process within a second or so of the one that started it, the server whose id stands in JPY_PARENT_PID, be it by a script between.
 * @param before ends what would outlive this process
 */
export function endWithServer(connectionFile: string, before: () => void): void {
  const server = Number(process.env.JPY_PARENT_PID);
  if (!(server > 1)) return;
  const parent = process.ppid;
  const orphaned = () => process.ppid !== parent || (parent !== server && !isAlive(server)); // the server may have been killed before this process looked
  setInterval(() => {
    if (!orphaned()) return;
    const place = dirname(connectionFile); // where erpo was the server, its folder is nobody's now
    if (process.env.ERPO_FILE_TRACE && dirname(process.env.ERPO_FILE_TRACE) === place) rmSync(place, { recursive: true, force: true });
    before();
    process.kill(process.pid, "SIGKILL");
  }, 1000).unref();
}
