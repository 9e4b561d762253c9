import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Answer, KernelClient, result } from "../kernel/client.js";
import { machine } from "./common.js";

const CELLS = 5000;
const EVERY = 1000;

/** What a session is left with after so many cells, MB. */
interface Memory {
  cells: number;
  heap: number;
  /** Outside of the heap: buffers, tensors of the plain JavaScript device. */
  external: number;
  rss: number;
}

/** A session's kinds of cells, each run again and again; `k` counts all cells. Each says how it has to end. */
const kinds: [status: "ok" | "error", code: (k: number) => string][] = [
  ["ok", (k) => `const fixed = ${k};`],
  ["ok", (k) => `let counter = ${k}; counter += 1; counter`],
  ["ok", (k) => `var old = "${k}"; function next(x: number): number { return x + ${k}; }\nnext(counter)`],
  ["ok", (k) => `class Made<T> { #own = ${k}; constructor(readonly value: T) {} get own() { return this.#own; } }\nnew Made("a").own`],
  ["ok", (k) => `enum Colour { red = ${k}, green } interface Row { id: number; colour: Colour } type Rows = Row[];\nColour.green`],
  ["ok", (k) => `const rows: Rows = [{ id: ${k}, colour: Colour.red }]; const [{ id }, ...others] = rows; id + others.length`],
  ["ok", (k) => `namespace Inner { export const value = ${k}; } Inner.value`],
  [
    "ok",
    (k) =>
      `function* count() { for (let i = 0; i < 3; i++) yield i + ${k}; } async function last() { return [...count()].at(-1); }\nawait last()`,
  ],
  [
    "ok",
    () =>
      "const big = new Float64Array(250_000).fill(1); const objects = Array.from({ length: 20_000 }, (_, i) => ({ i })); big.length + objects.length",
  ],
  [
    "ok",
    () =>
      'import * as tf from "@tensorflow/tfjs"; const kept = tf.tidy(() => tf.ones([64, 64]).matMul(tf.ones([64, 64])).sum()); kept.dataSync()[0]; kept.dispose();',
  ],
  [
    "ok",
    () => 'import { readFileSync } from "node:fs"; import { twice } from "./local.js"; twice(readFileSync("local.ts", "utf8").length)',
  ],
  ["ok", (k) => `const { twice: again } = await import("./local.js"); again(${k})`],
  [
    "ok",
    (k) =>
      `import { display, html, progress } from "erpo"; const shown = display(html("<b>${k}</b>")); shown.update(html("<i>${k}</i>")); const bar = progress(3); for (let i = 0; i < 3; i++) bar.tick(); bar.done();`,
  ],
  [
    "ok",
    (k) =>
      `import { figure } from "erpo"; figure({ data: { values: [{ x: 1, y: ${k} }] }, mark: "point", encoding: { x: { field: "x", type: "quantitative" }, y: { field: "y", type: "quantitative" } } }, { label: "fig-soak", caption: "A point.", alt: "A point." })`,
  ],
  [
    "ok",
    (k) =>
      `setTimeout(() => console.log("late", ${k}), 1); const ticking = setInterval(() => {}, 1); setTimeout(() => clearInterval(ticking), 5); await new Promise((r) => setTimeout(r, 8));`,
  ],
  ["ok", (k) => `for (let i = 0; i < 200; i++) console.log(${k}, i); console.error("end");`],
  [
    "ok",
    () =>
      'import { comms } from "erpo"; comms.registerTarget("soak", (comm) => comm.send({})); const opened = comms.open("other", {}); opened.close();',
  ],
  [
    "ok",
    () =>
      'import { EventEmitter } from "node:events"; const emitter = new EventEmitter(); emitter.on("done", () => console.log("heard")); emitter.emit("done");',
  ],
  ["error", (k) => `const partly = ${k}; throw new RangeError("no ${k}")`],
  ["error", () => "counter = 'text'"],
  ["error", () => "const = ;"],
  ["error", () => "void Promise.reject(new Error('late')); await new Promise(() => { throw new Error('now'); })"],
];

/** Cells that never end, and are stopped. */
const endless = [
  "while (true) {}",
  "for (;;) { try { while (true) {} } catch {} }",
  "await new Promise(() => {})",
  "for (;;) await new Promise((r) => setTimeout(r, 1))",
];

const COLLECT =
  "import v8 from 'node:v8'; import vm from 'node:vm'; v8.setFlagsFromString('--expose-gc'); const collect = vm.runInNewContext('gc');";
const MEMORY = "collect(); collect(); JSON.stringify(process.memoryUsage())";

const status = ({ reply }: Answer) => reply.content.status as string;

test(
  `memory over ${CELLS} cells that are run again`,
  async () => {
    const kernel = await KernelClient.start({ patience: 120_000 }); // other work may keep the machine busy
    const seen: Memory[] = [];
    /** Messages of cells that are over are not looked at again. */
    const forget = () => {
      kernel.iopub = [];
    };
    const measure = async (cells: number) => {
      const text = result(await kernel.run(MEMORY))!;
      const { heapUsed, external, rss } = JSON.parse(text.slice(1, -1)) as NodeJS.MemoryUsage;
      seen.push({ cells, heap: heapUsed / 1e6, external: external / 1e6, rss: rss / 1e6 });
      console.log(JSON.stringify(seen.at(-1)), new Date().toISOString());
    };
    await kernel.run(COLLECT);
    const started = performance.now();
    for (let k = 1; k <= CELLS; k++) {
      if (k % 110 === 1) writeFileSync(join(kernel.folder, "local.ts"), `export const twice = (x: number): number => 2 * x; // ${k}\n`);
      if (k % 25 === 0) {
        const answer = await kernel.runAndInterrupt(endless[(k / 25) % endless.length]!, k % 20);
        expect(answer.reply.content.ename).toBe("KeyboardInterrupt");
      } else {
        const [expected, code] = kinds[k % kinds.length]!;
        const answer = await kernel.run(code(k));
        expect([code(k), status(answer), answer.reply.content.evalue]).toEqual([
          code(k),
          expected,
          expected === "ok" ? undefined : expect.anything(),
        ]);
      }
      if (k % 10 === 0) await kernel.ask("shell", "complete_request", { code: "rows[0].", cursor_pos: 8 });
      if (k % EVERY === 0 || k === EVERY / 4) await measure(k);
      forget();
    }
    const minutes = (performance.now() - started) / 60_000;
    console.log(`${machine()}; ${CELLS} cells in ${minutes.toFixed(1)} minutes; MB after a collection\n`);
    console.log("| cells | heap | outside | RSS |\n|---|---|---|---|");
    for (const { cells, heap, external, rss } of seen)
      console.log(`| ${cells} | ${heap.toFixed(0)} | ${external.toFixed(0)} | ${rss.toFixed(0)} |`);
    expect(await kernel.stop()).toBe(0);
    const [first, last] = [seen.find((s) => s.cells === EVERY)!, seen.at(-1)!];
    expect(last.rss / first.rss).toBeLessThan(1.1);
  },
  3 * 60 * 60_000,
);
