import { randomUUID } from "node:crypto";
import { createHeader, encode } from "../../../kernel/wire/messages.js";
import { lives } from "../../kernel/client.js";
import type { Case } from "./case.js";
import { need, within } from "./peer-kernel.js";

const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;

/** Loops that are stopped, by the words of the table. */
const ENDLESS: Record<string, { python: string; typescript: string }> = {
  "an endless loop": { python: "while True:\n    pass", typescript: "while (true) {}" },
  "a loop that catches everything": {
    python: "while True:\n    try:\n        while True:\n            pass\n    except:\n        pass",
    typescript: "while (true) { try { while (true) {} } catch {} }",
  },
  "a sleep": { python: "import time\ntime.sleep(100)", typescript: "await new Promise((r) => setTimeout(r, 100_000))" },
};

const REDECLARED: Case = {
  feature: "what is declared again reaches functions of earlier cells",
  snippets: {
    python: [
      "factor = 2",
      "def scale(x):\n    return factor * x",
      "def use(x):\n    return scale(x)",
      "factor = 3",
      "def scale(x):\n    return 10 * factor * x",
      "use(1)",
    ],
    typescript: [
      "const factor = 2;",
      "function scale(x: number): number { return factor * x; }",
      "const use = (x: number) => scale(x);",
      "const factor = 3;",
      "function scale(x: number): number { return 10 * factor * x; }",
      "use(1)",
    ],
  },
  async check(kernel, cells) {
    const value = await kernel.value(...cells);
    need(value === "30", `the call gives ${value || "nothing"}, not 30`);
    return undefined;
  },
};

const interrupts = Object.entries(ENDLESS).map(
  ([what, { python, typescript }]): Case => ({
    feature: `an interrupt stops ${what}`,
    snippets: { python: [python], typescript: [typescript] },
    check: async (kernel, [code]) => seconds(await kernel.stopped(code!)),
  }),
);

const KEPT: Case = {
  feature: "the state is kept after an interrupt",
  snippets: {
    python: ["state = 'kept'", ENDLESS["an endless loop"]!.python, "state"],
    typescript: ["let state = 'kept';", ENDLESS["an endless loop"]!.typescript, "state"],
  },
  async check(kernel, [before, loop, after]) {
    await kernel.ok(before!);
    await kernel.stopped(loop!);
    await new Promise((resolve) => setTimeout(resolve, 1000)); // some kernels drop what is sent at once
    need((await kernel.value(after!)).includes("kept"), "the variable has another value");
    return undefined;
  },
};

const COMPLETION: Case = {
  feature: "completion while a cell runs, within 300 ms",
  snippets: {
    python: ["import math, time", "end = time.time() + 8\nwhile time.time() < end:\n    pass", "math.sq"],
    typescript: ["const unused = 0;", "const end = Date.now() + 8000; while (Date.now() < end);", "Math.sq"],
  },
  async check(kernel, [before, loop, code]) {
    const complete = () => kernel.ask("shell", "complete_request", { code, cursor_pos: code!.length });
    await kernel.ok(before!);
    const idle = await within(20_000, complete(), "no answer while nothing runs either");
    need(JSON.stringify(idle.content.matches).includes("sqrt"), "no such name while nothing runs either");
    const { header, done } = kernel.begin(loop!);
    await kernel.begun(header);
    let over = false;
    const end = done.then(() => {
      over = true;
    });
    const times: number[] = [];
    for (let i = 0; i < 5 && !over; i++) {
      const asked = performance.now();
      await within(60_000, complete(), "no answer");
      times.push(performance.now() - asked);
    }
    const late = over;
    await end;
    need(!late, "it is answered when the cell is over");
    const longest = Math.round(Math.max(...times)); // of a kernel that its cell blocks, the first waits for the cell's end
    need(longest < 300, `it takes ${longest} ms`);
    return `${longest} ms at most`;
  },
};

const BACKGROUND: Case = {
  feature: "output of background work goes to the cell that started it",
  snippets: {
    python: [
      "import threading, time\ndef late():\n    time.sleep(1)\n    print('late')\nthreading.Thread(target=late).start()",
      "import time\ntime.sleep(3)",
    ],
    typescript: ["setTimeout(() => console.log('late'), 1000); 0", "await new Promise((r) => setTimeout(r, 3000))"],
  },
  async check(kernel, [start, wait]) {
    const { header, done } = kernel.begin(start!);
    await done;
    await kernel.ok(wait!);
    const text = kernel.iopub.find((m) => m.header.msg_type === "stream" && m.content.text.includes("late"));
    need(text, "it is lost");
    need(text.parentHeader.msg_id === header.msg_id, "it goes to the cell that runs by then");
    return undefined;
  },
};

const RUNS = 100;
const ALLOWED = 100; // MB, an eighth of what the runs make
const MEMORY: Case = {
  feature: `memory after ${RUNS} runs of a cell whose value has 8 MB`,
  snippets: {
    python: ["big = [0.5] * 1_000_000\nbig"],
    typescript: ["const big = new Array(1_000_000).fill(0.5); big"],
  },
  async check(kernel, [code]) {
    for (let i = 0; i < 5; i++) await kernel.ok(code!);
    const before = kernel.memory();
    for (let i = 0; i < RUNS; i++) await kernel.ok(code!);
    const more = Math.round(kernel.memory() - before);
    need(more < ALLOWED, `${more} MB more`);
    return more > 0 ? `${more} MB more` : "no more";
  },
};

const FORGED: Case = {
  feature: "forged and replayed messages are dropped",
  snippets: {
    python: ["count = 0", "count += 100", "count += 1", "count"],
    typescript: ["let count = 0;", "count += 100;", "count += 1;", "count"],
  },
  async check(kernel, [declare, forged, replayed, read]) {
    const frames = (code: string, key: string) => {
      const content = { code, silent: false, store_history: true, user_expressions: {}, allow_stdin: false, stop_on_error: true };
      return encode({ ...kernel.connection, key }, { header: createHeader("execute_request", kernel.session), content }) as Buffer[];
    };
    await kernel.ok(declare!);
    await kernel.shell.send(frames(forged!, randomUUID()));
    const twice = frames(replayed!, kernel.connection.key);
    await kernel.shell.send(twice);
    await kernel.shell.send(twice);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const count = await kernel.value(read!);
    need(Number(count) < 100, "a message with another key is run");
    need(count === "1", count === "2" ? "a replayed message is run again" : `the counter is ${count}`);
    return undefined;
  },
};

const SHUTDOWN: Case = {
  feature: "shutdown ends the kernel and the processes of its cells",
  snippets: {
    python: ["import subprocess\nsubprocess.Popen(['sleep', '100']).pid"],
    typescript: ["import { spawn } from 'node:child_process'; spawn('sleep', ['100']).pid"],
  },
  async check(kernel, [code]) {
    const pid = Number(await kernel.value(code!));
    need(pid > 1 && lives(pid), "no process is started");
    try {
      const asked = performance.now();
      void kernel.ask("control", "shutdown_request", { restart: false });
      await within(30_000, kernel.exited, "the kernel stays");
      const took = performance.now() - asked;
      await new Promise((resolve) => setTimeout(resolve, 300));
      need(!lives(pid), "the process stays");
      return seconds(took);
    } finally {
      if (lives(pid)) process.kill(pid);
    }
  },
};

/** How cells run, are stopped and end. */
export const RUNNING: Case[] = [REDECLARED, ...interrupts, KEPT, BACKGROUND, COMPLETION, MEMORY, FORGED, SHUTDOWN];
