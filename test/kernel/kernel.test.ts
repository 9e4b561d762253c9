import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createHeader, encode } from "../../kernel/wire/messages.js";
import { type Answer, KernelClient, printed, result, types } from "./client.js";

let kernel: KernelClient;
beforeAll(async () => {
  kernel = await KernelClient.start();
});
afterAll(async () => {
  expect(await kernel.stop()).toBe(0);
});

const run = (code: string, options?: object) => kernel.run(code, options);
const failure = ({ reply }: Answer) => reply.content as { status: string; ename: string; evalue: string; traceback: string[] };

describe("the language", () => {
  test("values, statements and types across cells", async () => {
    expect(result(await run("1 + 1"))).toBe("2");
    expect(result(await run("const unit = 5; let count = 2; function scaled(x: number) { return x * unit; }"))).toBeUndefined();
    expect(result(await run("scaled(count)"))).toBe("10");
    await run(
      "interface Point { x: number }\nenum Axis { X = 3, Y }\nclass Box<T> { constructor(readonly value: T) {} }\ntype Pair<T> = [T, T];",
    );
    expect(
      result(await run("const boxed: Box<Point> = new Box({ x: Axis.Y }); const both: Pair<number> = [boxed.value.x, Axis.X]; both")),
    ).toBe("[ 4, 3 ]");
  });

  test("closures of earlier cells see later assignments", async () => {
    await run("let shared = 1; const readShared = () => shared; const setShared = (n: number) => { shared = n; };");
    expect(result(await run("shared = 2; readShared()"))).toBe("2");
    expect(result(await run("setShared(3); shared"))).toBe("3");
  });

  test("everything can be declared again", async () => {
    for (const code of [
      "const again = 1",
      "const again = 'text'",
      "function again() { return 1; }",
      "class again {}",
      "enum again { A }",
      "let again = [1]",
    ]) {
      expect((await run(code)).reply.content.status).toBe("ok");
    }
    expect(result(await run("again.length"))).toBe("1");
    await run("interface Shape { a: number }");
    expect((await run("interface Shape { b: string }\nconst shape: Shape = { b: 'x' };")).reply.content.status).toBe("ok");
  });

  test("a name of Node's may be used for something else, and the kernel lives on", async () => {
    await run("const process = { own: true }; const performance = 1;");
    expect(result(await run("process.own"))).toBe("true");
    expect(result(await run("performance + 1"))).toBe("2");
  });

  test("a type error runs nothing, changes nothing, and says where", async () => {
    await run("let typed = 1;");
    const answer = await run("console.log('ran');\ntyped = 'text';");
    expect(types(answer)).toEqual(["execute_input", "error"]);
    expect(failure(answer).ename).toBe("TypeCheckError");
    expect(failure(answer).evalue).toMatch(
      /^Cell In\[\d+\], line 2, column 1: Type 'string' is not assignable to type 'number'\. \(TS2322\)$/,
    );
    expect(result(await run("typed"))).toBe("1");
    expect(failure(await run("1 + {}")).ename).toBe("TypeCheckError");
    expect(failure(await run("const 1")).ename).toBe("SyntaxError");
  });

  test("a cell that throws keeps what it declared before", async () => {
    await run("const kept = 'old'; const untouched = 'old';");
    await run("const kept = 'new'; throw new Error('stop'); const untouched = 'new';");
    expect(result(await run("kept + untouched"))).toBe("'newold'");
  });

  test("a traceback names cells and their TypeScript lines, and nothing of the kernel", async () => {
    const first = (
      await run(
        "interface Unused { a: number }\n\nasync function inner(n: number): Promise<void> {\n  await 1;\n  throw new RangeError('no ' + n);\n}",
      )
    ).reply.content.execution_count;
    const answer = failure(await run("// a comment\nawait inner(7);"));
    const text = answer.traceback.join("\n");
    expect([answer.ename, answer.evalue]).toEqual(["RangeError", "no 7"]);
    expect(text).toContain(`inner (Cell In[${first}], line 5, column 9)`);
    expect(text).toContain("5 | throw new RangeError");
    expect(text).toContain(`Cell In[${first + 1}], line 2, column 1`);
    expect(text).not.toMatch(/dist\/kernel|node:internal|erpo-cell/);
  });

  test("imports: Node's modules, ESM-only, CommonJS, types, dynamic", async () => {
    expect(result(await run("import * as vega from 'vega'; import { marked } from 'marked'; typeof vega.View + typeof marked"))).toBe(
      "'functionfunction'",
    );
    expect(
      result(await run("import { readFileSync, type Stats } from 'node:fs'; import type { Server } from 'node:http'; typeof readFileSync")),
    ).toBe("'function'");
    expect(result(await run("import ts from 'typescript'; let stats: Stats | Server | undefined; ts.version.length > 2"))).toBe("true");
    expect(result(await run("(await import('marked')).marked.parse('*a*')"))).toContain("<em>a</em>");
    expect(failure(await run("import x from 'no-such-package-anywhere'")).evalue).toContain(
      "Cannot find module 'no-such-package-anywhere'",
    );
  });

  test("local files: TypeScript, read again after a change, and JSON; the notebook's packages come first", async () => {
    writeFileSync(join(kernel.folder, "helper.ts"), "export enum Level { Low = 1 }\nexport const level: Level = Level.Low;\n");
    writeFileSync(join(kernel.folder, "data.json"), '{"answer": 42}');
    mkdirSync(join(kernel.folder, "node_modules", "marked"), { recursive: true });
    writeFileSync(
      join(kernel.folder, "node_modules", "marked", "package.json"),
      '{"name":"marked","type":"module","exports":"./index.js"}',
    );
    writeFileSync(join(kernel.folder, "node_modules", "marked", "index.js"), "export const marked = 'the folder\\'s own';");
    expect(result(await run("import { level } from './helper'; import data from './data.json'; level + data.answer"))).toBe("43");
    writeFileSync(join(kernel.folder, "helper.ts"), "export const level = 10;\n");
    expect(result(await run("import { level } from './helper.ts'; level"))).toBe("10");
    expect(result(await run("import { marked } from 'marked'; marked"))).toBe(`"the folder's own"`);
  });

  test("`erpo` and TensorFlow come from the kernel, with their types, in an empty folder", async () => {
    const answer = await run("import { display, wilson } from 'erpo'; const interval: { low: number } = wilson(1, 2); typeof display");
    expect(failure(answer).evalue ?? result(answer)).toBe("'function'");
    expect(failure(await run("import { display } from 'erpo'; display(1).update()")).evalue).toContain("Expected 1 arguments");
    expect(result(await run("import * as tf from '@tensorflow/tfjs'; const t = tf.tensor2d([[1, 2], [3, 4]]); t"))).toBe(
      "Tensor float32 [2, 2]\n    [[1, 2],\n     [3, 4]]",
    );
  });

  test("a loop at the top level is not slower than in a function, over its own variables and over another cell's", async () => {
    await run(
      "const timed = (f: () => void) => { const t = performance_.now(); f(); return performance_.now() - t; }; import { performance as performance_ } from 'node:perf_hooks'; let total = 0;",
    );
    await run("const inside = timed(() => { let sum = 0; for (let i = 0; i < 1e7; i++) sum += i; });");
    await run("const t0 = performance_.now(); let sum = 0; for (let i = 0; i < 1e7; i++) sum += i; const own = performance_.now() - t0;");
    await run("const t1 = performance_.now(); for (let i = 0; i < 1e7; i++) total += i; const other = performance_.now() - t1;");
    const [inside, own, other] = JSON.parse(result(await run("JSON.stringify([inside, own, other])"))!.slice(1, -1));
    expect(own).toBeLessThan(20 * inside + 200);
    expect(other).toBeLessThan(20 * inside + 200);
  });
});

describe("the protocol", () => {
  test("kernel_info is complete", async () => {
    const { content } = await kernel.ask("control", "kernel_info_request", {});
    expect(content).toMatchObject({
      status: "ok",
      protocol_version: "5.5",
      implementation: "erpo",
      language_info: { name: "typescript", file_extension: ".ts" },
    });
  });

  test("silent and store_history", async () => {
    const before = (await run("0")).reply.content.execution_count;
    const silent = await run("console.log('nobody hears'); 5", { silent: true });
    expect(types(silent)).toEqual([]);
    expect(silent.reply.content).toMatchObject({ status: "ok", execution_count: before });
    expect((await run("6", { store_history: false })).reply.content.execution_count).toBe(before);
    expect((await run("7")).reply.content.execution_count).toBe(before + 1);
  });

  test("output keeps its order and comes in few messages", async () => {
    const answer = await run(
      "import { display } from 'erpo'; console.log('a'); console.error('b'); display('c'); for (let i = 0; i < 30000; i++) console.log(i);",
    );
    expect(types(answer).slice(0, 4)).toEqual(["execute_input", "stream", "stream", "display_data"]);
    expect(answer.outputs.length).toBeLessThan(40);
    expect(printed(answer).split("\n").slice(1, -1).map(Number)).toEqual(Array.from({ length: 30000 }, (_, i) => i));
  });

  test("displays, updates, clearing, promised displays", async () => {
    const answer = await run(`import { display, clearOutput } from "erpo";
      class Later { async [Symbol.for("Jupyter.display")]() { await 1; return { data: { "text/plain": "later" }, metadata: { label: "fig-a" } }; } }
      const handle = display({ [Symbol.for("Jupyter.display")]: () => ({ "text/html": "<b>1</b>" }) });
      handle.update(2); clearOutput(true); display(new Later()); new Later()`);
    const sent = answer.outputs.filter((m) => /display|clear|result/.test(m.header.msg_type));
    expect(sent.map((m) => m.header.msg_type)).toEqual([
      "display_data",
      "update_display_data",
      "clear_output",
      "display_data",
      "execute_result",
    ]);
    expect(sent[0]!.content.data).toEqual({ "text/html": "<b>1</b>" });
    expect(sent[1]!.content.transient).toEqual(sent[0]!.content.transient);
    expect(sent[3]!.content).toMatchObject({ data: { "text/plain": "later" }, metadata: { label: "fig-a" } });
  });

  test("a frame is an escaped table with its shape", async () => {
    const answer = await run("import * as dfd from 'danfojs-node'; new dfd.DataFrame({ name: ['<script>', 'b'], n: [0.1 + 0.2, 2] })");
    const { data } = answer.outputs.find((m) => m.header.msg_type === "execute_result")!.content;
    expect(data["text/html"]).toContain("<td>&lt;script&gt;</td><td>0.3</td>");
    expect(data["text/html"]).toContain("2 rows × 2 columns");
  });

  test("user expressions", async () => {
    const { reply } = await run("const base = 20;", { user_expressions: { good: "base + 1", bad: "nowhere" } });
    expect(reply.content.user_expressions.good).toEqual({ status: "ok", data: { "text/plain": "21" }, metadata: {} });
    expect(reply.content.user_expressions.bad.status).toBe("error");
  });

  test("a failure aborts what has been sent, and nothing that is sent later", async () => {
    const answers = await Promise.all([run("throw 1"), run("1"), run("2")]);
    expect(answers.map(({ reply }) => reply.content.status)).toEqual(["error", "aborted", "aborted"]);
    expect((await run("3")).reply.content.status).toBe("ok");
    const going = await Promise.all([run("throw 1", { stop_on_error: false }), run("1")]);
    expect(going.map(({ reply }) => reply.content.status)).toEqual(["error", "ok"]);
  });

  test("questions to the reader", async () => {
    kernel.onInput = (prompt, password) => `${prompt} ${password}`;
    expect(result(await run("await prompt('who?')"))).toBe("'who? false'");
    expect(result(await run("await prompt('key?', { password: true })"))).toBe("'key? true'");
    const refused = failure(await run("await prompt('who?')", { allow_stdin: false }));
    expect(refused.evalue).toContain("this frontend takes no input");
  });

  test("comms both ways, also to a cell that waits", async () => {
    await run(
      "import { comms } from 'erpo'; comms.registerTarget('echo', (comm) => { comm.onMsg = (msg) => comm.send({ back: msg.content.data }); });",
    );
    kernel.send("shell", "comm_open", { comm_id: "c1", target_name: "echo", data: {} });
    kernel.send("shell", "comm_msg", { comm_id: "c1", data: 7 });
    const back = await kernel.until((m) => m.header.msg_type === "comm_msg" && m.content.comm_id === "c1");
    expect(back.content.data).toEqual({ back: 7 });
    expect((await kernel.ask("shell", "comm_info_request", {})).content.comms).toEqual({ c1: { target_name: "echo" } });
    const waiting = kernel.begin(
      "const comm = comms.open('ui', { a: 1 }); await new Promise((resolve) => { comm.onMsg = (msg) => resolve(msg.content.data); })",
    );
    const opened = await kernel.until((m) => m.header.msg_type === "comm_open");
    kernel.send("shell", "comm_msg", { comm_id: opened.content.comm_id, data: "clicked" });
    expect(result(await waiting.done)).toBe("'clicked'");
    kernel.send("shell", "comm_open", { comm_id: "c2", target_name: "nobody", data: {} });
    await kernel.until((m) => m.header.msg_type === "comm_close" && m.content.comm_id === "c2");
  });

  test("completion and inspection count code points and know types", async () => {
    await run("/** Doubles. */\nfunction doubled(value: number): number { return 2 * value; }");
    const completed = (await kernel.ask("shell", "complete_request", { code: "'😀'; 'x'.toUpp", cursor_pos: 14 })).content;
    expect(completed).toMatchObject({ matches: ["toUpperCase"], cursor_start: 9, cursor_end: 14 });
    expect((await kernel.ask("shell", "complete_request", { code: "doub", cursor_pos: 4 })).content.matches).toContain("doubled");
    const inspected = (await kernel.ask("shell", "inspect_request", { code: "doubled(1)", cursor_pos: 3, detail_level: 0 })).content;
    expect(inspected.data["text/plain"]).toContain("doubled(value: number): number");
    expect(inspected.data["text/plain"]).toContain("Doubles.");
  });

  test.each([
    ["1 + 1", "complete"],
    ["function f() {", "incomplete"],
    ["`open", "incomplete"],
    ["/a{/.test('')", "complete"],
    ["1 1 1", "invalid"],
  ])("is_complete: %s", async (code, status) => {
    expect((await kernel.ask("shell", "is_complete_request", { code })).content.status).toBe(status);
  });

  test("forged, replayed and broken messages are dropped, and the kernel goes on", async () => {
    const header = createHeader("execute_request", kernel.session);
    const content = { code: "globalThis.hacked = 1", silent: false };
    await kernel.shell.send(encode({ key: "wrong", signature_scheme: "hmac-sha256" }, { header, content }) as Buffer[]);
    const real = encode(kernel.connection, {
      header: createHeader("execute_request", kernel.session),
      content: { code: "globalThis.times = ((globalThis as any).times ?? 0) + 1" },
    }) as Buffer[];
    for (let i = 0; i < 3; i++) await kernel.shell.send(real);
    for (const frames of [["x"], ["<IDS|MSG>"], ["<IDS|MSG>", "a", "{}"], ["<IDS|MSG>", "", "{", "{}", "{}", "{}"]])
      await kernel.shell.send(frames);
    expect(result(await run("[(globalThis as any).hacked, (globalThis as any).times]"))).toBe("[ undefined, 1 ]");
  });

  test("what goes wrong in the background is told, and nothing ends", async () => {
    const rejected = await run("Promise.reject(new Error('unseen')); 1");
    expect([result(rejected), printed(rejected, "stderr")]).toEqual(["1", expect.stringContaining("Error: unseen")]);
    expect(
      printed(await run("setTimeout(() => { throw new Error('late'); }, 1); await new Promise((r) => setTimeout(r, 30));"), "stderr"),
    ).toContain("Error: late");
  });

  test("a timer's output goes to the cell that set it", async () => {
    const { header, done } = kernel.begin("setTimeout(() => console.log('from the first'), 150);");
    await done;
    const second = await run("await new Promise((r) => setTimeout(r, 300)); 2");
    expect(printed(second)).toBe("");
    await kernel.until(
      (m) => m.header.msg_type === "stream" && m.parentHeader.msg_id === header.msg_id && m.content.text.includes("from the first"),
    );
  });

  test("anything can be shown, within bounds", async () => {
    expect(result(await run("const loop: any = { a: 1 }; loop.self = loop; loop"))).toContain("[Circular *1]");
    expect(result(await run("({ get bad() { throw new Error('no'); }, map: new Map([[1, new Set([2])]]) })"))).toContain("Map(1)");
    expect(result(await run("'x'.repeat(1e7)"))!.length).toBeLessThan(150_000);
    expect(result(await run("Array.from({ length: 1e6 }, (_, i) => ({ i }))"))!.length).toBeLessThan(150_000);
    expect(failure(await run("throw { odd: true }"))).toMatchObject({ ename: "Thrown", evalue: "{ odd: true }" });
    expect(failure(await run("throw new Error('outer', { cause: new TypeError('inner') })")).traceback.join("\n")).toContain(
      "TypeError: inner",
    );
  });

  test("%%time", async () => {
    const answer = await run("%%time\n6 * 7");
    expect([result(answer), printed(answer)]).toEqual(["42", expect.stringMatching(/^Wall time: [\d.]+ ms\n$/)]);
  });
});

describe("interrupts", () => {
  const stop = async (code: string) => {
    const { header, done } = kernel.begin(`console.log("on"); ${code}`);
    await kernel.until((m) => m.header.msg_type === "stream" && m.parentHeader.msg_id === header.msg_id);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await kernel.ask("control", "interrupt_request", {});
    return done;
  };

  test.each([
    "while (true) {}",
    "await 1; while (true) {}",
    "while (true) { try { while (true) {} } catch {} finally {} }",
    "await new Promise(() => {})",
    "for (;;) await new Promise((r) => setTimeout(r, 5))",
    "await new Promise((r) => setTimeout(() => { while (true) {} }, 1))",
    "await new Promise((r) => setImmediate(() => { while (true) {} }))",
    "async function* forever() { for (;;) yield await new Promise((r) => setTimeout(r, 1)); }\nfor await (const _ of forever()) {}",
  ])("%s", async (code) => {
    await run("let state = 'kept';");
    expect(failure(await stop(code))).toMatchObject({ status: "error", ename: "KeyboardInterrupt" });
    expect(result(await run("state"))).toBe("'kept'");
  });

  test("what a stopped cell has declared stays; its loop does not go on", async () => {
    await run("let turns = 0;");
    await stop("const early = 1; for (;;) { turns++; await new Promise((r) => setTimeout(r, 2)); }");
    expect(result(await run("const before = turns; await new Promise((r) => setTimeout(r, 50)); [early, turns - before]"))).toBe(
      "[ 1, 0 ]",
    );
  });

  test("a cell that takes its signal may end by itself", async () => {
    await run("import { interruptSignal } from 'erpo'; let ended = '';");
    expect(
      failure(
        await stop("const signal = interruptSignal(); while (!signal.aborted) await new Promise((r) => setTimeout(r, 5)); ended = 'well';"),
      ).ename,
    ).toBe("KeyboardInterrupt");
    expect(result(await run("ended"))).toBe("'well'");
  });

  test("TensorFlow's scopes are rewound and its tensors freed", async () => {
    await run("import * as tf from '@tensorflow/tfjs'; tf.scalar(1).dispose(); const live = tf.memory().numTensors;");
    await stop("tf.tidy(() => { const a = tf.scalar(1); while (true) a.add(1); });");
    expect(result(await run("[tf.memory().numTensors - live, tf.tidy(() => tf.scalar(2).dataSync()[0])]"))).toBe("[ 0, 2 ]");
  });

  test("an interrupt aborts the cells that wait", async () => {
    const first = kernel.begin("await new Promise(() => {})");
    const second = kernel.begin("1");
    await kernel.until((m) => m.header.msg_type === "execute_input" && m.parentHeader.msg_id === first.header.msg_id);
    await kernel.ask("control", "interrupt_request", {});
    expect((await first.done).reply.content.status).toBe("error");
    expect((await second.done).reply.content.status).toBe("aborted");
  });

  test("while nothing runs it is harmless", async () => {
    await kernel.ask("control", "interrupt_request", {});
    kernel.process.kill("SIGINT");
    await new Promise((r) => setTimeout(r, 200)); // a signal that comes while the next cell runs is that cell's
    expect(result(await run("'alive'"))).toBe("'alive'");
  });
});

describe("the end", () => {
  test("process.exit ends the kernel with that status", async () => {
    const other = await KernelClient.start();
    other.begin("process.exit(3)");
    expect(await other.exited).toBe(3);
    await other.stop();
  });

  test("shutdown stops a busy cell and exits with 0 within two seconds", async () => {
    const other = await KernelClient.start();
    const { header } = other.begin("console.log(1); while (true) {}");
    await other.until((m) => m.header.msg_type === "stream" && m.parentHeader.msg_id === header.msg_id);
    const started = performance.now();
    expect(await other.stop()).toBe(0);
    expect(performance.now() - started).toBeLessThan(2500);
  });
});
