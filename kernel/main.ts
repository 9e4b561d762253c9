import { setFlagsFromString } from "node:v8";
import { Worker } from "node:worker_threads";
import { createState, type FromMain, type ProtocolData, State, type ToMain } from "./wire/bridge.js";
import { makeRoom } from "./wire/room.js";

/**
 * The kernel: `node dist/kernel/main.js CONNECTION_FILE`. The protocol's thread owns the sockets, the language's thread checks and compiles cells and completes names; this
 * thread runs the cells, since interrupts, `process.exit` and native libraries need the main thread.
 */

const connectionFile = process.argv[2];
if (!connectionFile) {
  process.stderr.write("usage: node main.js CONNECTION_FILE (Jupyter starts kernels: see `erpo kernel install`)\n");
  process.exit(2);
}

// Node's notices about its own experimental features are no news to a notebook's reader.
const warnings = process.listeners("warning");
process.removeAllListeners("warning");
process.on("warning", (warning) => {
  if (warning.name !== "ExperimentalWarning") for (const listener of warnings) listener.call(process, warning);
});

const state = createState();
const data: ProtocolData = { connectionFile, state };
const protocol = new Worker(new URL("./wire/protocol-worker.js", import.meta.url), { workerData: data, execArgv: [] });
const post = (message: FromMain) => {
  if (message.type === "stream") makeRoom(state);
  protocol.postMessage(message);
};
let receive: (message: ToMain) => void = (message) => early.push(message);
const early: ToMain[] = []; // what comes before the session is there
protocol.on("message", (message: ToMain) => receive(message));

protocol.on("error", (error) => {
  process.stderr.write(`${connectionFile}: ${error.message}\n`);
  process.exit(1);
});

// However the process ends, by shutdown or by `process.exit` in a cell: the sockets are closed first, or ZeroMQ would abort it.
process.on("exit", () => {
  Atomics.store(state, State.UserCode, 0); // what follows must not be terminated
  post({ type: "close" });
  Atomics.wait(state, State.Closed, 0, 1000);
});

const { LanguageThread } = await import("./language/language-thread.js");
const language = new LanguageThread(process.cwd(), (questions) =>
  protocol.postMessage({ type: "language", questions } satisfies FromMain, [questions]),
);
if (process.env.ERPO_FILE_TRACE) (await import("./session/file-trace.js")).traceFiles();
// V8 would take seconds to optimize this function of TypeScript's after some dozens of cells, and the process's end would wait for it. Code is kept without the flag.
setTimeout(() => setFlagsFromString("--turbo-filter=-createProgram"), 5000).unref();
const { endChildrenAtExit } = await import("./session/children.js");
endChildrenAtExit(post);
const { startSession } = await import("./session/start.js");
const dispatcher = startSession(process.cwd(), language, state, post);
receive = (message) => dispatcher.receive(message);
early.forEach(receive);
process.on("SIGINT", () => post({ type: "interrupt" }));
