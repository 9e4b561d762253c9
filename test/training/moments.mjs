/**
 * What can happen to a process on its way, for tests that import this module before all others:
 *
 *   KILL="ops 1234 AFTER"   SIGKILL in place of the 1,234th tensor operation after a file or folder whose path ends in AFTER got its name; from the start without AFTER
 *   KILL="calls 12 AFTER"   the same with calls that change files, of which the one that is hit is done by half: a write is torn, a folder is removed in part
 *   QUOTA=100000            the disk is full after as many bytes: writes fail as the system's do
 *
 * As it ends the process writes `moments JSON` to standard error: how many there were, bytes that were written, and when each file got its name.
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";

const [what, at, after = ""] = (process.env.KILL ?? "").split(" ");
const count = { ops: 0, calls: 0, bytes: 0 };
const named = [];
let end = after === "" ? Number(at) : Number.POSITIVE_INFINITY;
let left = Number(process.env.QUOTA ?? Number.POSITIVE_INFINITY);

const kill = () => process.kill(process.pid, "SIGKILL");
const isHit = (kind) => ++count[kind] === end && kind === what;
const original = { ...fs, promises: { ...fs.promises } };

for (const home of [fs, fs.promises]) {
  const { openSync, mkdirSync, fsyncSync, ftruncateSync, writeSync, rename, renameSync, rm, rmSync } = home === fs ? original : original.promises;
  const wrap = (name, call, half = () => {}) => {
    if (!call) return;
    home[name] = (...args) => {
      if (name === "openSync" && (args[1] ?? "r") === "r") return call(...args);
      if (isHit("calls")) {
        half(...args);
        kill();
      }
      return call(...args);
    };
  };
  wrap("openSync", openSync);
  wrap("mkdirSync", mkdirSync);
  wrap("fsyncSync", fsyncSync);
  wrap("ftruncateSync", ftruncateSync);
  wrap("writeSync", writeSync && limited, (file, bytes, offset = 0) => original.writeSync(file, bytes, offset, (bytes.length - offset) >> 1));
  for (const [name, call] of Object.entries({ rm, rmSync })) wrap(name, call, removeHalf);
  for (const [name, call] of Object.entries({ rename, renameSync })) wrap(name, call && noted(call));
}
syncBuiltinESMExports();

function limited(file, bytes, offset = 0) {
  const length = Math.min(bytes.length - offset, left);
  if (length === 0 && bytes.length > offset)
    throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC", errno: -28, syscall: "write" });
  left -= length;
  count.bytes += length;
  return original.writeSync(file, bytes, offset, length);
}

function removeHalf(path) {
  if (!fs.statSync(path, { throwIfNoEntry: false })?.isDirectory()) return;
  const files = fs.readdirSync(path);
  for (const file of files.slice(files.length >> 1)) original.rmSync(join(path, file), { recursive: true });
}

/** A renaming that notes when it was; the moments of KILL may count from here. */
function noted(rename) {
  return (from, to) => {
    const result = rename(from, to);
    named.push({ path: to, ...count });
    if (after !== "" && end === Number.POSITIVE_INFINITY && to.endsWith(after)) end = count[what] + Number(at);
    return result;
  };
}

const engine = tf.engine();
const runKernel = engine.runKernel.bind(engine);
engine.runKernel = (...args) => {
  if (isHit("ops")) kill();
  return runKernel(...args);
};

process.on("exit", () => process.stderr.write(`moments ${JSON.stringify({ ...count, named })}\n`));
