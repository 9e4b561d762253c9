import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { stripVTControlCharacters } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, expect } from "vitest";
import * as zmq from "zeromq";
import { type Connection, createHeader, decode, encode, endpoint, type Header, type Message } from "../../kernel/wire/messages.js";
import { packageRoot } from "../../src/setup/paths.js";

/** What came back for one request: its reply and everything broadcast on its behalf until the kernel was idle again. */
export interface Answer {
  reply: Message;
  outputs: Message[];
}

/** Ports of this machine that nobody listens on. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => new Promise((resolve) => server.once("listening", resolve))));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/**
 * Another kernel to run the tests on: the words that start it, `{connection_file}` among them. It shows which tests tell it from this one
 * (kernel/README.md, "Tried on tslab").
 */
const foreign = process.env.ERPO_TEST_KERNEL?.split(" ");
const ours = [process.execPath, "--no-force-async-hooks-checks", join(packageRoot(), "dist", "kernel", "main.js"), "{connection_file}"];

interface KernelOptions {
  /** The words that start another kernel, `{connection_file}` among them. */
  words?: readonly string[];
  /** Started in a session of its own, as Jupyter starts kernels. */
  detached?: boolean;
  /** How long a message is waited for, ms; 60,000 where nothing is said. */
  patience?: number;
  env?: Record<string, string | undefined>;
  /** What its folder holds from the beginning: texts by paths. */
  files?: Record<string, string>;
  /** Started as the child of a process of its own, as a server does: `process` is then that one. */
  parent?: boolean;
  /** Runs as this user, who may read its folder and not write there; for root only. */
  uid?: number;
}

/** A kernel process in a fresh empty folder and a client of it, for tests. */
export class KernelClient {
  readonly session = randomUUID();
  /** Answers input requests. */
  onInput: (prompt: string, password: boolean) => string = () => "";
  iopub: Message[] = [];
  stderr = "";
  connection!: Connection;
  process!: ChildProcess;
  /** The exit status of `process`; null where a signal ended it. */
  exited!: Promise<number | null>;
  folder!: string;
  shell!: zmq.Dealer;
  control!: zmq.Dealer;
  stdin!: zmq.Dealer;
  subscriber!: zmq.Subscriber;
  private readonly replies = new Map<string, (message: Message) => void>();
  private readonly watchers = new Map<() => void, NodeJS.Timeout>();

  constructor(private readonly options: KernelOptions = {}) {}

  /** Starts a kernel and waits until it answers and is heard on iopub. */
  static async start(options: KernelOptions = {}): Promise<KernelClient> {
    const client = new KernelClient(options);
    await client.start();
    return client;
  }

  async start(): Promise<void> {
    await this.spawn();
    do await this.ask("shell", "kernel_info_request", {});
    while (this.iopub.length === 0);
  }

  /** Starts a kernel, waits for nothing. */
  async spawn(): Promise<void> {
    const { env, files = {}, parent, uid, detached } = this.options;
    this.folder = mkdtempSync(join(tmpdir(), "erpo-kernel-"));
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(this.folder, path)), { recursive: true });
      writeFileSync(join(this.folder, path), text);
    }
    const [shell_port, iopub_port, stdin_port, control_port, hb_port] = (await freePorts(5)) as [number, number, number, number, number];
    const ports = { shell_port, iopub_port, stdin_port, control_port, hb_port };
    this.connection = { transport: "tcp", ip: "127.0.0.1", ...ports, key: randomUUID(), signature_scheme: "hmac-sha256" };
    const file = join(mkdtempSync(join(tmpdir(), "erpo-connection-")), "kernel.json");
    writeFileSync(file, JSON.stringify(this.connection), { mode: 0o600 });
    if (uid) {
      for (const folder of [this.folder, dirname(file)]) chmodSync(folder, 0o755);
      chownSync(file, uid, uid);
    }
    const words = (this.options.words ?? foreign ?? ours).map((word) => word.replace("{connection_file}", file));
    const server = `const [program, ...words] = ${JSON.stringify(words)}; const env = { ...process.env, JPY_PARENT_PID: String(process.pid) };
      require("node:child_process").spawn(program, words, { env, stdio: "ignore" }); setInterval(() => {}, 1000);`;
    const [program, ...rest] = parent ? [process.execPath, "-e", server] : words;
    this.process = spawn(program!, rest, {
      cwd: this.folder,
      env: { ...process.env, ...env },
      stdio: ["ignore", "ignore", "pipe"],
      detached,
      ...(uid && { uid, gid: uid }),
    });
    this.exited = new Promise((resolve) => this.process.once("exit", (code) => resolve(code)));
    this.stderr = "";
    this.process.stderr?.on("data", (chunk) => {
      this.stderr += chunk;
    });
    this.connect();
  }

  private connect(): void {
    this.iopub = [];
    const dealer = () => new zmq.Dealer({ routingId: this.session, linger: 0 });
    [this.shell, this.control, this.stdin] = [dealer(), dealer(), dealer()];
    this.subscriber = new zmq.Subscriber({ receiveHighWaterMark: 0, linger: 0 });
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
        for await (const frames of socket) {
          const message = decoded(this.connection, frames);
          if (message) handle(message);
        }
      } catch {
        // closed
      }
    };
    const onReply = (message: Message) => this.replies.get(message.parentHeader.msg_id ?? "")?.(message);
    void listen(this.shell, onReply);
    void listen(this.control, onReply);
    void listen(this.subscriber, (message) => {
      this.iopub.push(message);
      for (const watch of [...this.watchers.keys()]) watch();
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
  readonly run = (code: string, options: object = {}): Promise<Answer> => this.begin(code, options).done;

  /** Waits until a cell has printed or shown something. */
  async output({ header }: { header: Header }): Promise<Message> {
    return this.until((m) => m.parentHeader.msg_id === header.msg_id && /^(stream|display_data)$/.test(m.header.msg_type));
  }

  /** Runs a cell and stops it `delay` ms after it has begun. */
  async runAndInterrupt(code: string, delay = 50): Promise<Answer> {
    const cell = this.begin(`console.log("on"); ${code}`);
    await this.output(cell);
    await sleep(delay);
    await this.ask("control", "interrupt_request", {});
    return cell.done;
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
  until(wanted: (message: Message) => boolean, timeout = this.options.patience ?? 60_000): Promise<Message> {
    return new Promise((resolve, reject) => {
      const watch = () => {
        const found = this.iopub.find(wanted);
        if (!found) return;
        clearTimeout(this.watchers.get(watch));
        this.watchers.delete(watch);
        resolve(found);
      };
      const fail = () => reject(new Error(`no such message; stderr: ${this.stderr}`));
      this.watchers.set(watch, setTimeout(fail, timeout));
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
    for (const timer of this.watchers.values()) clearTimeout(timer); // of what never came, and now never will
    this.watchers.clear();
    for (const socket of [this.shell, this.control, this.stdin, this.subscriber]) socket.close();
    rmSync(this.folder, { recursive: true, force: true });
    return this.exited;
  }
}

/**
 * A kernel for the tests of a file, which ends well after the last one. A foreign kernel is started afresh for each test, since it need not
 * survive them.
 * @param prepare what is run in it first
 */
export function useKernel(prepare = "", options: KernelOptions = {}): KernelClient {
  const kernel = new KernelClient(options);
  const [before, after] = foreign ? [beforeEach, afterEach] : [beforeAll, afterAll];
  before(async () => {
    await kernel.start();
    if (prepare) await kernel.run(prepare);
  });
  after(async () => {
    const status = await kernel.stop();
    if (!foreign) expect(status).toBe(0);
  });
  return kernel;
}

/** A message; undefined for what is none, such as xeus-python's greeting, whose parent header is `null`. */
function decoded(connection: Connection, frames: Buffer[]): Message | undefined {
  try {
    return decode(connection, frames);
  } catch {
    return undefined;
  }
}

/** All that a cell printed on one stream. */
export function printed({ outputs }: Answer, name = "stdout"): string {
  return outputs
    .filter((m) => m.header.msg_type === "stream" && m.content.name === name)
    .map((m) => m.content.text)
    .join("");
}

/** The text of a cell's value; undefined where it has none. A foreign kernel may print it instead. */
export function result(answer: Answer): string | undefined {
  const value = answer.outputs.find((m) => m.header.msg_type === "execute_result")?.content.data["text/plain"];
  return foreign && value === undefined ? stripVTControlCharacters(printed(answer)).trim() : value;
}

/** The types of a cell's broadcast messages, status left out. */
export function types({ outputs }: Answer): string[] {
  return outputs.map((m) => m.header.msg_type).filter((type) => type !== "status");
}

/** The reply of a cell that failed. */
export const failed = ({ reply }: Answer) => reply.content as { status: string; ename: string; evalue: string; traceback: string[] };

/** Whether a process is there and not just waiting to be buried. */
export function lives(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
