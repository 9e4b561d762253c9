import { ChildProcess } from "node:child_process";
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
  const prototype = ChildProcess.prototype as unknown as { spawn(this: ChildProcess, options: unknown): unknown };
  const { spawn } = prototype;
  prototype.spawn = function (options) {
    const status = spawn.call(this, options);
    const { pid } = this;
    if (pid === undefined) return status; // such as of a program that is not there
    groups.started(pid); // at once: the next line may block this thread
    post({ type: "child", pid, ended: false });
    this.once("exit", () => {
      groups.ended(pid);
      post({ type: "child", pid, ended: true });
    });
    return status;
  };
  process.on("exit", () => {
    signalChildren(process.pid, "SIGKILL");
    groups.signal("SIGKILL");
  });
}
