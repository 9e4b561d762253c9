import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as zmq from "zeromq";
import { type Connection, createHeader, decode, encode, endpoint, type Header, type Message } from "../../kernel/wire/messages.js";
import { packageRoot } from "../../src/setup/paths.js";

/** What came back for one request: its reply and everything broadcast on its behalf until the kernel was idle again. */
export interface Answer {
  reply: Message;
  outputs: Message[];
}

const kernelMain = join(packageRoot(), "dist", "kernel", "main.js");

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => new Promise((resolve) => server.once("listening", resolve))));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** A kernel process and a client of it, for tests. */
export class KernelClient {
  readonly session = randomUUID();
  readonly iopub: Message[] = [];
  readonly shell = new zmq.Dealer({ routingId: this.session, linger: 0 });
  readonly control = new zmq.Dealer({ routingId: this.session, linger: 0 });
  readonly stdin = new zmq.Dealer({ routingId: this.session, linger: 0 });
  readonly subscriber = new zmq.Subscriber({ receiveHighWaterMark: 0, linger: 0 });
  /** Answers input requests. */
  onInput: (prompt: string, password: boolean) => string = () => "";
  readonly exited: Promise<number | null>;
  stderr = "";
  private readonly replies = new Map<string, (message: Message) => void>();
  private watchers: (() => void)[] = [];

  private constructor(
    readonly connection: Connection,
    readonly process: ChildProcess,
    readonly folder: string,
    private readonly ownFolder: boolean,
  ) {
    this.exited = new Promise((resolve) => process.once("exit", (code) => resolve(code)));
    process.stderr?.on("data", (chunk) => {
      this.stderr += chunk;
    });
  }

  /**
   * Starts a kernel in `folder` (a fresh empty one unless given) and waits until it answers kernel_info.
   * @param options.parent start it as the child of a process of its own, as a server does: `process` is then that one
   */
  static async start(
    options: { folder?: string; key?: string; env?: Record<string, string>; parent?: boolean } = {},
  ): Promise<KernelClient> {
    const folder = options.folder ?? mkdtempSync(join(tmpdir(), "erpo-kernel-"));
    const [shell_port, iopub_port, stdin_port, control_port, hb_port] = (await freePorts(5)) as [number, number, number, number, number];
    const ports = { shell_port, iopub_port, stdin_port, control_port, hb_port };
    const key = options.key ?? randomUUID();
    const connection: Connection = { transport: "tcp", ip: "127.0.0.1", ...ports, key, signature_scheme: "hmac-sha256" };
    const file = join(mkdtempSync(join(tmpdir(), "erpo-connection-")), "kernel.json");
    writeFileSync(file, JSON.stringify(connection), { mode: 0o600 });
    const words = ["--no-force-async-hooks-checks", kernelMain, file];
    const server = `const env = { ...process.env, JPY_PARENT_PID: String(process.pid) };
      require("node:child_process").spawn(process.execPath, ${JSON.stringify(words)}, { env, stdio: "ignore" }); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, options.parent ? ["-e", server] : words, {
      cwd: folder,
      env: { ...process.env, ...options.env },
      stdio: ["ignore", "ignore", "pipe"],
    });
    const client = new KernelClient(connection, child, folder, options.folder === undefined);
    client.connect();
    await client.ask("shell", "kernel_info_request", {});
    await client.until((m) => m.header.msg_type === "iopub_welcome");
    return client;
  }

  private connect(): void {
    this.subscriber.subscribe();
    for (const [socket, channel] of [
      [this.shell, "shell"],
      [this.control, "control"],
      [this.stdin, "stdin"],
      [this.subscriber, "iopub"],
    ] as const)
      socket.connect(endpoint(this.connection, channel));
    const listen = async (socket: AsyncIterable<Buffer[]>, handle: (message: Message) => void) => {
      try {
        for await (const frames of socket) handle(decode(this.connection, frames));
      } catch {
        // closed
      }
    };
    const onReply = (message: Message) => this.replies.get(message.parentHeader.msg_id ?? "")?.(message);
    void listen(this.shell, onReply);
    void listen(this.control, onReply);
    void listen(this.subscriber, (message) => {
      this.iopub.push(message);
      for (const watcher of [...this.watchers]) watcher();
    });
    void listen(this.stdin, ({ header, content }) => {
      const value = this.onInput(content.prompt, content.password);
      void this.stdin.send(
        encode(this.connection, {
          header: createHeader("input_reply", this.session),
          parentHeader: header,
          content: { value },
        }) as Buffer[],
      );
    });
  }

  /** Sends a request without waiting. */
  send(channel: "shell" | "control", type: string, content: object): { header: Header; reply: Promise<Message> } {
    const header = createHeader(type, this.session);
    const reply = new Promise<Message>((resolve) => this.replies.set(header.msg_id, resolve));
    void this[channel].send(encode(this.connection, { header, content }) as Buffer[]);
    return { header, reply };
  }

  /** Sends a request and waits for its reply only. */
  async ask(channel: "shell" | "control", type: string, content: object): Promise<Message> {
    return this.send(channel, type, content).reply;
  }

  /** Starts a cell. */
  begin(code: string, options: object = {}): { header: Header; done: Promise<Answer> } {
    const content = { code, silent: false, store_history: true, user_expressions: {}, allow_stdin: true, stop_on_error: true, ...options };
    const { header, reply } = this.send("shell", "execute_request", content);
    return { header, done: this.gather(header, reply) };
  }

  /** Runs a cell to its end. */
  async run(code: string, options: object = {}): Promise<Answer> {
    return this.begin(code, options).done;
  }

  private async gather(header: Header, reply: Promise<Message>): Promise<Answer> {
    const mine = (m: Message) => m.parentHeader.msg_id === header.msg_id;
    const [answer] = await Promise.all([
      reply,
      this.until((m) => mine(m) && m.header.msg_type === "status" && m.content.execution_state === "idle"),
    ]);
    return { reply: answer, outputs: this.iopub.filter(mine) };
  }

  /** Waits for a broadcast message. */
  until(wanted: (message: Message) => boolean, timeout = 20_000): Promise<Message> {
    return new Promise((resolve, reject) => {
      const watch = () => {
        const found = this.iopub.find(wanted);
        if (!found) return;
        clearTimeout(timer);
        this.watchers = this.watchers.filter((other) => other !== watch);
        resolve(found);
      };
      const timer = setTimeout(() => reject(new Error(`no such message; stderr: ${this.stderr}`)), timeout);
      this.watchers.push(watch);
      watch();
    });
  }

  /** Asks the kernel to end, and ends it by force where it does not. */
  async stop(): Promise<number | null> {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      void this.ask("control", "shutdown_request", { restart: false });
      const timer = setTimeout(() => this.process.kill("SIGKILL"), 5000);
      await this.exited;
      clearTimeout(timer);
    }
    for (const socket of [this.shell, this.control, this.stdin, this.subscriber]) socket.close();
    if (this.ownFolder) rmSync(this.folder, { recursive: true, force: true });
    return this.exited;
  }
}

/** All that a cell printed on one stream. */
export function printed({ outputs }: Answer, name = "stdout"): string {
  return outputs
    .filter((m) => m.header.msg_type === "stream" && m.content.name === name)
    .map((m) => m.content.text)
    .join("");
}

/** The text of a cell's value; undefined where it has none. */
export function result({ outputs }: Answer): string | undefined {
  return outputs.find((m) => m.header.msg_type === "execute_result")?.content.data["text/plain"];
}

/** The types of a cell's broadcast messages, status left out. */
export function types({ outputs }: Answer): string[] {
  return outputs.map((m) => m.header.msg_type).filter((type) => type !== "status");
}

/** The reply of a cell that failed. */
export const failed = ({ reply }: Answer) => reply.content as { status: string; ename: string; evalue: string; traceback: string[] };
