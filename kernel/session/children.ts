import type { ChildProcess } from "node:child_process";
import { subscribe } from "node:diagnostics_channel";
import { signalChildren } from "../wire/process-tree.js";
import type { Post } from "./outputs.js";

/**
 * Makes the processes that cells start, and theirs, end with this one: nobody could reach them afterwards.
 * @param post is told of each that the main thread does not wait for
 */
export function endChildrenAtExit(post: Post): void {
  subscribe("child_process", (message) => {
    const { process: child } = message as { process: ChildProcess };
    child.once("spawn", () => post({ type: "child", pid: child.pid!, ended: false }));
    child.once("exit", () => child.pid !== undefined && post({ type: "child", pid: child.pid, ended: true }));
  });
  process.on("exit", () => signalChildren(process.pid, "SIGKILL"));
}
