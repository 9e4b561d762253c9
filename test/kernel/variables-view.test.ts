import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { failed, result, useKernel } from "./client.js";
import { debugging } from "./debugging.js";

const kernel = useKernel();
const { run } = kernel;
const { ask, body, byName, globals, next, start, stopAt } = debugging(kernel);

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

test("of a model its layers are shown, of any tensor how much it takes", async () => {
  await run(
    "const { real, imag } = { real: tf.ones([5]), imag: tf.ones([5]) }; const waves = tf.complex(real, imag); const bare = tf.sequential();",
  );
  const all = await globals();
  expect(all.waves.value).toBe("40 bytes on tensorflow");
  const rich = async (variableName: string) => (await body("richInspectVariables", { variableName })).data["text/plain"];
  const lines = (await rich("waves")).split("\n");
  expect([lines[0], lines.at(-1)]).toEqual(["Tensor complex64 [5] on tensorflow", "40 bytes"]);
  const summary = await rich("model");
  expect(summary).toMatch(/^Sequential sequential_1\n_+\n/);
  expect(summary).toMatch(/dense_Dense1 \(Dense\) +\[\[null,3\]\] +\[null,4\] +16 +\n/);
  expect(summary).toContain("Total params: 21");
  expect(summary).not.toContain("_callHook");
  expect(result(await run("model"))).toBe(summary);
  expect(await rich("bare")).toMatch(/^Sequential sequential_2, 0 layers, not built yet/);
  const inside = async (of: { variablesReference: number }): Promise<Record<string, string>[]> => (await body("variables", of)).variables;
  const parts = await inside(all.model);
  expect(parts.slice(0, 2).map(({ name, value }) => [name, value])).toEqual([
    ["layers", expect.any(String)],
    ["parameters", "21"],
  ]);
  const names = parts.map(({ name }) => name!);
  expect([names.includes("name"), names.findIndex((name) => name.startsWith("_")) > names.indexOf("name")]).toEqual([true, true]);
  const [layer] = await inside(parts[0] as never);
  expect((await inside(layer as never))[0]!.name).not.toMatch(/^_/);
});

test("a display method with a breakpoint is not stopped in, since nobody could let it go on; a cell is, behind it", async () => {
  const code = "const drawn = {\n  [Symbol.for('Jupyter.display')]: () => {\n    return { 'text/plain': 'drawn' };\n  },\n};";
  await start();
  await stopAt(code, [3]);
  await run(code);
  expect((await body("richInspectVariables", { variableName: "drawn" })).data).toEqual({ "text/plain": "drawn" });
  const cell = kernel.begin("drawn");
  expect(await next("stopped")).toMatchObject({ reason: "breakpoint" });
  await body("continue", { threadId: 1 });
  expect(result(await cell.done)).toBe("drawn");
});

test("a breakpoint in a file says that it will not stop", async () => {
  const source = { path: join(kernel.folder, "tools.ts") };
  const { breakpoints } = await body("setBreakpoints", { source, breakpoints: [{ line: 1 }] });
  expect(breakpoints).toEqual([
    expect.objectContaining({ verified: false, message: "breakpoints in files are not supported; set one in a cell" }),
  ]);
});
