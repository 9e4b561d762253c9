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
