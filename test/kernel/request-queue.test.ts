import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createHeader, type Message } from "../../kernel/wire/messages.js";
import { type Job, RequestQueue, type Step } from "../../kernel/wire/request-queue.js";

/** A queue whose requests are known by names; its steps are written as words. */
function createScript() {
  const queue = new RequestQueue();
  const jobs = new Map<string, Job>();
  const passed = new Map<string, string[]>(); // which cells come before what was asked or prepared last
  const words = (steps: readonly Step[]) =>
    steps.map(({ do: what, job, before }) => {
      jobs.set(job.message.header.msg_id, job);
      if (before)
        passed.set(
          job.message.header.msg_id,
          before.map(({ message }) => message.header.msg_id),
        );
      return `${what} ${job.message.header.msg_id}`;
    });
  const arrive = (channel: Job["channel"], name: string, type: string, content: Message["content"] = {}) => {
    const header = { ...createHeader(`${type}_request`.replace(/^(comm_(?:open|msg|close))_request$/, "$1"), "client"), msg_id: name };
    return words(queue.arrived(channel, { identities: [], header, parentHeader: {}, metadata: {}, content, buffers: [] }));
  };
  return {
    comm: (name: string, type: string, comm_id: string) => arrive("shell", name, type, { comm_id }),
    shell: (name: string, type = "execute") => arrive("shell", name, type),
    own: (name: string) => {
      const header = { ...createHeader("execute_request", "kernel"), msg_id: name };
      return words(queue.ownCell({ identities: [], header, parentHeader: {}, metadata: {}, content: {}, buffers: [] }));
    },
    control: (name: string, type: string) => arrive("control", name, type),
    ends: (name: string) => words(queue.finished(jobs.get(name)!.id, { failed: false })),
    fails: (name: string) => words(queue.finished(jobs.get(name)!.id, { failed: true })),
    overdue: (name: string) => words(queue.overdue(jobs.get(name)!)),
    passed: (name: string) => passed.get(name),
    running: () => queue.running?.message.header.msg_id,
  };
}

describe("sequences by hand", () => {
  test("one after the other", () => {
    const { shell, ends, running } = createScript();
    expect(shell("a")).toEqual(["busy a", "forward a"]);
    expect(shell("b")).toEqual(["remind b"]);
    expect(running()).toBe("a");
    expect(ends("a")).toEqual(["reply a", "idle a", "busy b", "forward b"]);
    expect(ends("b")).toEqual(["reply b", "idle b"]);
    expect(running()).toBeUndefined();
  });

  test("a failure aborts clients' cells and not the kernel's own", () => {
    const { shell, own, fails } = createScript();
    shell("a");
    shell("b");
    expect(own("mine")).toEqual([]);
    expect(fails("a")).toEqual(["reply a", "idle a", "busy b", "abort b", "idle b", "busy mine", "forward mine"]);
  });

  test("the cell that comes next is prepared while another takes its time", () => {
    const { shell, ends, overdue } = createScript();
    shell("a");
    expect(shell("b")).toEqual(["remind b"]);
    expect(shell("c")).toEqual([]);
    expect(overdue("b")).toEqual(["prepare b"]);
    expect(ends("a")).toEqual(["reply a", "idle a", "busy b", "forward b", "remind c"]);
    expect(overdue("b")).toEqual([]); // it has begun
    expect(overdue("c")).toEqual(["prepare c"]);
    expect(ends("b")).toEqual(["reply b", "idle b", "busy c", "forward c"]);
    shell("comm", "comm_info");
    shell("d");
    ends("c");
    expect(overdue("d")).toEqual([]); // no cell runs
  });

  test("what needs no main thread keeps its turn on shell, and is answered at once on control", () => {
    const { shell, control, ends } = createScript();
    shell("a");
    expect(shell("info", "kernel_info")).toEqual([]);
    expect(shell("unknown", "no_such")).toEqual([]);
    expect(control("now", "kernel_info")).toEqual(["busy now", "answer now", "idle now", "resume a"]);
    const answered = ["busy info", "answer info", "idle info", "busy unknown", "answer unknown", "idle unknown"];
    expect(ends("a")).toEqual(["reply a", "idle a", ...answered]);
  });

  test("nothing on control goes to the main thread", () => {
    expect(createScript().control("a", "execute")).toEqual(["busy a", "answer a", "idle a"]);
  });

  test("a failure aborts the cells that wait, and nothing else", () => {
    const { shell, fails, ends } = createScript();
    shell("a");
    shell("b");
    shell("completion", "complete");
    shell("c");
    const aborted = ["busy b", "abort b", "idle b", "busy c", "abort c", "idle c"];
    expect(fails("a")).toEqual(["reply a", "idle a", ...aborted, "busy completion", "ask completion"]);
    expect(shell("d")).toEqual(["busy d", "forward d"]); // sent after the failure: it is not its victim
    expect(ends("completion")).toEqual(["reply completion", "idle completion", "resume d"]);
  });

  test("an interrupt passes everything, and what it stops has begun", () => {
    const { shell, control, ends, running } = createScript();
    expect(shell("stop", "interrupt")).toEqual(["busy stop", "answer stop", "idle stop"]);
    expect(running()).toBeUndefined();
    shell("a");
    shell("b");
    expect(shell("again", "interrupt")).toEqual(["busy again", "answer again", "idle again", "resume a"]);
    expect(running()).toBe("a");
    ends("a");
    expect(control("third", "interrupt")).toEqual(["busy third", "answer third", "idle third", "resume b"]);
    expect(running()).toBe("b");
  });

  test("a comm's message reaches the cell that awaits it, unless something stands before it", () => {
    const { shell, ends, running } = createScript();
    shell("a");
    expect(shell("opening", "comm_open")).toEqual([]);
    expect(shell("late", "comm_msg")).toEqual([]); // its comm is the one that is being opened
    ends("a");
    expect(ends("opening")).toEqual(["reply opening", "idle opening", "busy late", "forward late"]);
    ends("late");
    shell("b");
    expect(shell("early", "comm_msg")).toEqual(["busy early", "forward early"]);
    expect(shell("closing", "comm_close")).toEqual(["busy closing", "forward closing"]);
    expect(running()).toBe("b");
    expect(ends("early")).toEqual(["reply early", "idle early", "resume b"]);
    expect(ends("b")).toEqual(["reply b", "idle b"]);
    expect(ends("closing")).toEqual(["reply closing", "idle closing"]);
  });

  test("a comm's message reaches the cell that awaits it, whichever cells wait behind that one", () => {
    const { shell, comm, ends } = createScript();
    shell("a");
    shell("b");
    expect(comm("opening", "comm_open", "x")).toEqual([]);
    expect(comm("other", "comm_msg", "y")).toEqual(["busy other", "forward other"]);
    expect(comm("same", "comm_msg", "x")).toEqual([]);
    expect(comm("closing", "comm_close", "x")).toEqual([]);
    expect(ends("other")).toEqual(["reply other", "idle other", "resume a"]);
    ends("a");
    expect(ends("b")).toEqual(["reply b", "idle b", "busy opening", "forward opening"]);
    expect(ends("opening")).toEqual(["reply opening", "idle opening", "busy same", "forward same"]);
  });

  test("a question about code keeps its turn behind a cell that ends soon, and passes one that does not", () => {
    const { shell, ends, overdue, running } = createScript();
    expect(shell("first", "inspect")).toEqual(["busy first", "ask first"]);
    expect(running()).toBeUndefined();
    shell("a");
    expect(shell("soon", "complete")).toEqual(["remind soon"]);
    expect(ends("a")).toEqual(["reply a", "idle a", "busy soon", "ask soon"]);
    expect(overdue("soon")).toEqual([]);
    shell("long");
    shell("next");
    expect(shell("late", "is_complete")).toEqual(["remind late"]);
    expect(overdue("late")).toEqual(["busy late", "ask late"]);
    expect(ends("late")).toEqual(["reply late", "idle late", "resume long"]);
    expect(running()).toBe("long");
    expect(ends("long")).toEqual(["reply long", "idle long", "busy next", "forward next"]);
  });

  test("a question comes with the cells that it passes, the next cell with the one that runs", () => {
    const { shell, own, fails, overdue, passed } = createScript();
    shell("first", "inspect");
    expect(passed("first")).toEqual([]);
    shell("a");
    shell("b");
    shell("info", "comm_info");
    own("mine");
    shell("late", "complete");
    shell("c");
    overdue("late");
    expect(passed("late")).toEqual(["a", "b", "mine"]);
    overdue("b");
    expect(passed("b")).toEqual(["a"]);
    shell("later", "complete");
    fails("a");
    overdue("later");
    expect(passed("later")).toEqual(["mine"]);
  });

  test("a shutdown on shell waits a while, on control it does not", () => {
    const { shell, control, ends, overdue } = createScript();
    shell("a");
    expect(shell("end", "shutdown")).toEqual(["remind end"]);
    expect(overdue("end")).toEqual(["busy end", "answer end", "idle end"]);
    expect(ends("a")).toEqual(["reply a", "idle a"]); // and is not answered again
    shell("b");
    shell("second", "shutdown");
    ends("b");
    expect(overdue("second")).toEqual([]); // it had its turn
    expect(control("third", "shutdown")).toEqual(["busy third", "answer third", "idle third"]);
  });

  test("a reply to nothing is dropped", () => {
    const { shell, ends } = createScript();
    shell("a");
    ends("a");
    expect(ends("a")).toEqual([]);
  });
});

/** What clients and the main thread may do; `pick` chooses among the requests that it can be done to. */
const event = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("shell" as const), type: fc.constantFrom("execute", "execute", "complete") }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom("shell" as const, "control" as const),
      type: fc.constantFrom("kernel_info", "interrupt", "shutdown", "comm_open", "comm_msg", "comm_close", "no_such"),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom("ends" as const, "fails" as const, "overdue" as const), pick: fc.nat() }) },
);

/** The words of one request, in order, whatever stands between them. */
const LIVES = ["busy answer idle", "busy ask reply idle", "busy forward reply idle", "busy abort idle"];

test("whatever comes in whatever order: one reply for each, in turn; what was aborted never runs; what is stopped runs", () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), (events) => {
      const script = createScript();
      const types = new Map<string, string>(); // in the order of arrival
      const log: string[] = [];
      const reminded: string[] = [];
      const did = (what: string) => log.filter((word) => word.startsWith(`${what} `)).map((word) => word.slice(what.length + 1));
      const handed = () => [...did("forward"), ...did("ask")].filter((name) => !did("reply").includes(name));
      const begun = () => new Set(did("busy"));

      const take = (steps: string[]) => {
        for (const word of steps) {
          if (word.startsWith("resume ")) expect(word).toBe(`resume ${script.running()}`);
          else if (word.startsWith("prepare ")) expect(begun()).not.toContain(word.slice("prepare ".length));
          else if (word.startsWith("remind ")) reminded.push(word.slice("remind ".length));
          else log.push(word);
        }
        const running = script.running();
        if (running !== undefined) expect(handed()).toContain(running); // an interrupt finds what has begun and is not over
      };
      const finish = (name: string, how: "ends" | "fails") => {
        const inTurn = script.running() === name;
        const waiting = [...types].filter(([other, type]) => type === "execute" && !begun().has(other)).map(([other]) => other);
        const steps = script[how](name);
        expect(steps.slice(0, 2)).toEqual([`reply ${name}`, `idle ${name}`]);
        take(steps);
        const aborted = waiting.filter((other) => log.includes(`abort ${other}`));
        if (how === "fails") expect(aborted).toEqual(inTurn ? waiting : []);
        else expect(aborted).toEqual([]);
      };

      for (const [i, given] of events.entries()) {
        const name = `r${i}`;
        if ("type" in given) {
          types.set(name, given.type);
          const steps = script[given.kind](name, given.type);
          if (given.kind === "control" || given.type === "interrupt")
            expect(steps.slice(0, 3)).toEqual([`busy ${name}`, `answer ${name}`, `idle ${name}`]);
          take(steps);
        } else {
          const open = given.kind === "overdue" ? reminded : handed();
          const chosen = open[given.pick % open.length];
          if (chosen === undefined) continue;
          if (given.kind === "overdue") take(script.overdue(chosen));
          else finish(chosen, given.kind);
        }
      }
      for (let open = handed(); open.length; open = handed()) finish(open[0]!, "ends");

      for (const name of types.keys()) {
        const life = log.filter((word) => word.endsWith(` ${name}`)).map((word) => word.split(" ")[0]);
        expect(LIVES).toContain(life.join(" "));
      }
      const arrival = [...types.keys()];
      const inOrder = (names: string[]) => expect(names).toEqual(arrival.filter((name) => names.includes(name)));
      const turns = did("forward").filter((name) => !/^comm_(msg|close)$/.test(types.get(name)!));
      inOrder(turns);
      inOrder(did("abort"));
      const alternating = log.filter((word) => /^(busy|idle) /.test(word) && turns.includes(word.split(" ")[1]!));
      expect(alternating).toEqual(turns.flatMap((name) => [`busy ${name}`, `idle ${name}`]));
    }),
    { numRuns: 500 },
  );
});
