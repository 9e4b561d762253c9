import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { failed, result, useKernel } from "./client.js";

/** Loops of packages and of local files whose cell was stopped: the kernel cannot end them at once, since they wait for what it does not know. */

const kernel = useKernel("const seen = { n: 0, ended: 0 };");
const { run } = kernel;

/** Writes a module of the notebook's folder, which exports `loop`. */
const write = (file: string, code: string) => writeFileSync(join(kernel.folder, file), code);

/** Runs a module's loop and stops it; then how often it turned before that, and how often within 300 ms of the next cell. */
async function turnsAround(file: string): Promise<[before: number, after: number]> {
  await run(`import { loop } from './${file}'; seen.n = 0; seen.ended = 0;`);
  expect(failed(await kernel.runAndInterrupt("await loop(seen)", 200)).ename).toBe("KeyboardInterrupt");
  await new Promise((r) => setTimeout(r, 50)); // the last timer fires
  const turns = await run("const before = seen.n; await new Promise((r) => setTimeout(r, 300)); [before, seen.n - before]");
  return JSON.parse(result(turns)!) as [number, number];
}

test.each([
  ["plain.mjs", "export async function loop(seen) { for (;;) { try { seen.n++; await new Promise((r) => setTimeout(r, 2)); } catch {} } }"],
  [
    "typed.ts",
    "export async function loop(seen: { n: number }) { for (;;) { try { seen.n++; await new Promise((r) => setTimeout(r, 2)); } catch {} } }",
  ],
  [
    "at-once.mjs",
    "export async function loop(seen) { for (;;) { try { seen.n++; await new Promise((r) => setImmediate(r)); } catch {} } }",
  ],
  [
    "ticking.mjs",
    `export async function loop(seen) {
  for (;;) { try { seen.n++; await new Promise((r) => { const ticking = setInterval(() => { clearInterval(ticking); r(); }, 2); }); } catch {} }
}`,
  ],
  [
    "within.mjs",
    `export async function loop(seen) {
  const sleep = () => new Promise((r) => setTimeout(r, 2));
  for (;;) { try { for (;;) { seen.n++; await sleep(); } } catch { await sleep(); } finally { seen.ended++; } }
}`,
  ],
])("a loop that catches what is thrown where it waits holds no later cell up: %s", async (file, code) => {
  write(file, code);
  const [before, after] = await turnsAround(file);
  expect([before > 0, after]).toEqual([true, 0]);
});

test("what a stopped loop does for ever in its finally ends with the next stop", async () => {
  write(
    "spinning.mjs",
    "export async function loop() { try { for (;;) await new Promise((r) => setTimeout(r, 2)); } finally { for (;;) await null; } }",
  );
  await run("import { loop as spin } from './spinning.mjs';");
  await kernel.runAndInterrupt("await spin()");
  await new Promise((r) => setTimeout(r, 50));
  await kernel.ask("control", "interrupt_request", {});
  expect(result(await run("'alive'"))).toBe("'alive'");
});

const awaiting = (imports: string, wait: string) => `${imports}
export async function loop(seen) { try { for (;;) { seen.n++; await ${wait}; } } finally { seen.ended++; } }`;

test.each([
  ["setTimeout of node:timers/promises", awaiting("import { setTimeout as sleep } from 'node:timers/promises';", "sleep(2)")],
  ["setImmediate of it", awaiting("import timers from 'node:timers/promises';", "timers.setImmediate()")],
  ["its scheduler", awaiting("import { scheduler } from 'timers/promises';", "scheduler.wait(2)")],
  ["its scheduler's yield", awaiting("import { promises } from 'node:timers';", "promises.scheduler.yield()")],
  ["a promisified setTimeout", awaiting("import { promisify } from 'node:util'; const sleep = promisify(setTimeout);", "sleep(2)")],
  ["a promisified setImmediate", awaiting("import { promisify } from 'node:util';", "promisify(setImmediate)()")],
  [
    "its setInterval",
    `import { setInterval as every } from 'node:timers/promises';
export async function loop(seen) { try { for await (const one of every(2, 1)) seen.n += one; } finally { seen.ended++; } }`,
  ],
])("a loop that waits by %s ends with its cell, its finally runs, and nobody else's ends", async (_, code) => {
  write("waiting.mjs", code);
  await run("import { loop as others } from './waiting.mjs'; var other = { n: 0, ended: 0 }; void others(other);");
  const [before, after] = await turnsAround("waiting.mjs");
  expect([before > 0, after, result(await run("seen.ended"))]).toEqual([true, 0, "1"]);
  await run("var then = other.n; await new Promise((r) => setTimeout(r, 50));");
  expect(result(await run("[other.n > then, other.ended]"))).toBe("[ true, 0 ]");
});

test.each([
  [
    "sleep.mjs",
    "import { setTimeout as sleep } from 'node:timers/promises';\nexport async function loop(seen) { for (;;) { try { seen.n++; await sleep(2); } catch {} } }",
  ],
  [
    "every.mjs",
    "import { setInterval as every } from 'node:timers/promises';\nexport async function loop(seen) { for (;;) { try { for await (const _ of every(2)) seen.n++; } catch {} } }",
  ],
  ["interval.mjs", "export async function loop(seen) { setInterval(() => { seen.n++; }, 2); await new Promise(() => {}); }"],
  [
    "woken.mjs",
    "export async function loop(seen) { let go; setInterval(() => go?.(), 2); for (;;) { seen.n++; await new Promise((r) => { go = r; }); } }",
  ],
])("neither what it catches nor an interval keeps a stopped loop going: %s", async (file, code) => {
  write(file, code);
  const [before, after] = await turnsAround(file);
  expect([before > 0, after]).toEqual([true, 0]);
});

test("an interval that a stopped cell has set ends, and one of a finished cell goes on", async () => {
  await run("var kept = 0; const keeping = setInterval(() => { kept++; }, 2);");
  await run("var ticks = 0;");
  await kernel.runAndInterrupt("setInterval(() => { ticks++; }, 2); await new Promise(() => {})");
  const counts =
    "var [ticked, keptThen] = [ticks, kept]; await new Promise((r) => setTimeout(r, 100)); [ticked > 0, ticks - ticked, kept > keptThen]";
  expect(result(await run(counts))).toBe("[ true, 0, true ]");
  await run("clearInterval(keeping)");
});
