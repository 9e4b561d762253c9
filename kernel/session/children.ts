import type { ChildProcess } from "node:child_process";
import { subscribe } from "node:diagnostics_channel";

/** Makes the processes that cells start end with this one: nobody could reach them afterwards. */
export function endChildrenAtExit(): void {
  const children = new Set<ChildProcess>();
  subscribe("child_process", (message) => {
    const { process: child } = message as { process: ChildProcess };
    children.add(child);
    child.once("exit", () => children.delete(child));
  });
  process.on("exit", () => {
    for (const child of children) child.kill("SIGKILL");
  });
}
