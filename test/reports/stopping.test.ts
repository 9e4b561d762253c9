import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { executeNotebook } from "../../reports/execute/execute.js";
import { progressLine } from "../../reports/execute/progress.js";
import { readNotebook } from "../../reports/notebook/read.js";
import type { CodeCell, Output } from "../../reports/notebook/types.js";
import { isAlive } from "../../src/setup/alive.js";
import { bootstrap } from "./cli.js";
import { code, writeNotebook } from "./notebooks.js";

const output = () => join(mkdtempSync(join(tmpdir(), "erpo-test-")), "out.ipynb");

/** The outputs of the `n`th cell, from 0. */
const outputs = (file: string, n = 0): Output[] => (readNotebook(file).notebook.cells[n] as CodeCell).outputs;

test("a cell that takes too long keeps its outputs and ends in an error that says the limit", async () => {
  const file = output();
  // The first cell waits for the type checker to load, which on a busy machine can take the limit alone.
  const path = writeNotebook([code("1"), code("console.log('partial'); for (;;) {}"), code("2")]);
  await expect(executeNotebook(path, { output: file, timeout: 15 })).rejects.toThrow(
    /^nb\.ipynb: cell 2: not done within 15 s \(--timeout\)$/,
  );
  expect(outputs(file, 1)).toMatchObject([
    { text: "partial\n" },
    { output_type: "error", ename: "TimeoutError", evalue: "not done within 15 s (--timeout)" },
  ]);
  expect(readNotebook(file).notebook.metadata.erpo!.execution).toMatchObject({ complete: false });
});

test("the last output of a cell whose kernel dies names the cause", async () => {
  const file = output();
  const path = writeNotebook([code("console.log('partial'); await new Promise((r) => setTimeout(r, 200)); process.exit(3)")]);
  await expect(executeNotebook(path, { output: file })).rejects.toThrow("nb.ipynb: cell 1: the kernel died: exit code 3");
  expect(outputs(file)).toMatchObject([{ text: "partial\n" }, { ename: "DeadKernelError", evalue: "the kernel died: exit code 3" }]);
  await expect(executeNotebook(writeNotebook([code("process.abort()")]), { output: file })).rejects.toThrow(
    "the kernel died: killed by SIGABRT (signal 6)",
  );
});

test("an interrupt is named in the notebook as the kernel names it", async () => {
  const file = output();
  const stop = new AbortController();
  const onProgress = ({ line }: { line: string }) => line === "partial" && stop.abort();
  const path = writeNotebook([code("console.log('partial'); await new Promise(() => {})")]);
  await expect(executeNotebook(path, { output: file, signal: stop.signal, onProgress })).rejects.toThrow(
    /^nb\.ipynb: cell 1: interrupted$/,
  );
  expect(outputs(file)).toMatchObject([{ text: "partial\n" }, { ename: "KeyboardInterrupt" }]);
});

test("a second run on the same file is told who writes it", async () => {
  const file = output();
  const path = writeNotebook([code("await new Promise((r) => setTimeout(r, 8000))")]);
  const stop = new AbortController();
  const run = executeNotebook(path, { output: file, signal: stop.signal });
  run.catch(() => {});
  while (!existsSync(file)) await sleep(20);
  await expect(executeNotebook(path, { output: file })).rejects.toThrow(
    `${file}: is being written by another run (process ${process.pid})`,
  );
  stop.abort();
  await expect(run).rejects.toThrow("interrupted");
  await executeNotebook(writeNotebook([code("1")]), { output: file });
  expect(readdirSync(dirname(file))).toEqual(["out.ipynb"]);
});

/** Prints its process, then grows its output and writes ever more cells. */
const growing = [
  code("console.log('pid', process.pid)"),
  ...Array.from({ length: 60 }, (_, i) =>
    code(`for (let k = 0; k < 300; k++) console.log(${i}, "x".repeat(200)); await new Promise((r) => setTimeout(r, 20));`),
  ),
];

const start = (path: string, file: string): ChildProcess => {
  const folder = dirname(file);
  writeFileSync(join(folder, "nb.ipynb"), readFileSync(path));
  return spawn(process.execPath, [bootstrap, "execute", path, "--no-cache", "--output", folder], { stdio: "ignore" });
};

async function kernelOf(file: string): Promise<number> {
  for (;;) {
    const found = existsSync(file) && /pid (\d+)/.exec(readFileSync(file, "utf8"))?.[1];
    if (found) return Number(found);
    await sleep(20);
  }
}

test.each(["kernel", "executor"] as const)(
  "kill -9 of the %s at any moment leaves a whole notebook",
  async (victim) => {
    for (let round = 0; round < 4; round++) {
      const path = writeNotebook(growing, "grown.ipynb");
      const file = join(mkdtempSync(join(tmpdir(), "erpo-test-")), "grown.ipynb");
      const executor = start(path, file);
      const ended = new Promise<number | null>((done) => executor.once("exit", done));
      const kernel = await kernelOf(file);
      await sleep(Math.random() * 800);
      process.kill(victim === "kernel" ? kernel : executor.pid!, "SIGKILL");
      expect(await ended).not.toBe(0);
      const cells = readNotebook(file).notebook.cells as CodeCell[];
      expect(cells).toHaveLength(growing.length);
      const last = cells.findLastIndex((cell) => cell.outputs.length > 0);
      expect(cells.slice(0, last).every((cell) => cell.execution_count !== null)).toBe(true);
      if (victim === "kernel")
        expect(cells[last]!.outputs.at(-1)).toMatchObject({ ename: "DeadKernelError", evalue: expect.stringContaining("SIGKILL") });
      for (let i = 0; i < 100 && isAlive(kernel); i++) await sleep(100);
      expect(isAlive(kernel)).toBe(false);
      await executeNotebook(writeNotebook([code("1")]), { output: file }); // the place is free again
      expect(readdirSync(dirname(file)).sort()).toEqual(["grown.ipynb", "nb.ipynb"]);
    }
  },
  240_000,
);

test.each([
  ["SIGTERM", 143],
  ["SIGHUP", 129],
  ["SIGKILL", null],
] as const)(
  "%s to the executor ends its kernel and leaves neither connection file nor sockets; SIGTERM to the kernel neither",
  async (signal, status) => {
    const [folder, temporary] = [mkdtempSync(join(tmpdir(), "erpo-test-")), mkdtempSync(join(tmpdir(), "t-"))];
    const path = writeNotebook([code("console.log('pid', process.pid); await new Promise((r) => setTimeout(r, 60_000))")], "slow.ipynb");
    const run = async () => {
      const words = [bootstrap, "execute", path, "--no-cache", "--output", folder];
      const executor = spawn(process.execPath, words, { stdio: "ignore", env: { ...process.env, TMPDIR: temporary } });
      const ended = new Promise<number | null>((done) => executor.once("exit", done));
      rmSync(join(folder, "slow.ipynb"), { force: true });
      return { executor, ended, kernel: await kernelOf(join(folder, "slow.ipynb")) };
    };
    const { executor, ended, kernel } = await run();
    expect(readdirSync(temporary)).toHaveLength(1);
    executor.kill(signal);
    expect(await ended).toBe(status);
    for (let i = 0; i < 100 && (isAlive(kernel) || readdirSync(temporary).length > 0); i++) await sleep(100);
    expect(isAlive(kernel)).toBe(false);
    expect(readdirSync(temporary)).toEqual([]);
    expect(readdirSync(folder).filter((name) => name.endsWith(".lock")).length).toBe(signal === "SIGKILL" ? 1 : 0); // taken over by the next run
    if (signal === "SIGKILL") return;
    const again = await run();
    process.kill(again.kernel, signal);
    expect(await again.ended).toBe(1);
    expect(readdirSync(temporary)).toEqual([]);
  },
  240_000,
);

test("progress is one line that is redrawn on a terminal, and nothing elsewhere", async () => {
  const written: string[] = [];
  const stream = (isTTY: boolean) => ({ isTTY, columns: 40, write: (text: string) => written.push(text) }) as unknown as NodeJS.WriteStream;
  const at = (cell: number, seconds: number, line: string) => ({ notebook: "a.ipynb", cell, cells: 9, seconds, line });
  const terminal = progressLine(stream(true));
  terminal.show(at(1, 1, "one"));
  terminal.show(at(1, 1.01, "two")); // too soon to be read
  terminal.show(at(2, 1.02, "\u001b[31mthree\u001b[0m\tof\nmany words that do not fit"));
  terminal.clear();
  expect(written).toEqual(["\r\x1b[2Ka.ipynb  cell 1 of 9  0:01  one", "\r\x1b[2Ka.ipynb  cell 2 of 9  0:01  three of m…", "\r\x1b[2K"]);
  written.length = 0;
  const log = progressLine(stream(false));
  log.show(at(3, 60, "step 60"));
  log.clear();
  expect(written).toEqual([]);
});
