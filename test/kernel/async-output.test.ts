import { expect, test } from "vitest";
import { type Answer, printed, result, useKernel } from "./client.js";

/** Output that comes after its cell has ended, while another one runs: it belongs to the cell that started it. */

const kernel = useKernel("const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));");

/** What cell `code` prints while it runs and while a second cell runs that prints `second` every 5 ms; and what that one prints. */
async function both(code: string): Promise<{ first: string; second: string }> {
  const first: Answer = await kernel.run(code);
  const parent = first.reply.parentHeader.msg_id;
  const second = await kernel.run("for (let i = 0; i < 40; i++) { await sleep(5); console.log('second'); }");
  const late = { ...first, outputs: kernel.iopub.filter((m) => m.parentHeader.msg_id === parent) };
  return { first: printed(late) + printed(late, "stderr"), second: printed(second) + printed(second, "stderr") };
}

const foreign = "second\n".repeat(40);

test.each([
  ["a timer", "setTimeout(() => console.log('late'), 50);"],
  ["a timer of node:timers", "import { setTimeout as later } from 'node:timers'; later(() => console.log('late'), 50);"],
  ["an interval", "const ticking = setInterval(() => { console.log('late'); clearInterval(ticking); }, 50);"],
  ["an async function that is not awaited", "void (async () => { await sleep(50); console.log('late'); })();"],
  ["after a failed await", "void (async () => { try { await sleep(50).then(() => { throw 1; }); } catch { console.log('late'); } })();"],
  ["a promise's reaction", "void sleep(50).then(() => console.log('late'));"],
  ["a promise's rejection", "void sleep(50).then(() => Promise.reject(1)).catch(() => console.log('late'));"],
  [
    "for await",
    "void (async () => { async function* steps() { await sleep(50); yield 1; } for await (const step of steps()) console.log('late'.slice(step - 1)); })();",
  ],
  [
    "a listener",
    "import { EventEmitter } from 'node:events'; const e = new EventEmitter(); e.on('x', () => console.log('late')); setTimeout(() => e.emit('x'), 50);",
  ],
  [
    "a named listener",
    "import { EventEmitter } from 'node:events'; const named = new EventEmitter(); const late = () => console.log('late'); named.once('x', late); setTimeout(() => named.emit('x'), 50);",
  ],
  [
    "a server's handler",
    "import { createServer } from 'node:http'; const server = createServer((_, answer) => { console.log('late'); answer.end(); }).listen(0, () => setTimeout(async () => { await fetch('http://127.0.0.1:' + (server.address() as any).port); server.close(); }, 50));",
  ],
  [
    "a callback of Node's",
    "import { readFile } from 'node:fs'; setTimeout(() => readFile('/dev/null', () => setTimeout(() => console.log('late'))), 50);",
  ],
  [
    "the output of a child",
    "import { spawn } from 'node:child_process'; spawn('sh', ['-c', 'sleep 0.05; echo late'], { stdio: 'inherit' });",
  ],
  ["a microtask", "setTimeout(() => queueMicrotask(() => console.log('late')), 50);"],
])("%s", async (_, code) => {
  expect(await both(code)).toEqual({ first: "late\n", second: foreign });
});

test("a loop in the background keeps to its cell for as long as it runs", async () => {
  const { first, second } = await both("void (async () => { for (let i = 0; i < 20; i++) { await sleep(7); console.log(i); } })();");
  expect(first.trim().split("\n").map(Number)).toEqual(Array.from({ length: 20 }, (_, i) => i));
  expect(second).toBe(foreign);
});

test.each([
  ["a late exception of a timer", "setTimeout(() => { throw new Error('late'); }, 50);"],
  ["a late unhandled rejection", "void (async () => { await sleep(50); throw new Error('late'); })();"],
  [
    "one thrown by an earlier cell's function",
    "const thrower = async () => { await sleep(50); throw new Error('late'); };\nvoid thrower();",
  ],
])("%s is reported in the cell that caused it", async (_, code) => {
  const { first, second } = await both(code);
  expect(first).toMatch(/Uncaught \(in the background\)\nError: late\n {4}at .*Cell In\[\d+\], line \d/);
  expect(second).toBe(foreign);
});

test.each([
  ["a promise that a timer rejects", "void new Promise((_, reject) => setTimeout(reject, 50, 'no error'));"],
  ["an async function", "void (async () => { await sleep(50); throw 'no error'; })();"],
  ["a reaction", "void sleep(50).then(() => { throw 'no error'; });"],
  [
    "a listener",
    "import { EventEmitter } from 'node:events'; const failing = new EventEmitter(); failing.on('x', () => { throw 'no error'; }); import { stat as early } from 'node:fs'; setTimeout(() => early('/', () => failing.emit('x')), 50);",
  ],
  ["a callback of Node's", "import { stat } from 'node:fs'; setTimeout(() => stat('/', () => { throw 'no error'; }), 50);"],
])("something late that is no Error is reported in the cell that caused it: %s", async (_, code) => {
  expect(await both(code)).toEqual({ first: expect.stringMatching(/Uncaught \(in the background\)\n.*no error/), second: foreign });
});

test("a cell's own listener is told of rejections", async () => {
  const { first } = await both(
    "process.once('unhandledRejection', (reason) => console.log('told of', reason)); void sleep(50).then(() => { throw 'no error'; });",
  );
  expect(first).toContain("told of no error");
});

test("packages that ask for Node's domain see the one that they have set", async () => {
  const code = "const holder = process as any; const asked = holder.domain; holder.domain = null; [asked, holder.domain]";
  expect(result(await kernel.run(code))).toBe("[ undefined, null ]");
});

test.each([
  [
    "spawn",
    "import { spawn } from 'node:child_process'; import { once } from 'node:events'; await once(spawn('sh', ['-c', script], { stdio: 'inherit' }), 'close');",
  ],
  ["spawnSync", "import { spawnSync } from 'node:child_process'; spawnSync('sh', ['-c', script], { stdio: ['ignore', 'inherit', 2] });"],
  ["execSync", "import { execSync } from 'node:child_process'; execSync(script, { stdio: 'inherit' });"],
  [
    "execFileSync",
    "import { execFileSync } from 'node:child_process'; execFileSync('sh', ['-c', script], { stdio: [0, process.stdout, process.stderr] });",
  ],
  ["writeSync", "import { writeSync } from 'node:fs'; writeSync(1, 'out\\n'); writeSync(2, Buffer.from('an err\\n'), 3, 4);"],
  ["writeFileSync", "import * as fs from 'node:fs'; fs.writeFileSync(1, 'out\\n'); fs.appendFileSync(2, '6572720a', 'hex');"],
])("what goes to the process's own descriptors is the cell's: %s", async (_, code) => {
  const answer = await kernel.run(`var script = 'echo out; echo err >&2'; ${code} undefined`);
  expect([printed(answer), printed(answer, "stderr")]).toEqual(["out\n", "err\n"]);
});

test("a child that inherits has no streams, and is over when all of its output is there", async () => {
  const code = `import { spawn } from 'node:child_process'; import { once } from 'node:events';
    const heir = spawn('seq', ['300000'], { stdio: 'inherit' }); const streams = [...heir.stdio, heir.stdout, heir.stderr]; await once(heir, 'close'); streams`;
  const answer = await kernel.run(code);
  expect(result(answer)).toBe("[ null, null, null, null, null ]");
  expect(printed(answer)).toBe(Array.from({ length: 300000 }, (_, i) => `${i + 1}\n`).join(""));
});

test("fs.writeSync takes what Node's takes", async () => {
  const code = `import * as fs from 'node:fs'; const bytes = Buffer.from('abcdef');
    const all = [fs.writeSync(1, bytes, null, null), (fs.writeSync as any)(1, bytes, { offset: 4 }), fs.writeSync(1, '61', null, 'hex')];
    try { fs.writeSync(1, bytes, 7); } catch (error) { all.push(error.code); } all.join()`;
  const answer = await kernel.run(code);
  expect([result(answer), printed(answer)]).toEqual(["'6,2,1,ERR_OUT_OF_RANGE'", "abcdefefa"]);
});

test("characters of children that write at the same time stay whole", async () => {
  const code = `const child = () => once(spawn('sh', ['-c', "for i in 1 2 3 4 5; do printf '\\\\303'; sleep 0.02; printf '\\\\251'; done"], { stdio: 'inherit' }), 'close');
    import { spawn } from 'node:child_process'; import { once } from 'node:events'; await Promise.all([child(), child()]); undefined`;
  expect(printed(await kernel.run(code))).toBe("é".repeat(10));
});

test("a value that takes its time to show itself is shown in the cell that showed it", async () => {
  const slow = "{ [Symbol.for('Jupyter.display')]: async () => { await sleep(80); return { 'text/plain': 'slow' }; } }";
  const first = await kernel.run(`import { display as shows } from 'erpo'; setTimeout(() => { shows(${slow}); }, 20);`);
  await kernel.run("await sleep(150)");
  const shown = kernel.iopub.find((m) => m.header.msg_type === "display_data" && m.content.data["text/plain"] === "slow")!;
  expect(shown.parentHeader.msg_id).toBe(first.reply.parentHeader.msg_id);
});

test("listeners can be taken off and listed as they were given", async () => {
  const code = `import { EventEmitter as Emitter } from 'node:events';
    const emitter = new Emitter(); const calls: string[] = [];
    const a = () => { calls.push('a'); }, b = () => { calls.push('b'); };
    emitter.on('x', a).once('x', b).prependOnceListener('x', a);
    const listed = emitter.listeners('x').map((f) => (f === a ? 'a' : f === b ? 'b' : '?')).join('');
    emitter.emit('x'); emitter.emit('x'); emitter.off('x', a); emitter.emit('x');
    emitter.once('x', b).off('x', b); emitter.emit('x');
    listed + ' ' + calls.join('')`;
  expect(result(await kernel.run(code))).toBe("'aab aaba'");
});

test("an immediate that another one clears does not run", async () => {
  const code = `const ran: string[] = [];
setImmediate(() => { ran.push("first"); clearImmediate(second); });
const second = setImmediate(() => { ran.push("second"); });
await new Promise((r) => setTimeout(r, 50));
ran.join()`;
  expect(result(await kernel.run(code))).toBe("'first'");
});

test("displays, too", async () => {
  const first = await kernel.run("import { display } from 'erpo'; void sleep(50).then(() => { display('late'); });");
  await kernel.run("await sleep(150)");
  const shown = kernel.iopub.find((m) => m.header.msg_type === "display_data" && m.content.data["text/plain"] === "'late'")!;
  expect(shown.parentHeader.msg_id).toBe(first.reply.parentHeader.msg_id);
});

test("errors thrown behind awaits keep their whole stack", async () => {
  await kernel.run("async function inner() { await sleep(1); throw new Error('deep'); }\nasync function outer() {\n  await inner();\n}");
  const { reply } = await kernel.run("await outer();");
  const frames = (reply.content.traceback as string[]).filter((line) => line.includes(" at "));
  expect(frames.map((line) => /at (?:async )?(\w+) \(Cell/.exec(line)?.[1])).toEqual(["inner", "outer", undefined]);
  expect(result(await kernel.run("await Promise.resolve(3)"))).toBe("3");
});

test("a function of an earlier cell works for the cell that calls it", async () => {
  kernel.onInput = () => "yes";
  await kernel.run(
    "async function chatty() { await sleep(1); console.log('loss'); setTimeout(() => console.log('timer'), 5); await sleep(20).then(() => console.log('then')); return prompt('go on?'); }",
  );
  const answer = await kernel.run("await chatty()");
  expect([result(answer), printed(answer)]).toEqual(["'yes'", "loss\ntimer\nthen\n"]);
});

test("so does one that Node made of an earlier cell's", async () => {
  await kernel.run(
    "import { promisify } from 'node:util'; const told = promisify((done: (error: null) => void) => { console.log('told'); done(null); });",
  );
  expect(printed(await kernel.run("await told()"))).toBe("told\n");
});

test("a silent request takes nobody's output", async () => {
  const first = await kernel.run("setTimeout(() => console.log('late'), 60);");
  await kernel.run("1", { silent: true });
  await kernel.run("await sleep(120)", { silent: true });
  const late = kernel.iopub.filter((m) => m.parentHeader.msg_id === first.reply.parentHeader.msg_id && m.header.msg_type === "stream");
  expect(late.map((m) => m.content.text)).toEqual(["late\n"]);
});
