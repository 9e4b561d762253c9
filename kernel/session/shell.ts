import { spawn } from "node:child_process";

const { setTimeout, setImmediate } = globalThis; // Node's own: what ends a script belongs to no cell

/**
 * Runs a script, in a process group of its own, which `signal` ends, whatever traps it has set. It is over when its shell is: what that has left in the background
 * holds its pipes open, and prints below the cell later.
 * @throws Error where bash does not start, or the script's last command fails
 */
export function runScript(script: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn("bash", ["-c", script], { stdio: ["ignore", "inherit", "inherit"], detached: true });
    const fail = (message: string) => reject(Object.assign(new Error(message), { stack: `Error: ${message}` }));
    const stop = () => {
      if (child.pid === undefined) return;
      const group = -child.pid;
      const end = (how: NodeJS.Signals) => {
        try {
          process.kill(group, how);
        } catch {
          // it has ended
        }
      };
      end("SIGINT");
      setTimeout(end, 500, "SIGTERM"); // what bash has set off in the background hears no SIGINT
      setTimeout(end, 1000, "SIGKILL"); // a trap may have taken both for something else
    };
    signal.addEventListener("abort", stop);
    const over = () => signal.removeEventListener("abort", stop);
    child.once("error", (error) => {
      over();
      fail(`bash does not start: ${error.message}`);
    });
    child.once("exit", (status, ending) => {
      over();
      const end = () => {
        if (status === 0) resolve();
        else fail(`bash ended with ${ending ?? `status ${status}`}`);
      };
      child.once("close", end);
      setTimeout(() => setImmediate(end), 50); // what the shell has printed lies in the pipes by now, and is read between the two
    });
  });
}
