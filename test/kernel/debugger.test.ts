import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import * as zmq from "zeromq";
import { endpoint } from "../../kernel/wire/messages.js";
import { failed, KernelClient, result, useKernel } from "./client.js";

const kernel = useKernel();
const { run } = kernel;
let seq = 0;

/** Sends a request of the debugger's protocol. @returns its response, whole */
async function ask(command: string, args: object = {}, on = kernel) {
  return (await on.ask("control", "debug_request", { type: "request", seq: ++seq, command, arguments: args })).content;
}

/** The body of a request that must go well. */
async function body(command: string, args: object = {}, on = kernel) {
  const answer = await ask(command, args, on);
  if (!answer.success) throw new Error(`${command}: ${answer.message}`);
  return answer.body;
}

async function start(on = kernel): Promise<void> {
  await body("initialize", { clientID: "test" }, on);
  await body("attach", {}, on);
}

/** Sets breakpoints in the lines of a cell. */
async function stopAt(code: string, lines: number[], on = kernel) {
  const { sourcePath } = await body("dumpCell", { code }, on);
  const { breakpoints } = await body("setBreakpoints", { source: { path: sourcePath }, breakpoints: lines.map((line) => ({ line })) }, on);
  await body("configurationDone", {}, on);
  return { path: sourcePath, breakpoints };
}

/** Waits for the next event of a kind that has not been waited for. */
const seen = new Set<unknown>();
async function next(name: string, on = kernel) {
  const message = await on.until((m) => m.header.msg_type === "debug_event" && m.content.event === name && !seen.has(m));
  seen.add(message);
  return message.content.body;
}

const frames = async (on = kernel) => (await body("stackTrace", { threadId: 1 }, on)).stackFrames;

/** The variables of a frame's scope, by name. */
// biome-ignore lint/suspicious/noExplicitAny: the shapes are the protocol's
async function variables(frameId: number, scope = "Locals", on = kernel): Promise<Record<string, any>> {
  const { scopes } = await body("scopes", { frameId }, on);
  const { variablesReference } = scopes.find((found: { name: string }) => found.name === scope);
  return byName((await body("variables", { variablesReference }, on)).variables);
}

// biome-ignore lint/suspicious/noExplicitAny: as above
const byName = (list: { name: string }[]): Record<string, any> => Object.fromEntries(list.map((variable) => [variable.name, variable]));

const globals = async () => byName((await body("inspectVariables")).variables);

test("debugInfo says how cells are named, before anything is started; what is not known is named", async () => {
  const { content } = await kernel.ask("control", "kernel_info_request", {});
  expect(content).toMatchObject({ debugger: true, supported_features: ["debugger"] });
  expect(await body("debugInfo")).toMatchObject({
    isStarted: false,
    hashMethod: "Murmur2",
    hashSeed: 0,
    tmpFileSuffix: ".ts",
    breakpoints: [],
    stoppedThreads: [],
    richRendering: true,
    copyToGlobals: true,
  });
  expect(await ask("fly")).toMatchObject({
    type: "response",
    request_seq: seq,
    command: "fly",
    success: false,
    message: expect.stringContaining('"fly"'),
  });
  expect(await ask("toString")).toMatchObject({ success: false });
  expect(await ask("next", { threadId: 1 })).toMatchObject({ success: false, message: expect.stringContaining("has not been started") });
});

test("a response stands between busy and idle, as every reply on control", async () => {
  const { header, reply } = kernel.send("control", "debug_request", { type: "request", seq: 1, command: "inspectVariables" });
  await reply;
  await kernel.until((m) => m.parentHeader.msg_id === header.msg_id && m.content.execution_state === "idle");
  const states = kernel.iopub.filter((m) => m.parentHeader.msg_id === header.msg_id).map((m) => m.content.execution_state);
  expect(states).toEqual(["busy", "idle"]);
});

test("the variable view needs no debugging session: names of cells only, with types and sizes", async () => {
  await run(`import * as tf from "@tensorflow/tfjs"; import { DataFrame, Series } from "danfojs-node";
    let touched = 0;
    class Point { constructor(public x: number, public y: number) {} get norm() { touched++; return Math.hypot(this.x, this.y); } }
    const count = 3, big = 10n, word = "it's", yes = true, nothing = null, list = [1, 2, 3], typed = new Float32Array(4), point = new Point(3, 4);
    const map = new Map([["a", { deep: 1 }]]), set = new Set([1]), tagged = { get [Symbol.toStringTag]() { touched++; return "T"; }, get loud() { touched++; return 1; } };
    const trap = new Proxy({}, { get() { touched++; return 1; }, ownKeys() { touched++; return []; }, getPrototypeOf() { touched++; return null; } });
    const weights = tf.ones([2, 3]), frame = new DataFrame([[1, "a"], [2, "b"], [3, "c"]], { columns: ["n", "s"] }), series = new Series([1, 2]);
    const model = tf.sequential({ layers: [tf.layers.dense({ units: 4, inputShape: [3] }), tf.layers.dense({ units: 1 })] });
    function twice(n: number) { return 2 * n; }`);
  const all = await globals();
  const types = Object.fromEntries(Object.entries(all).map(([name, { type }]) => [name, type]));
  expect(types).toMatchObject({
    count: "number",
    big: "bigint",
    word: "string",
    yes: "boolean",
    nothing: "null",
    list: "Array(3)",
    typed: "Float32Array(4)",
    point: "Point",
    map: "Map(1)",
    set: "Set(1)",
    tagged: "Object",
    trap: "Proxy",
    weights: "Tensor float32 [2, 3]",
    frame: "DataFrame [3, 2]",
    series: "Series [2]",
    Point: "class Point",
    twice: "Function",
    tf: "Module",
    model: "Sequential",
  });
  expect(Object.keys(all).filter((name) => /^(process|require|prompt|fetch|_tfengine|console)$/.test(name))).toEqual([]);
  expect(all.count).toMatchObject({ value: "3", evaluateName: "count", variablesReference: 0 });
  expect([all.word.value, all.big.value, all.list.value, all.point.value]).toEqual([
    "'it\\'s'",
    "10n",
    "[1, 2, 3]",
    "Point { x: 3, y: 4 }",
  ]);
  expect(all.weights.value).toBe("24 bytes on tensorflow");
  expect(all.model.value).toBe("2 layers, 21 parameters"); // 3 * 4 + 4, 4 * 1 + 1
  const inside = async ({ variablesReference }: { variablesReference: number }) =>
    byName((await body("variables", { variablesReference })).variables);
  expect((await inside(all.weights)).device).toMatchObject({ type: "string", value: "'tensorflow'" });
  expect((await inside(all.frame)).n).toMatchObject({ type: "Array(3)", value: "[1, 2, 3]" });
  expect((await inside(all.point)).x).toMatchObject({ value: "3", evaluateName: "point.x" });
  expect((await inside(all.map))["'a'"]).toMatchObject({ value: "{ deep: 1 }" });
  expect((await inside(all.tagged)).loud).toMatchObject({ value: "[Getter]" });
  expect(result(await run("touched"))).toBe("0");
});

test("long arrays open in pieces, and page by page for those who ask", async () => {
  await run("const long = Array.from({ length: 25_000 }, (_, i) => i * i);");
  const { long } = await globals();
  expect(long).toMatchObject({ type: "Array(25000)", indexedVariables: 25_000 });
  const { variablesReference } = long;
  const page = await body("variables", { variablesReference, filter: "indexed", start: 20_000, count: 3 });
  expect(page.variables.map(({ name, value, evaluateName }: Record<string, string>) => [name, value, evaluateName])).toEqual([
    ["20000", "400000000", "long[20000]"],
    ["20001", "400040001", "long[20001]"],
    ["20002", "400080004", "long[20002]"],
  ]);
  const pieces = (await body("variables", { variablesReference })).variables;
  expect([pieces.length, pieces[1].name]).toEqual([3, "[10000 … 19999]"]);
  const smaller = (await body("variables", { variablesReference: pieces[1].variablesReference })).variables;
  expect([smaller.length, smaller[99].name]).toEqual([100, "[19900 … 19999]"]);
  const items = (await body("variables", { variablesReference: smaller[99].variablesReference })).variables;
  expect([items.length, items[99]]).toEqual([100, expect.objectContaining({ name: "19999", value: "399960001" })]);
});

test("variables are shown while a cell runs, waiting or not, and nothing of the reader's runs for it", async () => {
  const cell = kernel.begin("let turns = 0; console.log('on'); while (turns >= 0) turns++;");
  await kernel.output(cell);
  const values: number[] = [];
  for (let i = 0; i < 3; i++) {
    values.push(Number((await globals()).turns.value));
    await sleep(100);
  }
  expect(values[2]).toBeGreaterThan(values[0]!);
  expect((await body("richInspectVariables", { variableName: "list" })).data).toEqual({ "text/plain": "Array(3) [1, 2, 3]" });
  await kernel.ask("control", "interrupt_request", {});
  expect(failed(await cell.done).ename).toBe("KeyboardInterrupt");
  const waiting = kernel.begin("let ticks = 5; console.log('on'); await new Promise((r) => setTimeout(r, 1000)); ticks = 6;");
  await kernel.output(waiting);
  expect((await globals()).ticks.value).toBe("5");
  await waiting.done;
  expect((await globals()).ticks.value).toBe("6");
});

test("a variable is shown as display shows it", async () => {
  const { data } = await body("richInspectVariables", { variableName: "frame" });
  expect(data["text/html"]).toContain("<td>b</td>");
  expect((await body("richInspectVariables", { variableName: "weights" })).data["text/plain"]).toMatch(
    /^Tensor float32 \[2, 3\] on tensorflow/,
  );
  expect(await ask("richInspectVariables", { variableName: "nowhere" })).toMatchObject({
    success: false,
    message: expect.stringContaining("nowhere"),
  });
  expect(await ask("richInspectVariables", { variableName: "run()" })).toMatchObject({ success: false });
});

const LOOP = `interface Row { name: string; size: number }
// comments and types are no code
const rows: Row[] = [{ name: "a", size: 1 }, { name: "b", size: 2 }];
const doubled = (row: Row): number => {
  const factor: number = 2;

  return row.size * factor;
};
let total = 0;
for (const row of rows) {
  const size: number = await Promise.resolve(doubled(row));
  total += size;
}
total`;

test("a breakpoint in a loop with await: lines, frames, values, steps", async () => {
  await start();
  const { path, breakpoints } = await stopAt(LOOP, [12]);
  expect(breakpoints).toMatchObject([{ line: 12 }]);
  const cell = kernel.begin(LOOP);
  expect(await next("stopped")).toMatchObject({ reason: "breakpoint", threadId: 1 });
  expect((await body("debugInfo")).stoppedThreads).toEqual([1]);
  const [frame, ...others] = await frames();
  expect([frame.line, frame.source.path, frame.name, others]).toEqual([12, path, expect.stringMatching(/^Cell In\[\d+\]$/), []]);
  const locals = await variables(frame.id);
  expect(Object.keys(locals).filter((name) => name.startsWith("$") || name.includes("_"))).toEqual([]);
  expect([locals.size.value, locals.size.type, locals.row.value, locals.total.value]).toEqual([
    "2",
    "number",
    "{ name: 'a', size: 1 }",
    "0",
  ]);
  expect(await body("evaluate", { expression: "row.name + total", frameId: frame.id })).toMatchObject({ result: "'a0'", type: "string" });
  expect(await ask("evaluate", { expression: "total = 100", frameId: frame.id, context: "hover" })).toMatchObject({ success: false });
  expect(await ask("evaluate", { expression: "nowhere", frameId: frame.id })).toMatchObject({
    success: false,
    message: expect.stringContaining("nowhere is not defined"),
  });
  const lines: number[] = [];
  for (let i = 0; i < 4; i++) {
    await body("next", { threadId: 1 });
    await next("stopped");
    lines.push((await frames())[0].line);
  }
  expect(lines.slice(0, 3)).toEqual([10, 11, 12]); // through the await
  expect((await variables((await frames())[0].id)).total.value).toBe("6");
  await body("continue", { threadId: 1 });
  expect(result(await cell.done)).toBe("6");
});

test("step into a function, out of it, and the frames between", async () => {
  await stopAt(LOOP, [11]);
  const cell = kernel.begin(LOOP);
  await next("stopped");
  await body("stepIn", { threadId: 1 });
  expect(await next("stopped")).toMatchObject({ reason: "step" });
  expect((await frames()).map(({ name, line }: Record<string, unknown>) => [name, line])).toEqual([
    ["doubled", 5],
    [expect.stringContaining("In["), 11],
  ]);
  await body("next", { threadId: 1 });
  await next("stopped");
  const [inner, outer] = await frames();
  expect([inner.line, (await variables(inner.id)).factor.value, (await variables(outer.id)).total.value]).toEqual([7, "2", "0"]);
  await body("stepOut", { threadId: 1 });
  await next("stopped");
  expect((await frames())[0].line).toBe(11);
  await stopAt(LOOP, []);
  await body("continue", { threadId: 1 });
  expect(result(await cell.done)).toBe("6");
});

test("a function of an earlier cell stops where the breakpoint was set afterwards, at a line with code", async () => {
  const code = "function shout(text: string): string {\n  // louder\n  const loud = text.toUpperCase();\n  return loud + '!';\n}";
  await run(code);
  const { breakpoints } = await stopAt(code, [2]);
  expect(breakpoints).toMatchObject([{ verified: true, line: 3 }]);
  const cell = kernel.begin("const heard: string = shout('a');\nheard");
  await next("stopped");
  expect((await frames()).map(({ name, line }: Record<string, unknown>) => [name, line])).toEqual([
    ["shout", 3],
    [expect.stringContaining("In["), 1],
  ]);
  expect((await body("debugInfo")).breakpoints).toContainEqual({ source: expect.any(String), breakpoints: [{ line: 2 }] });
  await body("continue", { threadId: 1 });
  expect(result(await cell.done)).toBe("'A!'");
  await stopAt(code, []);
  expect(result(await run("shout('b')"))).toBe("'B!'"); // stops no more
});

test("conditions, the cell's own debugger statement, and what the cell's source is", async () => {
  const code = "let found = -1;\nfor (let i = 0; i < 10; i++) {\n  found = i;\n}\ndebugger;\nfound";
  const { sourcePath } = await body("dumpCell", { code });
  await body("setBreakpoints", { source: { path: sourcePath }, breakpoints: [{ line: 3, condition: "i === 7" }] });
  const cell = kernel.begin(code);
  await next("stopped");
  expect((await variables((await frames())[0].id)).i.value).toBe("7");
  await body("continue", { threadId: 1 });
  await next("stopped");
  expect((await frames())[0].line).toBe(5);
  expect((await body("source", { source: { path: sourcePath } })).content).toBe(code);
  expect((await body("modules")).modules).toContainEqual(expect.objectContaining({ path: sourcePath }));
  await body("continue", { threadId: 1 });
  expect(result(await cell.done)).toBe("9");
});

/** Sets a breakpoint with a condition. */
async function stopIf(code: string, line: number, condition: string) {
  const { sourcePath } = await body("dumpCell", { code });
  return (await body("setBreakpoints", { source: { path: sourcePath }, breakpoints: [{ line, condition }] })).breakpoints[0];
}

const ROUNDS = "for (let u = 0; u < 3; u++) {\n  Math.abs(u);\n}\n7";

test("an interrupt ends a condition that never ends; without one the program stops there and says so", async () => {
  await stopIf(ROUNDS, 2, "(() => { while(true){} })()");
  const cell = kernel.begin(ROUNDS);
  await kernel.until((m) => m.parentHeader.msg_id === cell.header.msg_id && m.header.msg_type === "execute_input");
  await sleep(300);
  await kernel.ask("control", "interrupt_request", {});
  expect(failed(await cell.done).ename).toBe("KeyboardInterrupt");
  expect((await globals()).found.value).toBe("9");
  const again = kernel.begin(ROUNDS);
  expect((await next("stopped")).text).toContain("has not ended within 1 s");
  expect((await next("output")).output).toContain("has not ended within 1 s");
  await stopAt(ROUNDS, []);
  await body("continue", { threadId: 1 });
  expect(result(await again.done)).toBe("7");
});

test("a condition with a fault says so: in its text at once, when it throws where it stops", async () => {
  expect(await stopIf(ROUNDS, 2, "u ===")).toMatchObject({ verified: false, message: expect.stringContaining("u ===") });
  expect(result(await run(ROUNDS))).toBe("7");
  for (const condition of ["nope.x", "nope(u)"]) {
    expect(await stopIf(ROUNDS, 2, condition)).toMatchObject({ verified: true });
    const cell = kernel.begin(ROUNDS);
    const text = `the condition ${condition} has thrown ReferenceError: nope is not defined`;
    expect(await next("stopped")).toMatchObject({ reason: "breakpoint", text });
    expect(await next("output")).toMatchObject({ category: "stderr", output: `${text}\n` });
    await stopAt(ROUNDS, []);
    await body("continue", { threadId: 1 });
    expect(result(await cell.done)).toBe("7");
  }
});

test("a condition with a call holds where it is true, and a step passes over one in what it calls", async () => {
  await stopIf(ROUNDS, 2, "[2].includes(u)");
  const cell = kernel.begin(ROUNDS);
  await next("stopped");
  expect((await variables((await frames())[0].id)).u.value).toBe("2");
  await body("continue", { threadId: 1 });
  expect(result(await cell.done)).toBe("7");
  await stopAt(ROUNDS, []);
  const code = "function thrice(n: number): number {\n  const by = 3;\n  return n * by;\n}\ndebugger;\nconst six = thrice(2);\nsix";
  await stopIf(code, 3, "String(n) === '1'");
  const stepped = kernel.begin(code);
  await next("stopped");
  for (const line of [6, 7]) {
    await body("next", { threadId: 1 });
    await next("stopped");
    expect((await frames())[0].line).toBe(line);
  }
  await stopAt(code, []);
  await body("continue", { threadId: 1 });
  expect(result(await stepped.done)).toBe("6");
});

test("what is assigned in the console is what the frame's variables show", async () => {
  const code = "let s = 0;\nfor (let j = 0; j < 5; j++) {\n  s += j;\n}\ns";
  await stopIf(code, 3, "j === 3");
  const cell = kernel.begin(code);
  await next("stopped");
  const [{ id }] = await frames();
  const shown = async () => {
    const { j, s } = await variables(id);
    return [j.value, s.value];
  };
  expect(await shown()).toEqual(["3", "3"]); // 0 + 1 + 2
  await body("evaluate", { expression: "s = 100", frameId: id });
  await body("evaluate", { expression: "j = 4", frameId: id });
  expect(await shown()).toEqual(["4", "100"]);
  await body("continue", { threadId: 1 });
  expect(result(await cell.done)).toBe("104");
  await stopAt(code, []);
});

test("while it stands still the kernel answers; an interrupt ends the cell, and the next one runs", async () => {
  const code = "const before = 1;\nconst after = 2;\nafter";
  await stopAt(code, [2]);
  const cell = kernel.begin(code);
  await next("stopped");
  const heart = new zmq.Request({ linger: 0 });
  heart.connect(endpoint(kernel.connection, "hb"));
  await heart.send("beat");
  expect(String((await heart.receive())[0])).toBe("beat");
  heart.close();
  expect((await kernel.ask("control", "kernel_info_request", {})).content.status).toBe("ok");
  await kernel.ask("control", "interrupt_request", {});
  await next("continued");
  await cell.done;
  expect(result(await run("1 + 1"))).toBe("2");
  const again = kernel.begin(code); // the breakpoint is still there
  await next("stopped");
  await body("continue", { threadId: 1 });
  expect(result(await again.done)).toBe("2");
  await stopAt(code, []);
});

test("an interrupt at a breakpoint in an endless loop ends it", async () => {
  const code = "let round = 0;\nfor (;;) {\n  round++;\n}";
  await stopAt(code, [3]);
  const cell = kernel.begin(code);
  await next("stopped");
  await kernel.ask("control", "interrupt_request", {});
  expect(failed(await cell.done).ename).toBe("KeyboardInterrupt");
  await stopAt(code, []);
});

test("a running loop can be paused, and a variable copied to the session's names", async () => {
  const code = "{\n  let hidden = 41;\n  console.log('on');\n  while (hidden > 0) {\n    hidden = hidden < 1e6 ? hidden + 1 : 41;\n  }\n}";
  const cell = kernel.begin(code);
  await kernel.output(cell);
  await body("pause", { threadId: 1 });
  expect(await next("stopped")).toMatchObject({ reason: "pause" });
  const [frame] = await frames();
  expect(frame.line).toBeGreaterThanOrEqual(4);
  await body("evaluate", { expression: "hidden = -7", frameId: frame.id });
  await body("copyToGlobals", { srcVariableName: "hidden", dstVariableName: "shown", srcFrameId: frame.id });
  expect((await variables(frame.id, "Globals")).shown).toMatchObject({ value: "-7" });
  await body("continue", { threadId: 1 });
  await cell.done;
  expect(result(await run("shown + 1"))).toBe("-6"); // later cells know its name
});

test("what was copied stays when the cell is interrupted", async () => {
  const code = "{\n  const inner = [5];\n  debugger;\n  for (;;);\n}";
  const cell = kernel.begin(code);
  await next("stopped");
  await body("copyToGlobals", { srcVariableName: "inner", dstVariableName: "cp", srcFrameId: (await frames())[0].id });
  await kernel.ask("control", "interrupt_request", {});
  expect(failed(await cell.done).ename).toBe("KeyboardInterrupt");
  expect(result(await run("cp[0] + 1"))).toBe("6");
});

test("exceptions: all that cells throw", async () => {
  await body("setExceptionBreakpoints", { filters: ["all"] });
  const cell = kernel.begin("let caught = 0;\ntry {\n  throw new Error('seen');\n} catch {\n  caught = 1;\n}\ncaught");
  expect(await next("stopped")).toMatchObject({ reason: "exception", text: "Error: seen" });
  expect((await frames())[0].line).toBe(3);
  await body("setExceptionBreakpoints", { filters: [] });
  await body("continue", { threadId: 1 });
  expect(result(await cell.done)).toBe("1");
});

test("disconnect lets the program go on, and its breakpoints are gone", async () => {
  const code = "const here = 1;\nhere";
  await stopAt(code, [1]);
  const cell = kernel.begin(code);
  await next("stopped");
  await body("disconnect", { restart: false });
  expect(result(await cell.done)).toBe("1");
  expect(await body("debugInfo")).toMatchObject({ isStarted: false, breakpoints: [], stoppedThreads: [] });
  expect(result(await run(code))).toBe("1");
});

test("shutdown while it stands still", async () => {
  const other = await KernelClient.start();
  await start(other);
  const code = "const still = 1;\nstill";
  await stopAt(code, [2], other);
  other.begin(code);
  await next("stopped", other);
  const asked = performance.now();
  expect(await other.stop()).toBe(0);
  expect(performance.now() - asked).toBeLessThan(5000);
});

test("a cell that ends the process while the debugger is attached gives its status", async () => {
  const other = await KernelClient.start();
  await start(other);
  await sleep(50);
  void other.begin("process.exit(7)").done.catch(() => {});
  expect(await other.exited).toBe(7);
  await other.stop();
});
