import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { failed, printed, useKernel } from "./client.js";

/** `node:timers/promises` in a cell does what it does in Node: the same code is run in both. */

const kernel = useKernel();

const imports = `import timers, { setTimeout as sleep, setInterval as every, setImmediate as soon, scheduler } from 'node:timers/promises';
import { promises, setTimeout as plain } from 'node:timers'; import { promisify } from 'node:util';`;
const told =
  "const told = async (promise: any) => { try { return ['value', await promise]; } catch (e: any) { return [e.name, e.code, e.message, String(e.cause)]; } };";

test.each([
  [
    "values",
    "[await sleep(1, 'a'), await soon('b'), await sleep(), await scheduler.wait(1), await scheduler.yield(), await Promise.all([sleep(1, 'unref', { ref: false }), soon('unref', { ref: false }), sleep(50)])]",
  ],
  ["a promise as the value", "[await sleep(1, Promise.resolve('inner')), await soon(Promise.resolve('inner'))]"],
  [
    "signals",
    `await (async () => { const all: any[] = [];
  for (const ask of [(s: any) => sleep(1000, 1, { signal: s }), (s: any) => soon(1, { signal: s }), (s: any) => scheduler.wait(1000, { signal: s })]) {
    const early = new AbortController(); early.abort('why'); all.push(await told(ask(early.signal)));
    const late = new AbortController(); const asked = told(ask(late.signal)); late.abort(new Error('because')); all.push(await asked);
  }
  return all; })()`,
  ],
  [
    "what it refuses",
    "[await told(sleep('x' as any)), await told(sleep(1, 1, 5 as any)), await told(sleep(1, 1, { signal: 1 as any })), await told(sleep(1, 1, { ref: 1 as any })), await told(soon(1, 7 as any)), await told(every('x' as any).next()), await told((async () => (scheduler.wait as any).call({}, 1))())]",
  ],
  [
    "iteration",
    `await (async () => { const all: any[] = []; const ticks: any = every(1, 'tick');
  all.push(Object.prototype.toString.call(ticks), ticks[Symbol.asyncIterator]() === ticks, await ticks.next(), await Promise.all([ticks.next(), ticks.next()]));
  all.push(await ticks.return('end'), await ticks.next());
  for await (const one of every(1, 'one')) { all.push(one); if (all.length > 8) break; }
  async function* through() { yield* every(1, 'through'); }
  for await (const one of through()) { all.push(one); if (all.length > 10) break; }
  all.push(await told((every(1) as any).throw(new Error('thrown'))));
  return all; })()`,
  ],
  [
    "iteration with a signal",
    `await (async () => { const c = new AbortController(); const all: any[] = [];
  try { for await (const one of every(1, 'one', { signal: c.signal })) { all.push(one); if (all.length === 2) c.abort('enough'); } } catch (e: any) { all.push(e.name, e.code, e.cause); }
  all.push(await told(every(1, 1, { signal: AbortSignal.abort('early') }).next())); return all; })()`,
  ],
  [
    "identities and names",
    `[timers.setTimeout === sleep, promises.setTimeout === sleep, promises.setInterval === every, promisify(setTimeout) === sleep, promisify(plain) === sleep, promisify(setImmediate) === soon,
  sleep.name, sleep.length, every.name, every.length, soon.name, soon.length, scheduler.wait.name, scheduler.wait.length, scheduler.yield.name, Object.keys(timers).sort(), Object.keys(Object.getPrototypeOf(scheduler)),
  sleep(1) instanceof Promise]`,
  ],
  [
    "order",
    `await (async () => { const order: any[] = []; await Promise.all([sleep(600).then(() => order.push(2)), sleep(300).then(() => order.push(1)), soon().then(() => order.push(0)), sleep(601).then(() => order.push(3))]); return order; })()`,
  ],
])("%s", async (_, expression) => {
  const code = `${imports}\n${told}\nconst all = JSON.stringify(${expression});`;
  const cell = await kernel.run(code);
  expect([failed(cell).evalue, printed(cell, "stderr")]).toEqual([undefined, ""]);
  const node = code.replaceAll(/: any(\[\])?| as any/g, "");
  const there = execFileSync(process.execPath, ["--input-type=module", "-e", `${node}\nprocess.stdout.write(all);`], { encoding: "utf8" });
  expect(printed(await kernel.run("console.log(all)"))).toBe(`${there}\n`);
});

test("what a package prints behind such a timer goes to the cell that called it", async () => {
  const first = await kernel.run(
    "import { setTimeout as later } from 'node:timers/promises'; void later(50).then(() => console.log('late'));",
  );
  await kernel.run("await new Promise((r) => setTimeout(r, 150))");
  const late = kernel.iopub.filter((m) => m.parentHeader.msg_id === first.reply.parentHeader.msg_id);
  expect(printed({ ...first, outputs: late })).toBe("late\n");
});
