import { expect, test } from "vitest";
import { createHeader, encode } from "../../kernel/wire/messages.js";
import { failed, KernelClient, printed, result, types, useKernel } from "./client.js";

const kernel = useKernel();
const { run } = kernel;

test("kernel_info is complete", async () => {
  const { content } = await kernel.ask("control", "kernel_info_request", {});
  expect(content).toMatchObject({
    status: "ok",
    protocol_version: "5.5",
    implementation: "erpo",
    language_info: { name: "typescript", file_extension: ".ts" },
  });
});

test("a subscriber is greeted, as protocol 5.4 asks", async () => {
  const { content, parentHeader } = await kernel.until((m) => m.header.msg_type === "iopub_welcome");
  expect([content, parentHeader]).toEqual([{ subscription: "" }, {}]);
});

test("what is sent before the kernel listens is answered in order", async () => {
  const other = new KernelClient();
  await other.spawn();
  const code = "1 + 1";
  const requests = {
    kernel_info: {},
    comm_info: {},
    history: { hist_access_type: "tail", n: 1 },
    execute: { code },
    complete: { code, cursor_pos: 5 },
    is_complete: { code },
    inspect: { code, cursor_pos: 0, detail_level: 0 },
  };
  const order: string[] = [];
  const asked = Object.entries(requests).map(async ([type, content]) => {
    const { header } = await other.ask("shell", `${type}_request`, content);
    order.push(header.msg_type);
  });
  await Promise.all(asked);
  expect(order).toEqual(Object.keys(requests).map((type) => `${type}_reply`));
  await other.stop();
});

test("silent and store_history", async () => {
  const before = (await run("0")).reply.content.execution_count;
  const silent = await run("console.log('nobody hears'); 5", { silent: true });
  expect(types(silent)).toEqual([]);
  expect(silent.reply.content).toMatchObject({ status: "ok", execution_count: before });
  expect((await run("6", { store_history: false })).reply.content.execution_count).toBe(before);
  expect((await run("7")).reply.content.execution_count).toBe(before + 1);
});

test("streams and displays keep their order", async () => {
  const answer = await run("import { display } from 'erpo'; console.log('a'); console.error('b'); display('c'); console.log('d');");
  expect(types(answer)).toEqual(["execute_input", "stream", "stream", "display_data", "stream"]);
});

test("thirty thousand lines come in order, in few messages", async () => {
  const answer = await run("for (let i = 0; i < 30000; i++) console.log(i);");
  expect(printed(answer).split("\n").slice(0, -1).map(Number)).toEqual(Array.from({ length: 30000 }, (_, i) => i));
  expect(answer.outputs.length).toBeLessThan(40);
});

test("an update behind a display that takes its time is shown before its cell is over, and its failure is the cell's", async () => {
  await run(`
    import { display as show } from "erpo";
    const slowly = (text: string, fails = false) => ({
      [Symbol.for("Jupyter.display")]: async () => {
        await new Promise((r) => setTimeout(r, 60));
        if (fails) throw new Error("cannot be shown");
        return { "text/plain": text };
      },
    });`);
  const { outputs } = await run("const place = show(slowly('a')); place.update(slowly('b')); 0");
  const displays = outputs.filter(({ header }) => header.msg_type.endsWith("display_data"));
  expect(displays.map(({ content }) => content.data["text/plain"])).toEqual(["a", "b"]);
  const answer = await run("const other = show(slowly('a')); other.update(slowly('b', true)); 0");
  expect(failed(answer).evalue).toBe("cannot be shown");
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
  const answers = await Promise.all([run("await new Promise((r) => setTimeout(r, 100)); throw 1"), run("1"), run("2")]);
  expect(answers.map(({ reply }) => reply.content.status)).toEqual(["error", "aborted", "aborted"]);
  expect((await run("3")).reply.content.status).toBe("ok");
  const going = await Promise.all([run("throw 1", { stop_on_error: false }), run("1")]);
  expect(going.map(({ reply }) => reply.content.status)).toEqual(["error", "ok"]);
});

test("questions to the reader", async () => {
  kernel.onInput = (prompt, password) => `${prompt} ${password}`;
  expect(result(await run("await prompt('who?')"))).toBe("'who? false'");
  expect(result(await run("await prompt('key?', { password: true })"))).toBe("'key? true'");
  const refused = failed(await run("await prompt('who?')", { allow_stdin: false }));
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
  expect(inspected.data["text/plain"]).toBe("doubled(value: number): number\n\nDoubles.");
  await run("/** How many. */\nconst amount = 3;");
  const constant = (await kernel.ask("shell", "inspect_request", { code: "amount", cursor_pos: 2, detail_level: 0 })).content;
  expect(constant.data["text/plain"]).toBe("const amount: 3\n\nHow many.");
});

test("the documentation of a package's declarations is there when it is asked for", async () => {
  const inspect = async (code: string, cursor_pos: number) =>
    (await kernel.ask("shell", "inspect_request", { code, cursor_pos, detail_level: 0 })).content.data["text/plain"];
  expect(await inspect("[3].indexOf(3)", 8)).toMatch(/indexOf\(.*\n\nReturns the index of the first occurrence.*@param searchElement/s);
  expect(await inspect("import { join } from 'node:path'; join('a', )", 43)).toMatch(/join\(.*\n\nJoin all arguments together/s); // within the call
  expect(failed(await run("1 + {}")).status).toBe("error"); // checked as before
});

test.each([
  ["1 + 1", "complete"],
  ["function f() {", "incomplete"],
  ["`open", "incomplete"],
  ["/a{/.test('')", "complete"],
  ["1 1 1", "invalid"],
  ["await {", "incomplete"],
  ["const x = 'abc", "invalid"], // no further line completes it
  ["const x = 'abc\\", "incomplete"],
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
  const throwing = "process.stderr.write = () => { throw new Error('write'); }";
  const late = "setTimeout(() => { throw new Error('late again'); }, 1); await new Promise((r) => setTimeout(r, 30));";
  expect(printed(await run(`const { write } = process.stderr; ${throwing}; ${late}`), "stderr")).toContain("Error: late again");
  expect(result(await run("process.stderr.write = write; 1 + 1"))).toBe("2");
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
  expect(failed(await run("throw { odd: true }"))).toMatchObject({ ename: "Thrown", evalue: "{ odd: true }" });
  expect(failed(await run("throw new Error('outer', { cause: new TypeError('inner') })")).traceback.join("\n")).toContain(
    "TypeError: inner",
  );
});

test("what shows itself: text, formulas, drawings, pictures, trees", async () => {
  const dataOf = async (code: string) =>
    (await run(code)).outputs.find((m) => m.header.msg_type === "execute_result")!.content.data as Record<string, unknown>;
  await run("import { html, image, json, latex, markdown, svg } from 'erpo'; import * as tf from '@tensorflow/tfjs';");
  expect(await dataOf("html('<b>1</b>')")).toMatchObject({ "text/html": "<b>1</b>" });
  expect(await dataOf("markdown('*1*')")).toMatchObject({ "text/markdown": "*1*" });
  expect(await dataOf("latex('x^2')")).toEqual({ "text/latex": "$$x^2$$", "text/plain": "x^2" });
  expect(await dataOf("svg('<svg/>')")).toMatchObject({ "image/svg+xml": "<svg/>" });
  expect(await dataOf("json({ a: [1, null] })")).toMatchObject({ "application/json": { a: [1, null] } });
  const picture = await dataOf("tf.ones([20, 30, 3])");
  expect(picture["text/plain"]).toMatch(/^Tensor float32 \[20, 30, 3\] on tensorflow, 1800 values$/);
  expect(Buffer.from(picture["image/png"] as string, "base64").toString("latin1", 1, 4)).toBe("PNG");
  expect(Object.keys(await dataOf("tf.ones([20, 30, 3]).mul(2)"))).toEqual(["text/plain"]);
  expect(await dataOf(`image(Buffer.from('${picture["image/png"]}', 'base64'))`)).toMatchObject({ "image/png": picture["image/png"] });
  expect(failed(await run("image(new Uint8Array([1, 2]))")).evalue).toContain("no PNG, JPEG, GIF or WebP");
});

test("completion and inspection run nothing", async () => {
  await run("let looked = 0; const watched = { get inside() { looked++; return { deep: 1 }; } };");
  const { matches } = (await kernel.ask("shell", "complete_request", { code: "watched.inside.", cursor_pos: 15 })).content;
  expect(matches).toContain("deep");
  await kernel.ask("shell", "inspect_request", { code: "watched.inside", cursor_pos: 12, detail_level: 1 });
  expect(result(await run("looked"))).toBe("0");
});

test.each([
  "({ $schema: 'https://vega.github.io/schema/vega-lite/v5.json', mark: 'bar', data: { values: [{ n: 10n }] } })",
  "import { display } from 'erpo'; const round: any = {}; round.self = round; display({ [Symbol.for('Jupyter.display')]: () => ({ 'application/json': round }) })",
  "import { comms } from 'erpo'; comms.open('nobody', { n: 1n })",
])("what JSON cannot hold is the cell's error: %s", async (code) => {
  const answer = await run(code);
  expect([answer.reply.content.status, types(answer).at(-1)]).toEqual(["error", "error"]);
  const { reply } = await run("1", {
    user_expressions: { bad: "({ [Symbol.for('Jupyter.display')]: () => ({ 'application/json': 1n }) })" },
  });
  expect(reply.content.user_expressions.bad.status).toBe("error");
});

test("looking at a value fails no cell", async () => {
  expect(result(await run("({ get $schema(): string { throw new Error('no'); } })"))).toContain("[Getter]");
  expect(failed(await run("const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); proxy")).ename).toBeUndefined();
});

test("a question that comes too late is refused, and the next one is asked", async () => {
  kernel.onInput = (question) => question;
  await run("let late = ''; setTimeout(() => { prompt('late?').catch((error) => { late = error.message; }); }, 60);");
  await new Promise((resolve) => setTimeout(resolve, 150));
  expect(result(await run("await prompt('name?')"))).toBe("'name?'");
  expect(result(await run("late"))).toContain('"late?" cannot be asked');
});

test("%%time", async () => {
  const answer = await run("%%time\n6 * 7");
  expect([result(answer), printed(answer)]).toEqual(["42", expect.stringMatching(/^Wall time: [\d.]+ ms\n$/)]);
  expect((await kernel.ask("shell", "is_complete_request", { code: "%%time\n6 * 7" })).content.status).toBe("complete");
  const completions = await kernel.ask("shell", "complete_request", { code: "%%time\nMath.cos", cursor_pos: 15 });
  expect([completions.content.matches, completions.content.cursor_start]).toEqual([["cos", "cosh"], 12]);
});
