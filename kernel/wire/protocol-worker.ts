import { randomUUID } from "node:crypto";
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import * as zmq from "zeromq";
import type { Debugger } from "../debugger/debugger.js";
import type { Answer, Next, Question } from "../language/language-worker.js";
import { type FromMain, type ProtocolData, State, type ToMain } from "./bridge.js";
import { Interrupter } from "./interrupter.js";
import { kernelInfo } from "./kernel-info.js";
import { createHeader, decode, encode, endpoint, type Header, type Message, ReplayGuard, readConnection } from "./messages.js";
import { Outbox } from "./outbox.js";
import { ProcessGroups } from "./process-groups.js";
import { signalChildren } from "./process-tree.js";
import { type Job, patience, RequestQueue, type Step } from "./request-queue.js";
import { taken } from "./room.js";
import { endWithServer } from "./server-watch.js";
import { StreamBuffer } from "./stream-buffer.js";

/**
 * The protocol's thread: it owns all five sockets, so that heartbeat, control, kernel_info and output go on while a cell keeps the main
 * thread busy. When a request is handled, `RequestQueue` decides.
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

// ---- requests: when each is handled, the queue says

const queue = new RequestQueue();
let executions = 0;
const codeOf = ({ message }: Job) => String(message.content.code ?? "");

/** @param replied by another thread, for the step that sends it */
function take(steps: readonly Step[], replied?: { replyType: string; content: object | null }): void {
  for (const [i, { do: what, job, before = [] }] of steps.entries()) {
    const { channel, message } = job;
    if (what === "busy" || what === "idle") publish("status", { execution_state: what }, message.header);
    else if (what === "resume" && queue.running === job) publish("status", { execution_state: "busy" }, message.header);
    else if (what === "answer" && message.header.msg_type === "debug_request") {
      void debug(job).then(() => take(steps.slice(i + 1)));
      return;
    } else if (what === "answer") answer(job);
    else if (what === "forward") forward(job);
    else if (what === "ask") ask(job, before.map(codeOf));
    else if (what === "prepare") answering?.port.postMessage({ next: codeOf(job), before: before.map(codeOf) } satisfies Next);
    else if (what === "remind") setTimeout(() => take(queue.overdue(job)), patience(job));
    else if (what === "abort") {
      const content = { status: "aborted", execution_count: executions, payload: [], user_expressions: {} };
      reply(channel, message, "execute_reply", content);
    } else if (what === "reply") {
      streams.flush();
      if (replied?.content) reply(channel, message, replied.replyType, replied.content);
    }
  }
}

/** Answers what needs no main thread. The specification asks for no reply to what a kernel does not know. */
function answer({ channel, message }: Job): void {
  switch (message.header.msg_type) {
    case "kernel_info_request":
      reply(channel, message, "kernel_info_reply", info);
      return;
    case "shutdown_request":
      shutDown(channel, message);
      return;
    case "interrupt_request":
      interrupt();
      reply(channel, message, "interrupt_reply", { status: "ok" });
  }
}

let debugging: Debugger | undefined;
let debugParent: Partial<Header> = {};

/** Answers a request of a debugger, which is loaded with the first one. */
async function debug({ channel, message }: Job): Promise<void> {
  const { Debugger } = await import("../debugger/debugger.js");
  debugging ??= new Debugger({
    event: (content) => publish("debug_event", content, debugParent),
    running: () => queue.running !== undefined,
    run: (code) => {
      const content = { code, silent: true, store_history: false, allow_stdin: false, stop_on_error: false };
      const header = createHeader("execute_request", session);
      take(queue.ownCell({ identities: [], header, parentHeader: {}, metadata: {}, content, buffers: [] }));
    },
  });
  debugParent = message.header;
  const { seq, command, arguments: args } = message.content;
  reply(channel, message, "debug_reply", await debugging.answer({ seq: seq ?? 0, command: command ?? "", arguments: args }));
}

const interrupt = () => stop({ type: "interrupt", id: queue.running?.id });

/** Stops what the main thread does, also where it stands still. */
function stop(question: ToMain): void {
  interrupter.interrupt(question);
  if (debugging?.standsStill) interrupter.stopStanding();
  debugging?.interrupt();
}

function forward(job: Job): void {
  const { header, metadata, content, buffers } = job.message;
  if (header.msg_type === "execute_request") debugging?.sent(codeOf(job));
  post({ type: "request", id: job.id, request: { header, metadata, content, buffers } });
}

async function finish(replied: FromMain & { type: "reply" }): Promise<void> {
  if (typeof replied.content?.execution_count === "number") executions = replied.content.execution_count;
  if (replied.failed) await received(shell);
  take(queue.finished(replied.id, replied), replied);
}

/** Lets the receiving loop take in all that lies ready on the socket. */
async function received(socket: zmq.Router): Promise<void> {
  do await new Promise((resolve) => setImmediate(resolve));
  while (!socket.closed && socket.readable);
}

// ---- questions to the language's thread

/** The thread that answers, and the types of the requests that it has been asked, by their ids. */
let answering: { port: MessagePort; types: Map<number, string> } | undefined;
const early: Question[] = []; // what came when there was no thread to ask

function ask({ id, message }: Job, before: string[]): void {
  const { msg_type: type } = message.header;
  const question: Question = { id, type, content: message.content, before };
  if (!answering) {
    early.push(question);
    return;
  }
  answering.types.set(id, type);
  answering.port.postMessage(question);
}

/** Goes on with another thread. What the last one has left open is answered with an error when its end is heard of. */
function askFrom(port: MessagePort): void {
  const own = { port, types: new Map<number, string>() };
  const answerOf = (id: number, content: object) => {
    const type = own.types.get(id);
    if (type === undefined) return;
    own.types.delete(id);
    take(queue.finished(id, { failed: false }), { replyType: type.replace(/_request$/, "_reply"), content });
  };
  answering = own;
  for (const question of early.splice(0)) {
    own.types.set(question.id, question.type);
    port.postMessage(question);
  }
  port.on("message", ({ id, content }: Answer) => answerOf(id, content));
  port.on("close", () => {
    if (answering === own) answering = undefined;
    const message = "the type checker was stopped";
    for (const id of [...own.types.keys()]) answerOf(id, { status: "error", ename: "Error", evalue: message, traceback: [message] });
  });
}

// ---- stdin

let asked: { msgId: string } | undefined;

function askReader({ parent, prompt, password }: FromMain & { type: "input" }): void {
  const message = queue.running?.message;
  if (message?.header.msg_id !== parent.msg_id) {
    post({ type: "input", value: null });
    return;
  }
  const header = createHeader("input_request", session);
  asked = { msgId: header.msg_id };
  streams.flush();
  outboxes.stdin.post(encode(connection, { identities: message.identities, header, parentHeader: parent, content: { prompt, password } }));
}

function answered(message: Message): void {
  const { msg_id } = message.parentHeader; // not every client says which question it answers
  if (message.header.msg_type !== "input_reply" || !asked || (msg_id && msg_id !== asked.msgId)) return;
  asked = undefined;
  post({ type: "input", value: String(message.content.value ?? "") });
}

// ---- life and death

/** Of the processes that cells have started, for a main thread that cannot end them itself any more. */
const groups = new ProcessGroups();

function shutDown(channel: "shell" | "control", message: Message): void {
  const content = { status: "ok", restart: message.content.restart ?? false };
  reply(channel, message, "shutdown_reply", content);
  publish("shutdown_reply", content, message.header);
  stop({ type: "shutdown" });
  setTimeout(() => {
    killChildren();
    process.kill(process.pid, "SIGKILL");
  }, 1800).unref();
}

function killChildren(): void {
  signalChildren(process.pid, "SIGKILL");
  groups.signal("SIGKILL");
}

async function close(): Promise<void> {
  debugging?.close();
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
  else if (message.type === "stream") {
    taken(state);
    streams.write(message.parent, message.name, message.text);
  } else if (message.type === "input") askReader(message);
  else if (message.type === "pong") interrupter.pong();
  else if (message.type === "interrupt") interrupt();
  else if (message.type === "child") {
    interrupter.child(message.pid, message.ended);
    if (message.ended) groups.ended(message.pid);
    else groups.started(message.pid);
  } else if (message.type === "language") askFrom(message.questions);
  else if (message.type === "settled") {
    interrupter.settled();
    debugging?.settled();
  } else void close();
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
void serve(shell, (message) => take(queue.arrived("shell", message)));
void serve(control, (message) => take(queue.arrived("control", message)));
void serve(stdin, answered);
void beat();
void welcome();

endWithServer(connectionFile, killChildren);
