import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import * as zmq from "zeromq";
import { endpoint } from "../../kernel/wire/messages.js";
import { failed, KernelClient, result, useKernel } from "./client.js";
import { debugging } from "./debugging.js";

const kernel = useKernel();
const { run } = kernel;
const { ask, lastSeq, body, start, stopAt, next, forget, frames, variables, globals } = debugging(kernel);

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
    request_seq: lastSeq(),
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
  expect(await body("evaluate", { expression: "shout('c')" })).toMatchObject({ result: "'C!'" }); // which would wait for itself
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
  forget(); // where the machine was so busy that it stopped there before it was interrupted
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

test("what was evaluated is let go of when the program goes on", async () => {
  await run(
    "import v8 from 'node:v8'; import vm from 'node:vm'; v8.setFlagsFromString('--expose-gc'); const gc = vm.runInNewContext('gc');",
  );
  const code = "const here = 1;\nhere";
  await stopAt(code, [2]);
  const cell = kernel.begin(code);
  await next("stopped");
  const [{ id }] = await frames();
  const { variablesReference } = await body("evaluate", { expression: "(globalThis.seen = new WeakRef({ a: 1 })).deref()", frameId: id });
  await body("evaluate", { expression: "gc()", frameId: id });
  expect((await body("variables", { variablesReference })).variables).toHaveLength(1);
  await body("continue", { threadId: 1 });
  await cell.done;
  expect(result(await run("await new Promise((r) => setTimeout(r, 20)); gc(); (globalThis as any).seen.deref() === undefined"))).toBe(
    "true",
  );
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
