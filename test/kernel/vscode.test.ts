import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { type Kernel, KernelMessage, ServerConnection } from "@jupyterlab/services";
import { KernelConnection } from "@jupyterlab/services/lib/kernel/default.js";
import { afterEach, expect, test } from "vitest";
import * as zmq from "zeromq";
import { type Connection, decode, encode, endpoint } from "../../kernel/wire/messages.js";
import { Outbox } from "../../kernel/wire/outbox.js";
import { KernelClient } from "./client.js";

/**
 * The kernel as VS Code drives it: with `@jupyterlab/services`, which is given a "WebSocket" that speaks ZeroMQ itself, without a server;
 * with kernel_info asked on shell and control at once; and with interrupts on shell (microsoft/vscode-jupyter, src/kernels/raw/session).
 */

type Wire = KernelMessage.IMessage;

/** In place of a WebSocket: sends and receives the library's messages as they are. */
function rawSocket(connection: Connection, problems: unknown[]) {
  return class RawSocket {
    readonly protocol = "";
    binaryType = "";
    onopen = (_event: object) => {};
    onmessage = (_event: { data: Wire }) => {};
    private readonly sockets: Record<string, zmq.Dealer | zmq.Subscriber>;
    private readonly outboxes: Record<string, Outbox>;

    constructor() {
      const dealer = () => new zmq.Dealer({ linger: 0, routingId });
      const routingId = randomUUID();
      const dealers = { shell: dealer(), control: dealer(), stdin: dealer() };
      const iopub = new zmq.Subscriber({ linger: 0, receiveHighWaterMark: 0 });
      iopub.subscribe();
      this.sockets = { ...dealers, iopub };
      this.outboxes = Object.fromEntries(Object.entries(dealers).map(([channel, socket]) => [channel, new Outbox(socket)]));
      for (const channel of ["iopub", "shell", "control", "stdin"] as const) {
        this.sockets[channel]!.connect(endpoint(connection, channel));
        void this.listen(channel);
      }
      setImmediate(() => this.onopen({}));
    }

    private async listen(channel: string): Promise<void> {
      for await (const frames of this.sockets[channel]!) {
        const { header, parentHeader, metadata, content, buffers } = decode(connection, frames);
        try {
          this.onmessage({ data: { channel, header, parent_header: parentHeader, metadata, content, buffers } as unknown as Wire });
        } catch (error) {
          problems.push(error); // the library checks the fields of every message
        }
      }
    }

    send({ channel, header, parent_header, metadata, content, buffers }: Wire): void {
      const message = { header, parentHeader: parent_header, metadata, content, buffers } as unknown as Parameters<typeof encode>[1];
      this.outboxes[channel]!.post(encode(connection, message));
    }

    close(): void {
      for (const socket of Object.values(this.sockets)) socket.close();
    }
  };
}

const started: { kernel: KernelClient; connection: KernelConnection; problems: unknown[] }[] = [];

/** Starts a kernel and connects at once, whether it listens already or not. */
async function open(clientId: string = randomUUID()): Promise<KernelConnection> {
  const kernel = new KernelClient();
  await kernel.spawn();
  const problems: unknown[] = [];
  const as = <T>(data: unknown) => data as T;
  const serverSettings = ServerConnection.makeSettings({
    WebSocket: as(rawSocket(kernel.connection, problems)),
    wsUrl: "ws://raw",
    serializer: { serialize: as, deserialize: as },
  });
  const connection = new KernelConnection({ serverSettings, clientId, username: "reader", model: { name: "erpo", id: randomUUID() } });
  started.push({ kernel, connection, problems });
  while (connection.connectionStatus !== "connected") await new Promise(setImmediate); // which says nothing of the kernel
  await ready(connection);
  return connection;
}

/** Asks for kernel_info on both channels, every half second until shell's is answered and iopub is heard, its end too: what is broadcast before that is lost. */
async function ready(connection: KernelConnection): Promise<void> {
  let heard = false;
  let answered = false;
  connection.iopubMessage.connect(() => {
    heard = true;
  });
  const answer = () => {
    answered = true;
  };
  while (!heard || !answered) {
    const pause = sleep(500);
    const control = send(connection, "control", "kernel_info_request").catch(() => {});
    const shell = connection.requestKernelInfo().then(answer, () => {}); // settles behind its `idle`
    await Promise.race([pause, Promise.all([control, shell])]);
  }
}

afterEach(async () => {
  for (const { kernel, connection, problems } of started.splice(0)) {
    expect(problems).toEqual([]);
    connection.dispose();
    expect(await kernel.stop()).toBe(0);
  }
});

/** Runs a cell; its reply, and the types and texts of what it showed, in order. */
async function run(connection: KernelConnection, code: string, onInput?: (prompt: string) => string) {
  const future = connection.requestExecute({ code, allow_stdin: true, stop_on_error: true });
  const shown: string[] = [];
  future.onIOPub = ({ header, content }) => {
    const { text, data, execution_state } = content as { text?: string; data?: Record<string, string>; execution_state?: string };
    shown.push([header.msg_type, text ?? data?.["text/plain"] ?? execution_state].filter(Boolean).join(" "));
  };
  future.onStdin = (message) => {
    if (!KernelMessage.isInputRequestMsg(message)) return;
    connection.sendInputReply({ status: "ok", value: onInput!(message.content.prompt) }, message.header);
  };
  const { content } = await future.done;
  return { content: content as KernelMessage.IReplyErrorContent & { execution_count: number }, shown };
}

/** Asks for something in a message that the library itself would send elsewhere or not at all. */
function send(connection: KernelConnection, channel: "shell" | "control", msgType: string): Promise<KernelMessage.IMessage> {
  const { username, clientId: session } = connection;
  const options = { msgType, channel, username, session, content: {} } as unknown as KernelMessage.IOptions<KernelMessage.IInfoRequestMsg>;
  const message = KernelMessage.createMessage(options);
  if (channel === "shell") return connection.sendShellMessage(message, true, true).done;
  return connection.sendControlMessage(message as unknown as KernelMessage.IDebugRequestMsg, true, true).done;
}

test("what is asked at once after kernel_info, before the first cell, is answered in order, but for what need not wait", async () => {
  const connection = await open();
  const order: string[] = [];
  const answered = async <T>(name: string, answer: Promise<T>) => {
    const value = await answer;
    order.push(name);
    return value;
  };
  const [history, comms, first, completion, second] = await Promise.all([
    answered(
      "history",
      connection.requestHistory({ hist_access_type: "tail", n: 5, output: false, raw: true, session: 0, start: 0, stop: 0 } as never),
    ),
    answered("comms", connection.requestCommInfo({ target_name: "jupyter.widget" })),
    answered("first", run(connection, "const amount: number = 20; console.log('on')")),
    answered("completion", connection.requestComplete({ code: "amou", cursor_pos: 4 })),
    answered("second", run(connection, "amount + 1")),
  ]);
  expect(order.filter((name) => name !== "completion")).toEqual(["history", "comms", "first", "second"]);
  expect(await connection.info).toMatchObject({ protocol_version: "5.5", language_info: { name: "typescript" } });
  expect(history.content).toMatchObject({ status: "ok", history: [] });
  expect(comms.content).toEqual({ status: "ok", comms: {} });
  expect([...new Set(first.shown)]).toEqual(["status busy", "execute_input", "stream on\n", "status idle"]); // busy again behind the completion
  expect(completion.content).toMatchObject({ status: "ok" }); // it passes a cell that has not begun within 50 ms, whose names it then does not know
  const behind = await connection.requestComplete({ code: "amou", cursor_pos: 4 });
  expect((behind.content as { matches: string[] }).matches).toContain("amount");
  expect([...new Set(second.shown)]).toEqual(["status busy", "execute_input", "execute_result 21", "status idle"]);
});

test("the stop button, which asks on shell, stops the cell that runs and aborts those that wait", async () => {
  const connection = await open();
  await run(connection, "let state = 'kept';");
  const looping = connection.requestExecute({ code: "console.log('on'); while (true) {}", stop_on_error: true });
  const waiting = connection.requestExecute({ code: "state = 'changed'" });
  await new Promise<void>((resolve) => {
    looping.onIOPub = ({ header }) => {
      if (header.msg_type === "stream") resolve();
    };
  });
  expect((await send(connection, "shell", "interrupt_request")).content).toEqual({ status: "ok" });
  expect((await looping.done).content).toMatchObject({ status: "error", ename: "KeyboardInterrupt" });
  expect((await waiting.done).content.status).toBe("aborted");
  expect((await run(connection, "state")).shown).toContain("execute_result 'kept'");
});

test("a question is asked in the editor and answered", async () => {
  const connection = await open();
  const { shown } = await run(connection, "await prompt('name?')", (prompt) => `${prompt} me`);
  expect(shown).toContain("execute_result 'name? me'");
});

test("a widget's comm, and documentation on hover", async () => {
  const connection = await open();
  await run(
    connection,
    "import { comms } from 'erpo'; comms.registerTarget('echo', (comm) => { comm.onMsg = (msg) => comm.send({ back: msg.content.data }); });",
  );
  const comm = connection.createComm("echo");
  const back = new Promise((resolve) => {
    comm.onMsg = (message) => resolve(message.content.data);
  });
  comm.open();
  comm.send({ n: 1 });
  expect(await back).toEqual({ back: { n: 1 } });
  const hover = await connection.requestInspect({ code: "parseInt", cursor_pos: 3, detail_level: 0 });
  expect((hover.content as { data: Record<string, string> }).data["text/markdown"]).toContain("Converts a string to an integer");
});

test("`widget()` opens its comm with module and state, takes the page's change and answers what its state is", async () => {
  const connection = await open();
  const opened = new Promise<{ comm: Kernel.IComm; message: KernelMessage.ICommOpenMsg }>((resolve) => {
    connection.registerCommTarget("jupyter.widget", (comm, message) => resolve({ comm, message }));
  });
  const cell =
    "import { widget } from 'erpo'; const slider = widget({ esm: 'export default {}', state: { beta: 0.1, bytes: new Uint8Array([7]) } }); slider";
  const { shown } = await run(connection, cell);
  const { comm, message } = await opened;
  expect(shown).toContainEqual(expect.stringContaining("execute_result A widget"));
  expect(message.content.data).toMatchObject({ state: { _model_module: "anywidget", beta: 0.1 }, buffer_paths: [["bytes"]] });
  expect(message.buffers!.map((bytes) => [...new Uint8Array(bytes as ArrayBuffer)])).toEqual([[7]]);
  const answers: unknown[] = [];
  comm.onMsg = ({ content }) => void answers.push(content.data);
  await comm.send({ method: "update", state: { beta: 0.5 }, buffer_paths: [] }).done;
  await comm.send({ method: "request_state" }).done;
  expect(answers).toMatchObject([{ method: "echo_update", state: { beta: 0.5 } }, { method: "update", state: { beta: 0.5 } }]); // biome-ignore format: one thought
  expect((await run(connection, "slider.get('beta')")).shown).toContain("execute_result 0.5");
});

test("a cell is debugged in the order in which VS Code asks, and the Python cells that it runs beside leave the session as it was", async () => {
  const connection = await open();
  const events: { event: string; body: unknown }[] = [];
  connection.iopubMessage.connect((_, message) => {
    if (KernelMessage.isDebugEventMsg(message)) events.push(message.content as never);
  });
  let seq = 0;
  const ask = async (command: string, args: object = {}) => {
    const { content } = await connection.requestDebug({ seq: ++seq, type: "request", command, arguments: args }, true).done;
    expect(content).toMatchObject({ type: "response", command, request_seq: seq, success: true });
    return content.body;
  };
  const hidden = (code: string) => connection.requestExecute({ code, store_history: false, stop_on_error: false }).done;
  await run(connection, "const factor = 3;");

  expect((await hidden("import builtins\nimport ipykernel\nbuiltins.print(ipykernel.__version__)")).content.status).toBe("error");
  await ask("initialize", { clientID: "vscode", adapterID: "Python Kernel Debug Adapter", linesStartAt1: true, columnsStartAt1: true });
  expect((await ask("debugInfo")).stoppedThreads).toEqual([]);
  await ask("attach", { type: "Python Kernel Debug Adapter", request: "attach", justMyCode: true, __mode: "cell", __cellIndex: 1 });
  const code = "let sum = 0;\nfor (let i = 1; i <= 2; i++)\n  sum += factor * i;\nsum";
  const { sourcePath: path } = await ask("dumpCell", { code });
  await ask("setBreakpoints", { source: { name: "cell", path }, lines: [3], breakpoints: [{ line: 3 }], sourceModified: false });
  expect((await hidden("import debugpy\ndebugpy.debug_this_thread()")).content.status).toBe("error");
  await ask("configurationDone");
  const running = run(connection, code);
  while (!events.some(({ event }) => event === "stopped")) await sleep(20);

  expect((await ask("threads")).threads).toMatchObject([{ id: 1 }]);
  const [frame] = (await ask("stackTrace", { threadId: 1, startFrame: 0, levels: 1 })).stackFrames;
  expect(frame).toMatchObject({ line: 3, source: { path } });
  const { scopes } = await ask("scopes", { frameId: frame.id });
  const { variables } = await ask("variables", { variablesReference: scopes[0].variablesReference });
  expect(variables).toContainEqual(expect.objectContaining({ name: "i", value: "1" }));
  await ask("setBreakpoints", { source: { name: "cell", path }, lines: [], breakpoints: [] });
  await ask("continue", { threadId: 1 });
  expect((await running).shown).toContain("execute_result 9");
  await ask("disconnect", { restart: false });
  expect((await run(connection, "factor + sum")).shown).toContain("execute_result 12");
});

test("a restart is another process for the same client, which knows nothing of the first", async () => {
  const clientId = randomUUID();
  const first = await open(clientId);
  await run(first, "const before = 1;");
  await send(first, "control", "shutdown_request");
  const { content } = await run(await open(clientId), "before");
  expect(content).toMatchObject({ status: "error", ename: "TypeCheckError", execution_count: 1 });
});
