import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Message } from "../../kernel/wire/messages.js";
import { failed, KernelClient, lives, printed, result, useKernel } from "./client.js";

const kernel = useKernel();
const { run } = kernel;

/** Waits until the loop of a request has begun. */
const turning = (id: string | undefined) => kernel.until((m) => m.parentHeader.msg_id === id && m.content.text?.includes("turning"));

const stop = (code: string) => kernel.runAndInterrupt(code);

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
  expect(failed(await stop(code))).toMatchObject({ status: "error", ename: "KeyboardInterrupt" });
  expect(result(await run("state"))).toBe("'kept'");
});

test("a loop over a list of promises ends where it waits for one, and its finally runs", async () => {
  await run("const log: string[] = []; const later = (ms: number) => new Promise<number>((r) => setTimeout(r, ms, ms));");
  await stop("try { for await (const ms of [600, 700].map(later)) log.push('item ' + ms); } finally { log.push('finally'); }");
  expect(result(await run("await later(900); log.join()"))).toBe("'finally'");
});

test("what a stopped cell has declared stays; its loop does not go on", async () => {
  await run("let turns = 0;");
  await stop("const early = 1; for (;;) { turns++; await new Promise((r) => setTimeout(r, 2)); }");
  expect(result(await run("const before = turns; await new Promise((r) => setTimeout(r, 50)); [early, turns - before]"))).toBe("[ 1, 0 ]");
});

test("a cell that takes its signal may end by itself", async () => {
  await run("import { interruptSignal } from 'erpo'; let ended = '';");
  expect(
    failed(
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

test.each([
  "for (;;) { try { await new Promise((r) => setTimeout(r, 5)); turns++; } catch {} }",
  "try { await new Promise(() => {}); } finally { while (true) {} }",
  "try { await new Promise(() => {}); } catch { for (;;) await new Promise((r) => setTimeout(r, 1)); }",
])("what a cell does when it is stopped does not keep it alive: %s", async (code) => {
  await run("let turns = 0;");
  expect(failed(await stop(code)).ename).toBe("KeyboardInterrupt");
  expect(result(await run("const seen = turns; await new Promise((r) => setTimeout(r, 40)); turns - seen"))).toBe("0");
});

test("a loop that a finished cell has left behind can be stopped", async () => {
  const { header } = kernel.begin(
    "void (async () => { await new Promise((r) => setTimeout(r, 50)); console.log('turning'); while (true) {} })();",
  );
  await turning(header.msg_id);
  await kernel.ask("control", "interrupt_request", {});
  expect(result(await run("'alive'"))).toBe("'alive'");
});

test("a handler of a comm can be stopped", async () => {
  await run("import { comms } from 'erpo'; comms.registerTarget('spin', () => { console.log('turning'); while (true) {} });");
  const { header } = kernel.send("shell", "comm_open", { comm_id: "spinning", target_name: "spin", data: {} });
  await turning(header.msg_id);
  await kernel.ask("control", "interrupt_request", {});
  expect(result(await run("'alive'"))).toBe("'alive'");
});

test("what other cells wait for is left alone", async () => {
  await run("const ready = (async () => { await new Promise((r) => setTimeout(r, 400)); return 'ready'; })();");
  await stop("await new Promise(() => {})");
  expect(result(await run("await ready"))).toBe("'ready'");
});

test("SIGINT stops a cell that waits", async () => {
  const cell = kernel.begin("import { interruptSignal } from 'erpo'; interruptSignal(); console.log('on'); await new Promise(() => {})");
  await kernel.output(cell);
  kernel.process.kill("SIGINT");
  expect(failed(await cell.done).ename).toBe("KeyboardInterrupt");
});

test("an interrupt aborts the cells that wait", async () => {
  const first = kernel.begin("await new Promise(() => {})");
  const second = kernel.begin("1");
  await kernel.until((m) => m.header.msg_type === "execute_input" && m.parentHeader.msg_id === first.header.msg_id);
  await kernel.ask("control", "interrupt_request", {});
  expect((await first.done).reply.content.status).toBe("error");
  expect((await second.done).reply.content.status).toBe("aborted");
});

test("a callback of Node's that never returns is stopped when its cell is long over", async () => {
  await run(
    "import { readFile } from 'node:fs'; const spin = () => readFile('/dev/null', () => { console.log('turning'); while (true); });",
  );
  const { header, done } = kernel.begin("setTimeout(spin, 100); 'over'");
  await turning(header.msg_id);
  expect(result(await done)).toBe("'over'");
  await kernel.ask("control", "interrupt_request", {});
  expect(result(await run("'alive'"))).toBe("'alive'");
});

test("what an interrupted child has printed is shown", async () => {
  await run("import { execSync } from 'node:child_process';");
  const answer = await kernel.runAndInterrupt("execSync('echo begun; sleep 20; echo', { stdio: 'inherit' });", 1000);
  expect([failed(answer).ename, printed(answer)]).toEqual(["KeyboardInterrupt", "on\nbegun\n"]);
});

test("a cell that waits for an earlier one's callback, which is stopped, keeps its output", async () => {
  const first = kernel.begin("setTimeout(() => { console.log('turning'); while (true); }, 100); 0");
  const second = kernel.begin(`${Array.from({ length: 400 }, (_, i) => `const many${i} = { i: ${i} };`).join("\n")} console.log("mine");`);
  await turning(first.header.msg_id);
  await kernel.ask("control", "interrupt_request", {});
  await Promise.all([first.done, second.done]);
  await run("");
  const outputs = kernel.iopub.filter((m) => m.parentHeader.msg_id === first.header.msg_id);
  expect(printed({ ...(await first.done), outputs })).toBe("turning\n");
});

test("a cell that is sent while an earlier one's callback turns is not stopped half-way into the kernel", async () => {
  const { header, done } = kernel.begin("setTimeout(() => { console.log('turning'); while (true); }, 100); 0");
  await done;
  await turning(header.msg_id);
  const long = kernel.begin(Array.from({ length: 4000 }, (_, i) => `const more${i} = { i: ${i} };`).join("\n"));
  await kernel.ask("control", "interrupt_request", {});
  await long.done;
  expect(result(await run("'alive'"))).toBe("'alive'");
});

test("while nothing runs it is harmless", async () => {
  await kernel.ask("control", "interrupt_request", {});
  kernel.process.kill("SIGINT");
  await new Promise((r) => setTimeout(r, 200)); // a signal that comes while the next cell runs is that cell's
  expect(result(await run("'alive'"))).toBe("'alive'");
});

test("process.exit ends the kernel with that status, behind all that was printed", async () => {
  const other = await KernelClient.start();
  const { header } = other.begin("for (let i = 0; i < 1e5; i++) console.log(i); console.error('last'); process.exit(3)");
  expect(await other.exited).toBe(3);
  const mine = (m: Message) => m.parentHeader.msg_id === header.msg_id;
  await other.until((m) => mine(m) && m.content.name === "stderr");
  const answer = { reply: undefined as never, outputs: other.iopub.filter(mine) };
  expect(printed(answer)).toBe(Array.from({ length: 1e5 }, (_, i) => `${i}\n`).join(""));
  await other.stop();
});

test.each(["control", "shell"] as const)("shutdown on %s exits with 0 within two seconds and leaves no process behind", async (channel) => {
  const other = await KernelClient.start();
  const started = await other.run("import { spawn } from 'node:child_process'; const child = spawn('sleep', ['100']); child.pid");
  const pid = Number(result(started));
  expect(lives(pid)).toBe(true);
  await other.output(other.begin("console.log(1); while (true) {}"));
  const asked = performance.now();
  void other.ask(channel, "shutdown_request", { restart: false });
  expect(await other.exited).toBe(0);
  expect(performance.now() - asked).toBeLessThan(2500);
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(lives(pid)).toBe(false);
  await other.stop();
});

test("a process that a cell waits for without awaiting it is interrupted; one in the background is left alone", async () => {
  const started = await run("import { execSync, spawn } from 'node:child_process'; const beside = spawn('sleep', ['100']); beside.pid");
  const asked = performance.now();
  expect(failed(await kernel.runAndInterrupt("execSync('sleep 20; echo')", 200)).ename).toBe("KeyboardInterrupt");
  expect(performance.now() - asked).toBeLessThan(8000);
  expect(lives(Number(result(started)))).toBe(true);
  await run("beside.kill()");
  const both = "const just = spawn('sleep', ['100']); console.log(just.pid); execSync('sleep 20; echo')"; // without a turn between
  const stopped = await kernel.runAndInterrupt(both, 200);
  expect(lives(Number(printed(stopped).trim().split("\n").at(-1)))).toBe(true);
  await run("just.kill()");
});

test.each([
  ["that a cell waits for without awaiting it", "execSync"],
  ["that a shell has started", "exec"],
])("shutdown ends a process %s", async (_, start) => {
  const other = await KernelClient.start();
  const file = join(mkdtempSync(join(tmpdir(), "erpo-pid-")), "pid");
  await other.run("import { exec, execSync } from 'node:child_process';");
  await other.output(other.begin(`console.log(1); ${start}('sleep 100 & echo $! > ${file}; wait; echo')`));
  await new Promise((resolve) => setTimeout(resolve, 500));
  void other.ask("control", "shutdown_request", { restart: false });
  expect(await other.exited).toBe(0);
  expect(lives(Number(readFileSync(file, "utf8")))).toBe(false);
  await other.stop();
});

test("a kernel whose server was killed ends too, with what its cells have started", async () => {
  const other = await KernelClient.start({ parent: true });
  const started = await other.run(
    "import { spawn } from 'node:child_process'; const children = [false, true].map((detached) => spawn('sleep', ['100'], { detached }).pid); [process.pid, ...children].join(' ')",
  );
  const pids = result(started)!.slice(1, -1).split(" ").map(Number);
  expect(pids.map(lives)).toEqual([true, true, true]);
  other.process.kill("SIGKILL");
  await expect.poll(() => pids.map(lives), { timeout: 5000 }).toEqual([false, false, false]);
  await other.stop();
});

test("so does one whose server was killed before the kernel could look", async () => {
  const gone = spawnSync(process.execPath, ["--version"]).pid;
  const other = new KernelClient({ env: { JPY_PARENT_PID: String(gone) } });
  await other.spawn();
  const late = new Promise((resolve) => setTimeout(() => resolve("it lives"), 20_000).unref());
  expect(await Promise.race([other.exited, late])).toBeNull(); // by SIGKILL
  await other.stop();
});

test("training in a package ends with its cell, and another may begin", async () => {
  await run(
    "import * as tf from '@tensorflow/tfjs'; const x = tf.zeros([64, 4]), y = tf.zeros([64, 1]); let epochs = 0;\n" +
      "const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [4] })] }); model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });\n" +
      "const fit = (n: number) => model.fit(x, y, { epochs: n, verbose: 0, callbacks: { onEpochEnd: () => { epochs++; } } });",
  );
  await stop("await fit(1e6)");
  await run("await new Promise((r) => setTimeout(r, 300)); const stopped = epochs;");
  await run("await new Promise((r) => setTimeout(r, 300));");
  expect(result(await run("stopped > 0 && epochs === stopped"))).toBe("true");
  expect(result(await run("(await fit(2)).epoch.length"))).toBe("2");
});

test("a model whose training was stopped can be trained again, a large one too", async () => {
  await run(
    "import * as tf2 from '@tensorflow/tfjs-node'; const wide = tf2.sequential(); wide.add(tf2.layers.dense({ units: 512, inputShape: [256] })); wide.add(tf2.layers.dense({ units: 1 }));\n" +
      "wide.compile({ loss: 'meanSquaredError', optimizer: 'sgd' }); const X = tf2.randomNormal([4000, 256]), Y = tf2.randomNormal([4000, 1]);",
  );
  for (let turn = 0; turn < 3; turn++) {
    expect(failed(await kernel.runAndInterrupt("await wide.fit(X, Y, { epochs: 1000, verbose: 0 })", 700)).ename).toBe("KeyboardInterrupt");
    expect(result(await run("(await wide.fit(X, Y, { epochs: 1, verbose: 0 })).epoch.length"))).toBe("1");
  }
});

test.each(["console.log('x'.repeat(1000))", "process.stdout.write('y')"])("a flood of %s is stopped like any loop", async (print) => {
  const cell = kernel.begin(`for (;;) ${print};`);
  await kernel.output(cell);
  await new Promise((r) => setTimeout(r, 500));
  const asked = performance.now();
  await kernel.ask("control", "interrupt_request", {});
  expect(performance.now() - asked).toBeLessThan(500);
  expect(failed(await cell.done).ename).toBe("KeyboardInterrupt");
  expect(performance.now() - asked).toBeLessThan(3000);
});

test.each([
  [
    "awaits its timers",
    "export async function loop(seen) { try { for (;;) { await new Promise((r) => setTimeout(r, 5)); seen.n++; } } finally { seen.ended = true; } }",
  ],
  [
    "sets the next in the last",
    "export function loop(seen) { return new Promise(() => { const tick = () => { seen.n++; setTimeout(tick, 5); }; tick(); }); }",
  ],
  ["uses immediates", "export async function loop(seen) { for (;;) { await new Promise(setImmediate); seen.n++; } }"],
])("a loop of a package that %s ends with its cell, and nobody else's does", async (_, code) => {
  writeFileSync(join(kernel.folder, "looping.mjs"), code);
  await run("const other = { n: 0 }; const again = () => { other.n++; setTimeout(again, 5); }; again();");
  await run("import { loop } from './looping.mjs'; const earlier = { n: 0, ended: false }; void loop(earlier);");
  await run("const seen = { n: 0, ended: false };");
  await stop("await loop(seen)");
  await new Promise((r) => setTimeout(r, 100)); // no other cell has begun
  await run("await new Promise((r) => setTimeout(r, 100)); const [stopped, others, earlierNow] = [seen.n, other.n, earlier.n];");
  await run("await new Promise((r) => setTimeout(r, 200));");
  const ended = code.includes("finally") ? "seen.ended" : "true";
  expect(result(await run(`[seen.n > 0, seen.n === stopped, other.n > others, earlier.n > earlierNow, ${ended}]`))).toBe(
    "[ true, true, true, true, true ]",
  );
});

test("a timer that a stopped cell has left disturbs no other cell", async () => {
  await stop("setInterval(() => {}, 1); await new Promise(() => {})");
  const code = `import { access } from "node:fs/promises";
for (let i = 0; i < 300; i++) { await access("/"); await new Promise((r) => setTimeout(r, 0)); }`;
  expect(failed(await run(code)).evalue).toBeUndefined();
});
