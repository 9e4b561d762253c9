import type { ChildProcess } from "node:child_process";
import { subscribe } from "node:diagnostics_channel";
import { ProcessGroups } from "../wire/process-groups.js";
import { signalChildren } from "../wire/process-tree.js";
import type { Post } from "./outputs.js";

/**
 * Makes the processes that cells start, and theirs, end with this one: nobody could reach them afterwards. Those of a
 * group that has lost its leader, such as what a script has left in the background, end with it, too.
 * @param post is told of each that the main thread does not wait for
 */
export function endChildrenAtExit(post: Post): void {
  const groups = new ProcessGroups();
  subscribe("child_process", (message) => {
    const { process: child } = message as { process: ChildProcess };
    child.once("spawn", () => {
      groups.started(child.pid!);
      post({ type: "child", pid: child.pid!, ended: false });
    });
    child.once("exit", () => {
      if (child.pid === undefined) return;
      groups.ended(child.pid);
      post({ type: "child", pid: child.pid, ended: true });
    });
  });
  process.on("exit", () => {
    signalChildren(process.pid, "SIGKILL");
    groups.signal("SIGKILL");
  });
}
