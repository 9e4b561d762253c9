import { describe, expect, test } from "vitest";
import { type Context, createContext, currentContext, enterContext, within } from "../../kernel/session/context.js";
import { Dispatcher, type Receivers } from "../../kernel/session/dispatcher.js";
import { KeyboardInterrupt } from "../../kernel/session/interrupt.js";
import { LateErrors } from "../../kernel/session/late-errors.js";
import { createState, type Request, State } from "../../kernel/wire/bridge.js";
import { createHeader } from "../../kernel/wire/messages.js";

/** A dispatcher between fakes; `log` is what they were asked and what was posted, in order. */
function createScene() {
  const log: string[] = [];
  const state = createState();
  let end = (_: { failed: boolean }) => {};
  const executor = {
    running: false,
    interrupt() {
      log.push("stop");
      return this.running;
    },
    stopBeside: async () => void log.push("stop beside"),
    absorb: async () => void log.push("absorb"),
  };
  const to: Receivers = {
    session: {
      execute() {
        log.push("execute");
        executor.running = true;
        return new Promise((resolve) => {
          end = ({ failed }) => {
            executor.running = false;
            resolve({ content: { status: failed ? "error" : "ok" }, failed });
          };
        });
      },
      history({ hist_access_type }) {
        if (hist_access_type === "unknown") throw new RangeError("no such history");
        return { history: [] };
      },
    },
    comms: { receive: async ({ header }) => void log.push(header.msg_type), info: () => ({ comms: {} }) },
    executor,
    questions: { receive: (value) => void log.push(`answer ${value}`) },
    exit: () => void log.push("exit"),
  };
  const dispatcher = new Dispatcher(to, state, (message) => {
    if (message.type !== "reply") log.push(message.type);
    else log.push(`${message.replyType} ${message.id} ${message.content?.status ?? Object.keys(message.content ?? {})} ${message.failed}`);
  });
  const request = (id: number, type: string, content = {}) => {
    const request: Request = { header: createHeader(type, "s"), content, metadata: {}, buffers: [] };
    dispatcher.receive({ type: "request", id, request });
    return settle();
  };
  const interrupt = (id: number | undefined) => {
    Atomics.store(state, State.Interrupt, 1); // as the protocol's thread does
    dispatcher.receive({ type: "interrupt", id });
    return settle();
  };
  const ends = (outcome: { failed: boolean }) => {
    end(outcome);
    return settle();
  };
  return { dispatcher, log, state, request, interrupt, ends };
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

describe("requests", () => {
  test("each is answered under its own type, after what was terminated is over", async () => {
    const { log, request } = createScene();
    for (const [id, type] of ["history", "comm_info"].entries()) await request(id, `${type}_request`);
    expect(log).toEqual(["absorb", "history_reply 0 history false", "absorb", "comm_info_reply 1 comms false"]);
  });

  test("a comm's message is answered without content", async () => {
    const { log, request } = createScene();
    await request(4, "comm_msg");
    expect(log).toEqual(["absorb", "comm_msg", "comm_msg 4  false"]);
  });

  test("what goes wrong in the kernel is a reply", async () => {
    const { log, request } = createScene();
    await request(5, "history_request", { hist_access_type: "unknown" });
    expect(log).toEqual(["absorb", "history_reply 5 error false"]);
  });

  test("a cell that fails says so", async () => {
    const { log, request, ends } = createScene();
    await request(6, "execute_request");
    await ends({ failed: true });
    expect(log).toEqual(["absorb", "execute", "execute_reply 6 error true"]);
  });
});

describe("interrupts", () => {
  test("the running cell is stopped, and settled before its reply", async () => {
    const { log, state, request, interrupt, ends } = createScene();
    await request(1, "execute_request");
    await interrupt(1);
    await interrupt(1);
    expect(Atomics.load(state, State.Interrupt)).toBe(1);
    await ends({ failed: true });
    expect(log).toEqual(["absorb", "execute", "pong", "stop", "pong", "stop", "settled", "execute_reply 1 error true"]);
    expect(Atomics.load(state, State.Interrupt)).toBe(0);
  });

  test("a comm's message that comes meanwhile settles nothing", async () => {
    const { log, state, request, interrupt, ends } = createScene();
    await request(1, "execute_request");
    await interrupt(1);
    await request(2, "comm_msg");
    expect(Atomics.load(state, State.Interrupt)).toBe(1);
    await ends({ failed: true });
    expect(log.filter((word) => word === "settled")).toEqual(["settled"]);
    expect(log.slice(-2)).toEqual(["settled", "execute_reply 1 error true"]);
  });

  test.each([1, undefined])("one that was meant for %s does not stop the cell that has begun since", async (id) => {
    const { log, state, request, interrupt, ends } = createScene();
    await request(1, "execute_request");
    await ends({ failed: false });
    await request(2, "execute_request");
    log.splice(0);
    await interrupt(id);
    expect(log).toEqual(["pong", "settled"]);
    expect(Atomics.load(state, State.Interrupt)).toBe(0); // or the type checker would stop
  });

  test("where no cell runs, it stops what runs beside cells", async () => {
    const { log, state, interrupt } = createScene();
    await interrupt(undefined);
    expect(log).toEqual(["pong", "stop", "stop beside", "settled"]);
    expect(Atomics.load(state, State.Interrupt)).toBe(0);
  });
});

test("an answer goes to the question, and a shutdown ends the process once nothing is being terminated", async () => {
  const { dispatcher, log } = createScene();
  dispatcher.receive({ type: "input", value: "yes" });
  dispatcher.receive({ type: "shutdown" });
  await settle();
  expect(log).toEqual(["answer yes", "absorb", "exit"]);
});

describe("errors that nobody caught", () => {
  const told: [sender: string | undefined, text: string][] = [];
  const late = new LateErrors((text) => void told.push([currentContext()?.parent.session, text]));
  const cell = (name: string): Context => createContext(createHeader("execute_request", name));
  const [first, second] = [cell("first"), cell("second")];
  const begin = (label: string, context: Context) => {
    late.begin(label, context);
    enterContext(context);
  };
  const from = (...labels: string[]) =>
    Object.assign(new Error("late"), {
      stack: ["Error: late", ...labels.map((label) => `    at f (Cell ${label}, line 1, column 1)`)].join("\n"),
    });

  test("are told in the cell that its code runs for, or the one that stands outermost in the traceback, or the last", () => {
    begin("In[1]", first);
    begin("In[2]", second);
    within(first, () => late.report(from("In[2]")));
    late.report(from("In[2]", "In[1]")); // a function of the second that the first has called
    late.report("text");
    expect(told.map(([sender]) => sender)).toEqual(["first", "first", "second"]);
    expect(told.at(-1)![1]).toBe("Uncaught (in the background)\nUncaught 'text'");
  });

  test("are none where the reader pressed stop", () => {
    told.splice(0);
    late.report(new KeyboardInterrupt());
    expect(told).toEqual([]);
  });
});
