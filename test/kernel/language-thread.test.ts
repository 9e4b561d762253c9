import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { failed, KernelClient, result, useKernel } from "./client.js";

/** All orders of a union's members: of eight they take minutes to compare, of nine more memory than there is. */
const orders = "type Orders<T, K = T> = [T] extends [never] ? [] : K extends K ? [K, ...Orders<Exclude<T, K>>] : never;";
const digits = "1 | 2 | 3 | 4 | 5 | 6 | 7 | 8";

const kernel = useKernel();
const { run } = kernel;
const ask = async (type: string, content: object) => (await kernel.ask("shell", `${type}_request`, content)).content;
const complete = (code: string) => ask("complete", { code, cursor_pos: code.length });

test.each([
  ["turns without a pause", "while (!stop[0]) {}"],
  ["waits", "await new Promise((r) => setTimeout(r, 3000))"],
])("while a cell %s, code is completed, inspected and judged, and the kernel stays busy", async (_, code) => {
  await run("/** How much. */\nconst amount: number = 1;\nconst stop = new Int32Array(1);");
  await complete("amo"); // the first one reads types
  const cell = kernel.begin(`console.log("on"); ${code}`);
  await kernel.output(cell);
  try {
    const began = performance.now();
    expect((await complete("amo")).matches).toContain("amount");
    const inspected = await ask("inspect", { code: "amount", cursor_pos: 2, detail_level: 0 });
    expect(inspected.data["text/plain"]).toBe("const amount: number\n\nHow much.");
    expect((await ask("is_complete", { code: "f(" })).status).toBe("incomplete");
    expect((performance.now() - began) / 3).toBeLessThan(300);
    await kernel.ask("control", "kernel_info_request", {});
    await sleep(50);
    expect(kernel.iopub.findLast(({ header }) => header.msg_type === "status")?.content.execution_state).toBe("busy");
  } finally {
    await kernel.ask("control", "interrupt_request", {}); // whatever is wrong, the tests behind this one have a kernel
  }
  expect(failed(await cell.done).ename).toBe("KeyboardInterrupt");
});

test("a completion knows what the cell that runs will have declared", async () => {
  const cell = kernel.begin(
    "const soon = { figure: 1 }; console.log('on'); await new Promise((r) => setTimeout(r, 500)); if (soon) throw new Error('no'); const unborn = 1;",
  );
  await kernel.output(cell);
  expect((await complete("soon.")).matches).toContain("figure");
  failed(await cell.done);
  expect((await complete("soon.")).matches).toContain("figure");
  expect((await complete("unbo")).matches).not.toContain("unborn");
});

test("a completion and an inspection know what cells that wait will have declared, in their order", async () => {
  await run("const shape = 1; const known = 'a';");
  const busy = kernel.begin("const layer = { units: 8 }; console.log('on'); await new Promise((r) => setTimeout(r, 60_000));");
  await kernel.output(busy);
  const waiting = [
    "const model = { fit: (layers: (typeof layer)[]) => layers.length };",
    "const shape = 'x'; class Shape { area = 1 }",
    "%%time\nconst shape = new Shape();",
    "%%bash\nconst script = 1;",
    "declare global { interface Array<T> { added: T } } const beside = 1;",
    "const = ((;",
  ].map((code) => kernel.begin(code));
  expect((await complete("model.")).matches).toEqual(["fit"]);
  expect((await complete("shape.")).matches).toEqual(["area"]);
  expect((await complete("known.toUp")).matches).toEqual(["toUpperCase"]);
  expect((await complete("scrip")).matches).not.toContain("script");
  const inspected = await ask("inspect", { code: "model", cursor_pos: 2, detail_level: 0 });
  expect(inspected.data["text/plain"]).toMatch(/units: number/);

  await kernel.ask("control", "interrupt_request", {});
  for (const cell of waiting) expect((await cell.done).reply.content.status).toBe("aborted");
  await busy.done;
  expect((await complete("mode")).matches).not.toContain("model");
  expect((await complete("shape.toFi")).matches).toEqual(["toFixed"]);
  expect(result(await run("shape.toFixed(1)"))).toBe("'1.0'");
  expect(failed(await run("model")).ename).toBe("TypeCheckError");
});

test("what has run takes the place of what was expected of it", async () => {
  const busy = kernel.begin(
    "import { existsSync } from 'node:fs'; console.log('on'); while (!existsSync('go')) await new Promise((r) => setTimeout(r, 20));",
  );
  await kernel.output(busy);
  const half = kernel.begin("const first = 1; if (first) throw new Error('no'); const second = 2;", { stop_on_error: false });
  const whole = kernel.begin("const third = [first];");
  expect((await complete("seco")).matches).toContain("second");
  expect((await complete("third.at(0)!.toFi")).matches).toEqual(["toFixed"]);
  writeFileSync(join(kernel.folder, "go"), "");
  for (const cell of [busy, half, whole]) await cell.done;
  expect((await complete("seco")).matches).not.toContain("second");
  expect(result(await run("third.at(0)!.toFixed(1)"))).toBe("'1.0'");
});

test("a cell that has been sent, and that a callback holds up, is expected, too", async () => {
  await run("setTimeout(() => { const end = Date.now() + 1500; while (Date.now() < end); }, 100);");
  await sleep(300);
  const held = kernel.begin("const heldUp = { figure: 1 };");
  expect((await complete("heldUp.")).matches).toEqual(["figure"]);
  await held.done;
});

test("a completion knows what the cell before it declared", async () => {
  for (let i = 0; i < 40; i++) {
    await run(`const item${i}x = ${i};`);
    expect((await complete(`item${i}`)).matches).toEqual([`item${i}x`]);
  }
});

test("the next cell is checked while one runs", { timeout: 60_000 }, async () => {
  const slow = (digits: string) => `const wrong: Orders<${[...digits].join(" | ")}> = [];`;
  await run(orders);
  const timed = async (work: Promise<unknown>[]) => {
    const began = performance.now();
    await Promise.all(work);
    return performance.now() - began;
  };
  const alone = await timed([run(slow("123456"))]);
  const pause = Math.round(2 * alone + 200);
  const both = await timed([run(`await new Promise((r) => setTimeout(r, ${pause})); const waited = true;`), run(slow("123457"))]);
  expect(both - pause).toBeLessThan(alone / 2);
  expect(result(await run("waited"))).toBe("true");
});

test("a cell that was prepared for what did not come is checked for what did", async () => {
  await run("const later = 5;");
  const fails = kernel.begin(
    "await new Promise((r) => setTimeout(r, 300)); if (later) throw new Error('no'); const other = 1; const late = '';",
    {
      stop_on_error: false,
    },
  );
  const [wrong, right] = [run("other", { stop_on_error: false }), run("later.toFixed(1)")];
  failed(await fails.done);
  expect(failed(await wrong).ename).toBe("TypeCheckError");
  expect(result(await right)).toBe("'5.0'");
});

test("a type that takes minutes to check is stopped like a loop, and what has run keeps its types", { timeout: 60_000 }, async () => {
  await run("const kept = 7; function twice(x: number) { return 2 * x; }");
  const cell = kernel.begin(`${orders}\ndeclare const a: Orders<${digits}>; const b: Orders<${digits.replace("8", "9")}> = a;`);
  await sleep(3000); // it is being checked
  const asked = performance.now();
  await kernel.ask("control", "interrupt_request", {});
  expect(failed(await cell.done).ename).toBe("KeyboardInterrupt");
  expect(performance.now() - asked).toBeLessThan(2000);
  expect(result(await run("twice(kept)"))).toBe("14");
  expect(failed(await run("twice('a')")).ename).toBe("TypeCheckError");
  expect((await complete("kep")).matches).toContain("kept");
});

test("a type that takes minutes, checked while a cell runs, is stopped with that cell, and holds up nothing", {
  timeout: 60_000,
}, async () => {
  await run("const held = 7;");
  const busy = kernel.begin("console.log('on'); await new Promise((r) => setTimeout(r, 60_000));");
  await kernel.output(busy);
  const waiting = kernel.begin(`${orders}\ndeclare const a: Orders<${digits}>; const b: Orders<${digits.replace("8", "9")}> = a;`);
  await sleep(3000); // it is being checked
  await kernel.ask("control", "interrupt_request", {});
  expect(failed(await busy.done).ename).toBe("KeyboardInterrupt");
  expect((await waiting.done).reply.content.status).toBe("aborted");
  const asked = performance.now();
  expect(result(await run("held"))).toBe("7");
  expect(performance.now() - asked).toBeLessThan(5000);
  expect((await complete("hel")).matches).toContain("held");
});

test("a completion whose type takes minutes is given up for the next cell", { timeout: 60_000 }, async () => {
  await run("const waited = 7;");
  const code = `${orders}\ndeclare const a: Orders<${digits}>; const b: Orders<${digits.replace("8", "9")}> = a; b.`;
  const asked = complete(code);
  await sleep(1000); // it is being answered
  const began = performance.now();
  expect(result(await run("waited"))).toBe("7");
  expect(performance.now() - began).toBeLessThan(10_000);
  expect(await asked).toMatchObject({ status: "error", evalue: "the type checker was stopped" });
  expect((await complete("wait")).matches).toContain("waited");
});

test("a type that takes all memory costs its cell and nothing else", { timeout: 60_000 }, async () => {
  const small = await KernelClient.start({ env: { NODE_OPTIONS: "--max-old-space-size=150" } });
  await small.run("const kept = 1;");
  expect(failed(await small.run(`${orders}\nconst all: Orders<${digits} | 9> = [];`)).evalue).toMatch(
    /^the type checker failed: .*memory.*; the session's values are kept$/,
  );
  expect((await small.ask("shell", "complete_request", { code: "kep", cursor_pos: 3 })).content.matches).toContain("kept");
  expect(result(await small.run("kept + 1"))).toBe("2");
  await small.stop();
});
