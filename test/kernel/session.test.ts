import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Context } from "../../kernel/session/context.js";
import type { Executed } from "../../kernel/session/execute.js";
import { Outputs } from "../../kernel/session/outputs.js";
import { type Collaborators, Session } from "../../kernel/session/session.js";
import type { FromMain } from "../../kernel/wire/bridge.js";
import { createHeader } from "../../kernel/wire/messages.js";

const text = (shown: string) => ({ data: { "text/plain": shown }, metadata: {} });
const error = { ename: "Error", evalue: "no", traceback: ["Error: no"] };

/** A session whose cells end as `answers` says, by their code; what it does is kept. */
function createScene(answers: Record<string, Executed> = {}, changes: Partial<Collaborators> = {}) {
  const sent: [type: string, content: unknown][] = [];
  const ran: string[] = [];
  const kept: [number, string][] = [];
  const run = async (code: string, label: string): Promise<Executed> => {
    ran.push(`${label} ${code}`);
    return answers[code] ?? {};
  };
  const heard = (context: Context, type: string, content: unknown) => {
    if (!context.silent) sent.push([type, content]);
  };
  const session = new Session({
    evaluator: { execute: run, shell: (script) => run(script, "bash"), evaluate: (code, label) => run(code, `${label} value of`) },
    outputs: { publish: heard, print: heard },
    history: { add: (line, source) => kept.push([line, source]), query: () => kept },
    onCell: (label) => ran.push(`${label} begins`),
    onCellOver: () => ran.push("over"),
    now: () => 0,
    ...changes,
  });
  const execute = (code: unknown, options: object = {}) =>
    session.execute({ header: createHeader("execute_request", "s"), content: { code, ...options } });
  return { session, execute, sent, ran, kept };
}

describe("execute", () => {
  test("a cell is numbered, kept, announced and run, and its value is sent", async () => {
    const { execute, sent, ran, kept } = createScene({ "1 + 1": { result: text("2") } });
    expect(await execute("1 + 1")).toEqual({
      content: { status: "ok", execution_count: 1, payload: [], user_expressions: {} },
      failed: false,
    });
    expect(kept).toEqual([[1, "1 + 1"]]);
    expect(ran).toEqual(["In[1] begins", "In[1] 1 + 1", "over"]);
    expect(sent).toEqual([
      ["execute_input", { code: "1 + 1", execution_count: 1 }],
      ["execute_result", { execution_count: 1, ...text("2") }],
    ]);
  });

  test("an error is sent and is the reply, which aborts the cells behind it unless the request says no", async () => {
    const { execute, sent, ran } = createScene({ "throw 1": { error } });
    const options = { user_expressions: { one: "1" } };
    expect(await execute("throw 1", options)).toEqual({
      content: { status: "error", execution_count: 1, ...error, payload: [], user_expressions: {} },
      failed: true,
    });
    expect(sent.at(-1)).toEqual(["error", error]);
    expect(ran).toEqual(["In[1] begins", "In[1] throw 1", "over"]); // no expression is looked at behind an error
    expect((await execute("throw 1", { stop_on_error: false })).failed).toBe(false);
  });

  test("where running itself fails, that is the cell's error", async () => {
    const fails = async (): Promise<Executed> => {
      throw new TypeError("Promise.resolve is not a function");
    };
    const { execute, sent } = createScene({}, { evaluator: { execute: fails, shell: fails, evaluate: fails } });
    expect(await execute("1")).toMatchObject({ content: { status: "error", ename: "TypeError" }, failed: true });
    expect(sent.at(-1)).toMatchObject(["error", { evalue: "Promise.resolve is not a function" }]);
  });

  test("only what is stored is counted: the others run without a number", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ silent: fc.boolean(), store_history: fc.boolean() }, { requiredKeys: [] }), { maxLength: 8 }),
        async (requests) => {
          const { execute, ran, sent, kept } = createScene();
          let count = 0;
          for (const options of requests) {
            const stored = !options.silent && options.store_history !== false;
            if (stored) count++;
            const before = sent.length;
            expect((await execute("x", options)).content.execution_count).toBe(count);
            expect(ran.splice(0)).toEqual(stored ? [`In[${count}] begins`, `In[${count}] x`, "over"] : ["In[ ] x", "over"]);
            expect(sent.length - before).toBe(options.silent ? 0 : 1);
          }
          expect(kept).toEqual(Array.from({ length: count }, (_, i) => [i + 1, "x"]));
        },
      ),
    );
  });

  test("a script is bash's, and no TypeScript", async () => {
    const { execute, ran, kept } = createScene();
    await execute("%%bash\nls a\nls b");
    await execute("!ls a\n\n!ls b");
    expect(ran).toEqual(["In[1] begins", "bash ls a\nls b", "over", "In[2] begins", "bash ls a\nls b", "over"]);
    expect(kept).toEqual([
      [1, "%%bash\nls a\nls b"],
      [2, "!ls a\n\n!ls b"],
    ]);
  });

  test("an empty cell runs nothing, and neither does a request without code", async () => {
    const { execute, ran } = createScene();
    expect((await execute(" \n")).content).toMatchObject({ status: "ok", execution_count: 1 });
    expect((await execute(undefined)).content).toMatchObject({ status: "ok", execution_count: 2 });
    expect(ran).toEqual(["In[1] begins", "over", "In[2] begins", "over"]);
  });

  test("%%time prints how long the cell took; the reader's text is what is kept, and positions stay what they are", async () => {
    const clock = [1000, 2500];
    const { execute, sent, ran, kept } = createScene({}, { now: () => clock.shift()! });
    await execute("%%time\nf()");
    expect(ran).toContain("In[1] //time\nf()");
    expect(kept).toEqual([[1, "%%time\nf()"]]);
    expect(sent).toEqual([
      ["execute_input", { code: "%%time\nf()", execution_count: 1 }],
      ["stdout", "Wall time: 1500.0 ms\n"],
    ]);
    await execute("%%timeit\nf()");
    expect(ran).toContain("In[2] %%timeit\nf()");
    expect(sent.at(-1)![0]).toBe("execute_input");
  });

  test("what a silent cell shows and takes goes to nobody, not even to the cell before it", async () => {
    const posted: FromMain[] = [];
    const { execute } = createScene({ "//time\n1": { result: text("1") } }, { outputs: new Outputs((message) => posted.push(message)) });
    await execute("%%time\n1", { silent: true });
    expect(posted).toEqual([]);
    await execute("%%time\n1");
    const types = posted.map((message) => (message.type === "publish" ? message.msgType : message.type));
    expect(types).toEqual(["execute_input", "stream", "execute_result"]);
  });

  test("a value that has shown itself leaves nothing; one that cannot be sent is the cell's error", async () => {
    const answers = { shown: { result: { data: {}, metadata: {} } }, big: { result: { data: { "application/json": 1n }, metadata: {} } } };
    const publish = (_: Context, type: string, content: unknown) => void types.push([type, JSON.stringify(content)]);
    const types: [string, string][] = [];
    const { execute } = createScene(answers, { outputs: { publish, print: () => {} } });
    expect((await execute("shown")).content.status).toBe("ok");
    const { content, failed } = await execute("big");
    expect(content).toMatchObject({ status: "error", ename: "TypeError", evalue: expect.stringContaining("BigInt") });
    expect(failed).toBe(true);
    expect(types.map(([type]) => type)).toEqual(["execute_input", "execute_input", "error"]);
  });

  test("user expressions are evaluated behind the cell, each by itself", async () => {
    const answers = { "(a)": { result: text("1") }, "(bad)": { error }, "(big)": { result: { data: { x: 1n }, metadata: {} } } };
    const { execute, ran } = createScene(answers);
    const { content, failed } = await execute("0", { user_expressions: { a: "a", bad: "bad", big: "big", none: "void 0" } });
    expect(content.user_expressions).toEqual({
      a: { status: "ok", ...text("1") },
      bad: { status: "error", ...error },
      big: expect.objectContaining({ status: "error", ename: "TypeError" }),
      none: { status: "ok", ...text("undefined") },
    });
    expect(failed).toBe(false);
    const values = ["(a)", "(bad)", "(big)", "(void 0)"].map((expression) => `In[ ] value of ${expression}`);
    expect(ran).toEqual(["In[1] begins", "In[1] 0", "over", ...values]);
  });
});

test("history has the protocol's shape", () => {
  const { session } = createScene();
  expect(session.history({ hist_access_type: "tail" })).toEqual({ status: "ok", history: [] });
});
