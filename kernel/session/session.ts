import { comms } from "../../src/frontend/comms.js";
import type { Shown } from "../../src/frontend/frontend.js";
import { type TypeCheck, typeCheckLevels } from "../../src/frontend/type-check.js";
import { historyDir } from "../../src/setup/paths.js";
import { complete, inspectAt, isComplete } from "../language/assist.js";
import { createLanguage } from "../language/language.js";
import { createRuntime } from "../language/runtime.js";
import { installStackTraces } from "../language/stack.js";
import { type Request, State, type ToMain } from "../wire/bridge.js";
import { type Context, createContext, currentContext, isLate, resetContext, shareState, throwerOf, within } from "./context.js";
import { describeThrown } from "./errors.js";
import { type Executed, Executor, separately } from "./execute.js";
import { History, type HistoryRequest } from "./history.js";
import { captureInherited, showInherited } from "./inherited.js";
import { Questions } from "./input.js";
import { KeyboardInterrupt, Waits } from "./interrupt.js";
import { installListeners } from "./listeners.js";
import { captureStreams, connectFrontend, type Post, publish, warn } from "./outputs.js";
import { installRejections } from "./rejections.js";
import { installTimers } from "./timers.js";
import { connectTslab } from "./tslab.js";

/** The side of the kernel that runs cells. */
export interface Session {
  receive(message: ToMain): void;
}

/** The reply to a user expression. */
function asExpression(shown: Shown = { data: { "text/plain": "undefined" }, metadata: {} }): Record<string, unknown> {
  try {
    return { status: "ok", ...(JSON.parse(JSON.stringify(shown)) as Shown) };
  } catch (thrown) {
    return { status: "error", ...describeThrown(thrown) };
  }
}

/** How tracebacks name what has no number of its own: the number is an earlier cell's. */
const UNNUMBERED = "In[ ]";

/** `%%time` in the first line, as a comment of the same length. */
const withoutMagic = (code: unknown): string => String(code ?? "").replace(/^%%(?=time[^\S\n]*(?:\n|$))/, "//");

const beforeImport = (specifier: string): void => {
  if (/^tslab($|\/)/.test(specifier)) connectTslab();
};

/**
 * Starts the session of this process.
 * @param folder the notebook's folder
 * @param state shared with the protocol's thread
 */
export function createSession(folder: string, state: Int32Array, post: Post): Session {
  shareState(state);
  const waits = new Waits();
  const language = createLanguage(folder, () => Atomics.load(state, State.Interrupt) === 1);
  const executor = new Executor(language, createRuntime(folder, waits, beforeImport), waits, state);
  const level = process.env.ERPO_TYPE_CHECK as TypeCheck | undefined;
  if (level && typeCheckLevels.includes(level)) executor.typeCheck = level;
  const questions = new Questions(post);
  const history = new History(historyDir());
  const contexts = new Map<string, Context>(); // the last of each cell's label
  let count = 0;
  let executing: number | undefined; // the execute request that was begun last

  installStackTraces();
  installTimers(reportLate);
  installListeners();
  captureStreams(post);
  captureInherited();
  connectFrontend(post, state, {
    input: (prompt, password) => questions.ask(prompt, password),
    typeCheck: (level) => {
      executor.typeCheck = level;
    },
  });
  Object.assign(globalThis, {
    prompt: async (question = "", options: { password?: boolean } = {}) => questions.ask(question, options.password ?? false),
    confirm: async (question = "") => /^\s*y(es)?\s*$/i.test(await questions.ask(`${question} [y/N] `, false)),
  });
  installRejections();
  process.on("unhandledRejection", reportLate);
  process.on("uncaughtException", (thrown) => within(throwerOf(thrown), () => reportLate(thrown)));
  language.compile("1", () => false); // reads the standard library's types, before anybody waits for them
  const warmUp = setTimeout(() => {
    if (executor.running) warmUp.refresh();
    else complete(language, "a", 1); // the first completion takes longer than frontends wait for one
  }, 1000).unref();

  /** Something went wrong outside of any cell's await: it is told in the cell that it comes from, and the session goes on. */
  function reportLate(thrown: unknown): void {
    if (thrown instanceof KeyboardInterrupt) return;
    const traceback = describeThrown(thrown).traceback.join("\n");
    const cell = /.*(In\[\d+\])/s.exec(traceback)?.[1]; // the outermost frame's
    within(isLate() ? currentContext() : contexts.get(cell ?? ""), () => warn(`Uncaught (in the background)\n${traceback}`));
  }

  async function execute({ header, content }: Request): Promise<{ content: Record<string, unknown>; failed: boolean }> {
    const silent = content.silent === true;
    const store = !silent && content.store_history !== false;
    let code = String(content.code ?? "");
    if (store) history.add(++count, code);
    const context = createContext(header, { silent, allowStdin: content.allow_stdin !== false });
    const label = store ? `In[${count}]` : UNNUMBERED;
    if (store) contexts.set(label, context);
    publish(post, context, "execute_input", { code, execution_count: count });
    const timed = code !== withoutMagic(code);
    code = withoutMagic(code);

    const started = performance.now();
    let executed: Executed = code.trim() === "" ? {} : await executor.execute(code, label, context);
    questions.reset();
    if (timed) process.stdout.write(`Wall time: ${(performance.now() - started).toFixed(1)} ms\n`);
    if ("result" in executed && executed.result) executed = showResult(context, executed.result);
    if ("error" in executed) {
      publish(post, context, "error", executed.error);
      const failed = content.stop_on_error !== false;
      return { content: { status: "error", execution_count: count, ...executed.error, payload: [], user_expressions: {} }, failed };
    }
    const user_expressions: Record<string, unknown> = {};
    for (const [name, expression] of Object.entries(content.user_expressions ?? {})) {
      const value = await executor.execute(`(${expression})`, UNNUMBERED, context, false);
      user_expressions[name] = "error" in value ? { status: "error", ...value.error } : asExpression(value.result);
    }
    return { content: { status: "ok", execution_count: count, payload: [], user_expressions }, failed: false };
  }

  /** Sends a cell's value; what cannot be sent is the cell's error. What has shown itself already leaves nothing. */
  function showResult(context: Context, result: Shown): Executed {
    try {
      if (Object.keys(result.data).length > 0) publish(post, context, "execute_result", { execution_count: count, ...result });
      return {};
    } catch (thrown) {
      return { error: describeThrown(thrown) };
    }
  }

  async function commMessage({ header, content, metadata, buffers }: Request): Promise<void> {
    const context = createContext(header);
    const event = { commId: String(content.comm_id), targetName: content.target_name, data: content.data, metadata, buffers };
    await separately(state, () =>
      within(context, () => {
        try {
          comms.receive({ type: header.msg_type as "comm_open" | "comm_msg" | "comm_close", ...event });
        } catch (thrown) {
          reportLate(thrown);
        }
      }),
    );
    if (!executor.running) await executor.absorb();
  }

  /** The content of the answer; null where the protocol has none. */
  async function handle(request: Request): Promise<{ type: string; content: Record<string, unknown> | null; failed?: boolean }> {
    const { content, header } = request;
    const type = header.msg_type.replace(/_request$/, "_reply");
    switch (header.msg_type) {
      case "execute_request":
        return { type, ...(await execute(request)) };
      case "complete_request": {
        const { matches, kinds, start, end } = complete(language, withoutMagic(content.code), content.cursor_pos);
        const typed = matches.map((text, i) => ({ text, type: kinds[i], start, end }));
        return {
          type,
          content: { status: "ok", matches, cursor_start: start, cursor_end: end, metadata: { _jupyter_types_experimental: typed } },
        };
      }
      case "inspect_request": {
        const found = inspectAt(language, withoutMagic(content.code), content.cursor_pos);
        if (!found) return { type, content: { status: "ok", found: false, data: {}, metadata: {} } };
        const { signature, documentation } = found;
        const data = {
          "text/plain": [signature, documentation].filter(Boolean).join("\n\n"),
          "text/markdown": [`\`\`\`typescript\n${signature}\n\`\`\``, documentation].filter(Boolean).join("\n\n"),
        };
        return { type, content: { status: "ok", found: true, data, metadata: {} } };
      }
      case "is_complete_request":
        return { type, content: { ...isComplete(withoutMagic(content.code)) } };
      case "history_request":
        return { type, content: { status: "ok", history: history.query(content as HistoryRequest) } };
      case "comm_info_request": {
        const open = Object.entries(comms.info()).filter(([, comm]) => !content.target_name || comm.target_name === content.target_name);
        return { type, content: { status: "ok", comms: Object.fromEntries(open) } };
      }
      default:
        await commMessage(request);
        return { type, content: null };
    }
  }

  function settled(): void {
    Atomics.store(state, State.Interrupt, 0);
    post({ type: "settled" });
  }

  function interrupt(id: number | undefined): void {
    if (executor.running && id !== executing) {
      settled(); // what was to be stopped is over, and another cell has begun
      return;
    }
    if (executor.interrupt()) return;
    void executor.absorb().then(() => {
      showInherited();
      resetContext(); // a timer's callback may have been what ran
      settled();
    });
  }

  async function respond(id: number, request: Request): Promise<void> {
    if (request.header.msg_type === "execute_request") executing = id;
    await executor.absorb(); // a callback that was terminated has not said that its code is over
    try {
      const { type, content, failed } = await handle(request);
      if (Atomics.load(state, State.Interrupt) === 1) settled();
      post({ type: "reply", id, replyType: type, content, failed: failed ?? false });
    } catch (thrown) {
      const { ename, evalue, traceback } = describeThrown(thrown);
      const type = request.header.msg_type.replace(/_request$/, "_reply");
      post({ type: "reply", id, replyType: type, content: { status: "error", ename, evalue, traceback }, failed: false });
    }
  }

  return {
    receive(message) {
      if (message.type === "request") void respond(message.id, message.request);
      else if (message.type === "input") questions.receive(message.value);
      else if (message.type === "interrupt") {
        post({ type: "pong" });
        interrupt(message.id);
      } else void executor.absorb().then(() => process.exit(0));
    },
  };
}
