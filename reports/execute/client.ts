import { randomUUID } from "node:crypto";
import * as zmq from "zeromq";
import { createHeader, decode, encode, endpoint, type Message, WireError } from "../../kernel/wire/messages.js";
import { DeadKernelError, type KernelProcess, startKernel } from "./kernel-process.js";
import type { Kernelspec } from "./kernelspec.js";

/** How a request ended, and when (ISO 8601). */
export interface Executed {
  reply: Message;
  /** JupyterLab's names of the moments. */
  times: Record<string, string>;
}

/** The order in which the moments are recorded: shell and iopub are two sockets, whose messages may arrive in any. */
const MOMENTS = ["iopub.status.busy", "iopub.execute_input", "shell.execute_reply", "iopub.status.idle"] as const;

const READY_MS = 60_000;
const ASK_AGAIN_MS = 500;
const SHUTDOWN_MS = 5_000;

/** A Jupyter client for one kernel that it has started. */
export class KernelClient {
  private readonly session = randomUUID();
  private readonly shell = new zmq.Dealer({ linger: 0 });
  private readonly control = new zmq.Dealer({ linger: 0 });
  private readonly iopub = new zmq.Subscriber({ linger: 0, receiveHighWaterMark: 0 });
  private readonly waiting = new Map<string, (message: Message) => void>();
  private heard = false;
  private closing = false;

  /** Everything on iopub, in order. */
  onOutput: (message: Message) => void = () => {};

  private constructor(
    private readonly spec: Kernelspec,
    private readonly kernel: KernelProcess,
  ) {}

  /**
   * Starts a kernel, which is asked to tell which files it uses, and waits until it answers on all channels.
   * @param folder its working directory
   * @throws DeadKernelError when it ends or stays silent for a minute
   */
  static async start(spec: Kernelspec, folder: string): Promise<KernelClient> {
    const kernel = await startKernel(spec, folder);
    const client = new KernelClient(spec, kernel);
    client.connect();
    try {
      await client.ready();
    } catch (error) {
      await client.kill();
      throw error;
    }
    return client;
  }

  /**
   * Runs code. Its outputs arrive through `onOutput`, all of them before this resolves.
   * @param onStart called with the request's id before it is sent
   * @throws DeadKernelError when the kernel ends meanwhile
   */
  async execute(code: string, onStart: (id: string) => void): Promise<Executed> {
    const header = createHeader("execute_request", this.session);
    const times = new Map<string, string>();
    const mark = (moment: (typeof MOMENTS)[number]) => void times.set(moment, new Date().toISOString());
    const idle = new Promise<void>((resolve) => this.waiting.set(`idle ${header.msg_id}`, () => resolve()));
    this.waiting.set(`busy ${header.msg_id}`, () => mark("iopub.status.busy"));
    this.waiting.set(`input ${header.msg_id}`, () => mark("iopub.execute_input"));
    const answer = new Promise<Message>((resolve) => this.waiting.set(`reply ${header.msg_id}`, resolve));
    onStart(header.msg_id);
    const content = { code, silent: false, store_history: true, user_expressions: {}, allow_stdin: false, stop_on_error: false };
    try {
      await this.shell.send(encode(this.kernel.connection, { header, content }) as Buffer[]);
      const reply = await this.orDeath(answer);
      mark("shell.execute_reply");
      await this.orDeath(idle);
      mark("iopub.status.idle");
      return { reply, times: Object.fromEntries(MOMENTS.flatMap((moment) => (times.has(moment) ? [[moment, times.get(moment)!]] : []))) };
    } finally {
      for (const what of ["idle", "busy", "input", "reply"]) this.waiting.delete(`${what} ${header.msg_id}`);
    }
  }

  /** What an expression displays as JSON; no cell of the notebook, and nothing of it is shown. Undefined where it shows no JSON. */
  async evaluate(expression: string): Promise<unknown> {
    const content = { code: "", silent: true, store_history: false, user_expressions: { it: expression }, allow_stdin: false };
    const reply = await this.request("shell", "execute_request", content);
    return reply.content.user_expressions?.it?.data?.["application/json"];
  }

  /** Stops the running cell in the way that the kernel's specification names. */
  async interrupt(): Promise<void> {
    if (this.spec.interruptMode === "signal") this.kernel.signal("SIGINT");
    else await this.request("control", "interrupt_request");
  }

  /** Asks the kernel to end, and ends it if it does not within five seconds. */
  async shutdown(): Promise<void> {
    this.closing = true;
    this.request("control", "shutdown_request", { restart: false }).catch(() => {});
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, SHUTDOWN_MS);
    });
    await Promise.race([this.kernel.ended, late]);
    clearTimeout(timer);
    await this.kill();
  }

  /** What the kernel, which has ended, has told about files; empty where it tells nothing. */
  trace(): string {
    return this.kernel.trace();
  }

  async kill(): Promise<void> {
    this.closing = true;
    await this.kernel.kill();
    for (const socket of [this.shell, this.control, this.iopub]) socket.close();
  }

  private connect(): void {
    const { connection } = this.kernel;
    this.iopub.connect(endpoint(connection, "iopub"));
    this.iopub.subscribe();
    this.shell.connect(endpoint(connection, "shell"));
    this.control.connect(endpoint(connection, "control"));
    const listen = async (socket: zmq.Dealer | zmq.Subscriber, receive: (message: Message) => void) => {
      try {
        for await (const frames of socket) {
          try {
            receive(decode(connection, frames));
          } catch (error) {
            if (!(error instanceof WireError)) throw error;
          }
        }
      } catch (error) {
        if (!this.closing) throw error;
      }
    };
    void listen(this.shell, (message) => this.waiting.get(`reply ${message.parentHeader.msg_id}`)?.(message));
    void listen(this.control, (message) => this.waiting.get(`reply ${message.parentHeader.msg_id}`)?.(message));
    void listen(this.iopub, (message) => this.receiveOutput(message));
  }

  private receiveOutput(message: Message): void {
    this.heard = true;
    const { msg_type } = message.header;
    const parent = message.parentHeader.msg_id;
    if (msg_type === "status") this.waiting.get(`${message.content.execution_state} ${parent}`)?.(message);
    else if (msg_type === "execute_input") this.waiting.get(`input ${parent}`)?.(message);
    else this.onOutput(message);
  }

  /** Asks for kernel_info until both the reply and something on iopub have come: only then is the subscription in place. */
  private async ready(): Promise<void> {
    const until = performance.now() + READY_MS;
    for (;;) {
      const asked = this.request("shell", "kernel_info_request");
      const answered = await this.orDeath(
        Promise.race([asked.then(() => true), new Promise<false>((resolve) => setTimeout(resolve, ASK_AGAIN_MS, false))]),
      );
      if (answered && !this.heard) await new Promise((resolve) => setTimeout(resolve, 20));
      if (answered && this.heard) return;
      if (performance.now() > until) throw new DeadKernelError(`kernel "${this.spec.name}" does not answer within ${READY_MS / 1000} s`);
    }
  }

  private async request(channel: "shell" | "control", type: string, content = {}): Promise<Message> {
    const header = createHeader(type, this.session);
    const answer = new Promise<Message>((resolve) => this.waiting.set(`reply ${header.msg_id}`, resolve));
    await this[channel].send(encode(this.kernel.connection, { header, content }) as Buffer[]);
    return this.orDeath(answer).finally(() => this.waiting.delete(`reply ${header.msg_id}`));
  }

  private async orDeath<T>(work: Promise<T>): Promise<T> {
    const death = this.kernel.ended.then((cause): never => {
      throw new DeadKernelError(`the kernel died: ${cause}`);
    });
    return Promise.race([work, death]);
  }
}
