import { randomUUID } from "node:crypto";
import { parentPort, workerData } from "node:worker_threads";
import * as zmq from "zeromq";
import { type FromMain, type ProtocolData, State, type ToMain } from "./bridge.js";
import { Interrupter } from "./interrupter.js";
import { kernelInfo } from "./kernel-info.js";
import { createHeader, decode, encode, endpoint, type Header, type Message, ReplayGuard, readConnection } from "./messages.js";
import { Outbox } from "./outbox.js";
import { signalChildren } from "./process-tree.js";
import { StreamBuffer } from "./stream-buffer.js";

/**
 * The protocol's thread: it owns all five sockets, so that heartbeat, control, kernel_info and output go on while a cell keeps the main
 * thread busy. Requests on shell are handled one after the other in the order in which they came.
 */

const { connectionFile, state } = workerData as ProtocolData;
const connection = readConnection(connectionFile);
const main = parentPort!;
const session = randomUUID();
const replays = new ReplayGuard();
const info = kernelInfo();

/** Encrypts where the connection file has keys. */
const curve = connection.curve_secretkey
  ? { curveServer: true, curvePublicKey: connection.curve_publickey, curveSecretKey: connection.curve_secretkey }
  : {};
const shell = new zmq.Router({ ...curve, linger: 1000, handover: true });
const control = new zmq.Router({ ...curve, linger: 1000, handover: true });
const stdin = new zmq.Router({ ...curve, linger: 1000, handover: true });
const iopub = new zmq.XPublisher({ ...curve, linger: 1000, sendHighWaterMark: 0, verbosity: "allSubs" });
const heartbeat = new zmq.Reply({ ...curve, linger: 0 });
const outboxes = { shell: new Outbox(shell), control: new Outbox(control), stdin: new Outbox(stdin), iopub: new Outbox(iopub) };

const post = (message: ToMain) => main.postMessage(message);
const interrupter = new Interrupter(state, post);
const streams = new StreamBuffer((parent, name, text) => broadcast("stream", { name, text }, parent));

/** Sends on iopub, after the text that was printed before. */
function publish(
  type: string,
  content: object | string,
  parent: Partial<Header>,
  metadata: object | string = {},
  buffers: Uint8Array[] = [],
): void {
  streams.flush();
  broadcast(type, content, parent, metadata, buffers);
}

function broadcast(
  type: string,
  content: object | string,
  parentHeader: Partial<Header>,
  metadata: object | string = {},
  buffers: Uint8Array[] = [],
): void {
  const header = createHeader(type, session);
  const identities = [Buffer.from(`kernel.${session}.${type}`)];
  outboxes.iopub.post(encode(connection, { identities, header, parentHeader, metadata, content, buffers }));
}

function reply(channel: "shell" | "control", request: Message, type: string, content: object): void {
  outboxes[channel].post(
    encode(connection, { identities: request.identities, header: createHeader(type, session), parentHeader: request.header, content }),
  );
}

// ---- shell: one request after the other

interface Job {
  id: number;
  channel: "shell" | "control";
  message: Message;
}

const waiting: Job[] = [];
const bypassing = new Map<number, Job>();
let running: Job | undefined;
let nextId = 0;
let executions = 0;

/** How long a shutdown on shell waits for what was sent before it, ms. */
const SHUTDOWN_WAIT = 500;

function enqueue(message: Message): void {
  const job: Job = { id: nextId++, channel: "shell", message };
  // VS Code asks for interrupts on shell: what stops a cell cannot wait for it.
  if (message.header.msg_type === "interrupt_request") {
    atOnce(job);
    return;
  }
  // A message on a comm that is open reaches a cell that awaits it; everything else keeps its turn.
  if (running && waiting.length === 0 && /^comm_(msg|close)$/.test(message.header.msg_type)) {
    bypassing.set(job.id, job);
    busy(job);
    forward(job);
    return;
  }
  waiting.push(job);
  next();
  if (message.header.msg_type === "shutdown_request") setTimeout(() => waiting.includes(job) && atOnce(job), SHUTDOWN_WAIT);
}

/** Handles what needs no turn. */
function atOnce(job: Job): void {
  busy(job);
  answer(job);
  idle(job);
}

function next(): void {
  while (!running) {
    const job = waiting.shift();
    if (!job) return;
    busy(job);
    if (answer(job)) idle(job);
    else {
      running = job;
      forward(job);
    }
  }
}

/** Answers what needs no main thread. False for the rest. */
function answer({ channel, message }: Job): boolean {
  switch (message.header.msg_type) {
    case "kernel_info_request":
      reply(channel, message, "kernel_info_reply", info);
      return true;
    case "shutdown_request":
      shutDown(channel, message);
      return true;
    case "interrupt_request":
      interrupter.interrupt({ type: "interrupt", id: running?.id });
      reply(channel, message, "interrupt_reply", { status: "ok" });
      return true;
    case "debug_request":
      reply(channel, message, "debug_reply", {
        type: "response",
        request_seq: message.content.seq ?? 0,
        seq: 0,
        command: message.content.command ?? "",
        success: false,
        message: "this kernel has no debugger",
      });
      return true;
    case "execute_request":
    case "complete_request":
    case "inspect_request":
    case "is_complete_request":
    case "history_request":
    case "comm_info_request":
    case "comm_open":
    case "comm_msg":
    case "comm_close":
      return false;
    default: // the specification asks for no reply to what a kernel does not know
      return true;
  }
}

const busy = ({ message }: Job) => publish("status", { execution_state: "busy" }, message.header);
const idle = ({ message }: Job) => publish("status", { execution_state: "idle" }, message.header);

function forward(job: Job): void {
  const { header, metadata, content, buffers } = job.message;
  post({ type: "request", id: job.id, request: { header, metadata, content, buffers } });
}

async function finish({ id, replyType, content, failed }: FromMain & { type: "reply" }): Promise<void> {
  const job = bypassing.get(id) ?? (running?.id === id ? running : undefined);
  if (!job) return;
  if (typeof content?.execution_count === "number") executions = content.execution_count;
  if (failed) await received(shell);
  streams.flush();
  if (content) reply(job.channel, job.message, replyType, content);
  if (bypassing.delete(id)) {
    idle(job);
    return;
  }
  const aborted = failed ? waiting.filter((other) => other.message.header.msg_type === "execute_request") : [];
  if (failed) waiting.splice(0, waiting.length, ...waiting.filter((other) => !aborted.includes(other)));
  idle(job);
  for (const other of aborted) {
    busy(other);
    reply(other.channel, other.message, "execute_reply", {
      status: "aborted",
      execution_count: executions,
      payload: [],
      user_expressions: {},
    });
    idle(other);
  }
  running = undefined;
  next();
}

/** Lets the receiving loop take in all that lies ready on the socket. */
async function received(socket: zmq.Router): Promise<void> {
  do await new Promise((resolve) => setImmediate(resolve));
  while (!socket.closed && socket.readable);
}

// ---- stdin

let asked: { msgId: string } | undefined;

function askReader({ parent, prompt, password }: FromMain & { type: "input" }): void {
  if (!running || running.message.header.msg_id !== parent.msg_id) {
    post({ type: "input", value: null });
    return;
  }
  const header = createHeader("input_request", session);
  asked = { msgId: header.msg_id };
  streams.flush();
  outboxes.stdin.post(
    encode(connection, { identities: running.message.identities, header, parentHeader: parent, content: { prompt, password } }),
  );
}

function answered(message: Message): void {
  const { msg_id } = message.parentHeader; // not every client says which question it answers
  if (message.header.msg_type !== "input_reply" || !asked || (msg_id && msg_id !== asked.msgId)) return;
  asked = undefined;
  post({ type: "input", value: String(message.content.value ?? "") });
}

// ---- life and death

function shutDown(channel: "shell" | "control", message: Message): void {
  const content = { status: "ok", restart: message.content.restart ?? false };
  reply(channel, message, "shutdown_reply", content);
  publish("shutdown_reply", content, message.header);
  interrupter.interrupt({ type: "shutdown" });
  setTimeout(() => {
    signalChildren(process.pid, "SIGKILL");
    process.kill(process.pid, "SIGKILL");
  }, 1800).unref();
}

async function close(): Promise<void> {
  streams.flush();
  await Promise.race([
    Promise.all(Object.values(outboxes).map((outbox) => outbox.drained())),
    new Promise((resolve) => setTimeout(resolve, 300)),
  ]);
  await new Promise((resolve) => setTimeout(resolve, 20)); // ZeroMQ's own thread writes the last bytes
  for (const socket of [shell, control, stdin, iopub, heartbeat]) socket.close();
  Atomics.store(state, State.Closed, 1);
  Atomics.notify(state, State.Closed);
}

main.on("message", (message: FromMain) => {
  if (message.type === "reply") void finish(message);
  else if (message.type === "publish") publish(message.msgType, message.content, message.parent, message.metadata, message.buffers);
  else if (message.type === "stream") streams.write(message.parent, message.name, message.text);
  else if (message.type === "input") askReader(message);
  else if (message.type === "pong") interrupter.pong();
  else if (message.type === "interrupt") interrupter.interrupt({ type: "interrupt", id: running?.id });
  else if (message.type === "child") interrupter.child(message.pid, message.ended);
  else if (message.type === "settled") interrupter.settled();
  else void close();
});

async function serve(socket: zmq.Router, handle: (message: Message) => void): Promise<void> {
  while (!socket.closed) {
    let frames: Buffer[];
    try {
      frames = await socket.receive();
    } catch {
      return; // closed
    }
    try {
      handle(decode(connection, frames, replays));
    } catch {
      // not a message for us: dropped without a word, as the specification asks
    }
  }
}

async function beat(): Promise<void> {
  try {
    for await (const frames of heartbeat) await heartbeat.send(frames);
  } catch {
    // closed
  }
}

/** Greets each new subscriber (protocol 5.4): from then on it misses nothing. */
async function welcome(): Promise<void> {
  try {
    for await (const [frame] of iopub) {
      if (frame?.[0] !== 1) continue;
      const topic = frame.subarray(1);
      const header = createHeader("iopub_welcome", session);
      outboxes.iopub.post(encode(connection, { identities: [topic], header, content: { subscription: topic.toString() } }));
    }
  } catch {
    // closed
  }
}

const sockets = { shell, control, stdin, iopub, hb: heartbeat };
await Promise.all(Object.entries(sockets).map(([channel, socket]) => socket.bind(endpoint(connection, channel as keyof typeof sockets))));
broadcast("status", { execution_state: "starting" }, {});
void serve(shell, enqueue);
void serve(control, (message) => atOnce({ id: nextId++, channel: "control", message }));
void serve(stdin, answered);
void beat();
void welcome();

const parentProcess = Number(process.env.JPY_PARENT_PID);
if (parentProcess > 1) {
  const born = process.ppid;
  setInterval(() => {
    if (process.ppid !== born) process.kill(process.pid, "SIGKILL"); // whoever started this kernel is gone
  }, 1000).unref();
}
