import { expect, test } from "vitest";
import type { Message } from "../../kernel/wire/messages.js";
import { createRng } from "../../src/backend/random.js";
import { type Answer, failed, KernelClient, printed, result } from "./client.js";

const CELLS = 2000;
const LATENCY_CELL = 10; // every tenth cell is the same kind, so that its time can be compared over the session

/** What the test knows of the session's state. */
interface Model {
  counter: number;
  declared: string;
}

const status = (answer: Answer) => answer.reply.content.status as string;

test(`${CELLS} cells with errors, redeclarations and interrupts at random: nothing lost, nothing mixed up, no slower at the end`, async () => {
  const rng = createRng(20261124);
  const kernel = await KernelClient.start();
  const model: Model = { counter: 0, declared: "0" };
  await kernel.run("let counter = 0; function next(x: number): number { return x + 1; } let declared: unknown = 0;");

  /** Stops a cell that never ends, at a moment of its own. */
  const stopped = async (code: string) => {
    expect(failed(await kernel.runAndInterrupt(code, rng.integer(0, 20))).ename).toBe("KeyboardInterrupt");
  };

  const kinds: [weight: number, cell: (k: number) => Promise<void>][] = [
    [
      30,
      async () => {
        const n = rng.integer(1, 100);
        model.counter += n;
        expect(result(await kernel.run(`counter += ${n}; counter`))).toBe(String(model.counter));
      },
    ],
    [
      15,
      async (k) => {
        const code = rng.choice([
          `const declared = ${k}`,
          `let declared = ${k} as number`,
          `class Made${k % 7} { n = ${k}; }\nconst declared = new Made${k % 7}().n;`,
          `enum declared { value = ${k} }`,
          `function declared() { return ${k}; }`,
        ]);
        model.declared = code.startsWith("enum")
          ? `{ '${k}': 'value', value: ${k} }`
          : code.startsWith("function")
            ? "[Function: declared]"
            : `${k}`;
        expect(status(await kernel.run(code))).toBe("ok");
      },
    ],
    [10, async () => expect(result(await kernel.run("declared"))).toBe(model.declared)],
    [
      10,
      async (k) => {
        const lines = rng.integer(1, 200);
        const answer = await kernel.run(`for (let i = 0; i < ${lines}; i++) console.log(${k}, i); await 1; console.error("end ${k}")`);
        expect(printed(answer)).toBe(Array.from({ length: lines }, (_, i) => `${k} ${i}\n`).join(""));
        expect(printed(answer, "stderr")).toBe(`end ${k}\n`);
      },
    ],
    [
      8,
      async (k) =>
        expect(failed(await kernel.run(`throw new RangeError("no ${k}")`))).toMatchObject({ ename: "RangeError", evalue: `no ${k}` }),
    ],
    [6, async () => expect(failed(await kernel.run("counter = 'text'")).ename).toBe("TypeCheckError")],
    [4, async () => expect(failed(await kernel.run("const = ;")).ename).toBe("SyntaxError")],
    [
      5,
      async () => {
        const answers = await Promise.all([
          kernel.run("await new Promise((r) => setTimeout(r, 100)); throw 1"),
          kernel.run("counter = -1"),
          kernel.run("counter = -2"),
        ]);
        expect(answers.map(status)).toEqual(["error", "aborted", "aborted"]);
      },
    ],
    [3, () => stopped("while (true) {}")],
    [3, () => stopped("for (;;) { try { while (true) {} } catch {} finally {} }")],
    [3, () => stopped("await new Promise(() => {})")],
    [3, () => stopped("for (;;) await new Promise((r) => setTimeout(r, 1))")],
  ];
  const deck = kinds.flatMap(([weight, cell]) => Array.from({ length: weight }, () => cell));

  await kernel.run(
    "import v8 from 'node:v8'; import vm from 'node:vm'; v8.setFlagsFromString('--expose-gc'); const collect = vm.runInNewContext('gc');",
  );
  /** MB on the heap that are in use. */
  const memory = async () => Number(result(await kernel.run("collect(); collect(); process.memoryUsage().heapUsed / 1e6")));
  const latencies: number[] = [];
  let early = 0;
  try {
    for (let k = 1; k <= CELLS; k++) {
      if (k % LATENCY_CELL === 0) {
        const started = performance.now();
        expect(result(await kernel.run(`next(${k})`))).toBe(String(k + 1));
        latencies.push(performance.now() - started);
      } else await rng.choice(deck)(k);
      if (k === CELLS / 10) early = await memory();
    }
    const messages: Message[] = kernel.iopub;
    expect(messages.filter((m) => m.header.msg_type === "execute_input").length).toBeGreaterThan(CELLS);
    const median = (xs: number[]) => [...xs].sort((a, b) => a - b)[xs.length >> 1]!;
    const count = CELLS / LATENCY_CELL / 4;
    expect(median(latencies.slice(-count))).toBeLessThan(2 * median(latencies.slice(0, count)));
    expect(await memory()).toBeLessThan(early + 0.02 * CELLS); // a cell leaves its text and source map
  } finally {
    expect(await kernel.stop()).toBe(0);
  }
}, 600_000);
