import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { constants } from "node:os";
import { join } from "node:path";
import type { Connection } from "../../kernel/wire/messages.js";
import { temporaryFolder } from "../../src/setup/files.js";
import type { Kernelspec } from "./kernelspec.js";

/** A kernel ended while it was needed. */
export class DeadKernelError extends Error {
  override name = "DeadKernelError";
}

/** A started kernel process and where to reach it. */
export interface KernelProcess {
  connection: Connection;
  /** Resolves when the process has ended, with the cause in words. */
  ended: Promise<string>;
  /** What the process itself has printed to stderr, outside of cells: the last few thousand characters. */
  errors(): string;
  /** The file trace of a kernel that has ended. */
  trace(): string;
  signal(signal: NodeJS.Signals): void;
  /** Ends it at once and removes its files. */
  kill(): Promise<void>;
}

const KEPT_CHARACTERS = 8_000;

/**
 * Starts a kernel in `folder`. Sockets are files that only this user can reach; on Windows, local ports.
 * The kernel is asked to tell which files it uses.
 * @param folder its working directory, the notebook's
 */
export async function startKernel(spec: Kernelspec, folder: string): Promise<KernelProcess> {
  const place = temporaryFolder("erpo-kernel-");
  let child: ChildProcess | undefined;
  const leave = () => {
    if (child) endGroup(child);
    rmSync(place, { recursive: true, force: true });
  };
  process.once("exit", leave); // such as by SIGTERM or SIGHUP
  try {
    const { started, kernel } = await startIn(place, spec, folder);
    child = started;
    void kernel.ended.finally(() => process.removeListener("exit", leave));
    return kernel;
  } catch (error) {
    process.removeListener("exit", leave);
    leave();
    throw error;
  }
}

async function startIn(place: string, spec: Kernelspec, folder: string): Promise<{ started: ChildProcess; kernel: KernelProcess }> {
  const connection = await createConnection(place, spec.name);
  const file = join(place, "connection.json");
  writeFileSync(file, JSON.stringify(connection), { mode: 0o600 });
  const traceFile = join(place, "files.jsonl");
  const words = spec.argv.map((word) => word.replaceAll("{connection_file}", file).replaceAll("{resource_dir}", spec.folder));
  const child = spawn(words[0]!, words.slice(1), {
    cwd: folder,
    env: {
      ...{ ...process.env, ERPO_HISTORY: "", ERPO_UNATTENDED: "1", ...spec.env },
      ...{ JPY_PARENT_PID: String(process.pid), ERPO_FILE_TRACE: traceFile },
    },
    stdio: ["ignore", "pipe", "pipe"],
    detached: process.platform !== "win32", // Ctrl-C is for us: we interrupt the cell, then shut the kernel down
  });
  let tail = "";
  let traced = "";
  const keep = (chunk: Buffer) => {
    tail = (tail + chunk.toString()).slice(-KEPT_CHARACTERS);
  };
  child.stdout!.on("data", keep);
  child.stderr!.on("data", keep);
  const ended = new Promise<string>((resolve) => {
    child.on("error", (error) => resolve(`it cannot be started (${(error as NodeJS.ErrnoException).code}: ${words[0]})`));
    child.on("close", (code, signal) => resolve(causeOfDeath(code, signal, tail)));
  }).finally(() => {
    if (existsSync(traceFile)) traced = readFileSync(traceFile, "utf8");
    rmSync(place, { recursive: true, force: true });
  });
  const kernel: KernelProcess = {
    connection,
    ended,
    errors: () => tail,
    trace: () => traced,
    signal: (signal) => child.kill(signal),
    kill: async () => {
      endGroup(child);
      await ended;
    },
  };
  return { started: child, kernel };
}

/** The kernel and what it has started. */
function endGroup(child: ChildProcess): void {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  try {
    if (process.platform !== "win32") process.kill(-child.pid, "SIGKILL");
    else child.kill("SIGKILL");
  } catch {
    child.kill("SIGKILL");
  }
}

/** In words a reader can act on: heap exhaustion, a kill for lack of memory, a crash, or an exit that the cell asked for. */
function causeOfDeath(code: number | null, signal: NodeJS.Signals | null, tail: string): string {
  const heap = /JavaScript heap out of memory|Reached heap limit/.test(tail);
  if (heap) return "the JavaScript heap is exhausted; set NODE_OPTIONS=--max-old-space-size=MEGABYTES for more";
  if (signal === "SIGKILL") return "killed by SIGKILL, most likely by the system for lack of memory";
  if (signal) return `killed by ${signal} (signal ${constants.signals[signal]})`;
  const lines = tail.trim().split("\n");
  const last = (lines.findLast((line) => /^\w*(Error|Exception)\b/.test(line)) ?? lines.at(-1))?.trim();
  return code === 0 ? "it exited (exit code 0)" : `exit code ${code}${last ? `: ${last.slice(0, 200)}` : ""}`;
}

async function createConnection(place: string, name: string): Promise<Connection> {
  const base = { key: randomBytes(32).toString("hex"), signature_scheme: "hmac-sha256", kernel_name: name };
  const socket = join(place, "s");
  if (process.platform !== "win32" && socket.length < 90) {
    return { ...base, transport: "ipc", ip: socket, shell_port: 1, iopub_port: 2, stdin_port: 3, control_port: 4, hb_port: 5 };
  }
  const [shell_port, iopub_port, stdin_port, control_port, hb_port] = (await freePorts(5)) as [number, number, number, number, number];
  return { ...base, transport: "tcp", ip: "127.0.0.1", shell_port, iopub_port, stdin_port, control_port, hb_port };
}

/** Ports that were free a moment ago, all different. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<import("node:net").Server>((resolve) => {
          const server = createServer().listen(0, "127.0.0.1", () => resolve(server));
        }),
    ),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
