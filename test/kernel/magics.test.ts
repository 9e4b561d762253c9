import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { hintFor, magics } from "../../kernel/session/magics.js";
import { failed, KernelClient, lives, printed, result, types, useKernel } from "./client.js";

const kernel = useKernel();
const { run } = kernel;

test("commands run in the notebook's folder, print as they go, and fail as bash does", async () => {
  mkdirSync(join(kernel.folder, "some"), { recursive: true });
  writeFileSync(join(kernel.folder, "some", "file"), "inside\n");
  const answer = await run("!cd some\n!cat file\n\n!echo wrong >&2");
  expect([printed(answer, "stdout"), printed(answer, "stderr"), result(answer)]).toEqual(["inside\n", "wrong\n", undefined]);
  expect(printed(await run('%%bash\ncd some\nfor x in 1 2; do echo "$x: `cat file`"; done'), "stdout")).toBe("1: inside\n2: inside\n");
  const error = failed(await run("%%bash\necho before\nexit 3"));
  expect([error.evalue, error.traceback.join("\n")]).toEqual(["bash ended with status 3", "Error: bash ended with status 3"]);
});

test("blank lines and comments may stand before a magic, commands may be indented, and both may be timed", async () => {
  for (const code of ["\n\n%%bash\necho well", "// first\n# second\n%%bash\necho well", "  !echo well", "// a comment\n!echo well\n"])
    expect([code, printed(await run(code))]).toEqual([code, "well\n"]);
  for (const code of ["%%time\n!echo well", "// a comment\n%%time\n\n%%bash\necho well"])
    expect([code, printed(await run(code))]).toEqual([code, expect.stringMatching(/^well\nWall time: [\d.]+ ms\n$/)]);
  const timed = await run("\n// a comment\n%%time\n1 + 1");
  expect([printed(timed), result(timed)]).toEqual([expect.stringContaining("Wall time"), "2"]);
  expect(types(await run("%%time\n%%html\n<b>bold</b>"))).toEqual(["execute_input", "display_data", "stream"]);
  expect(failed(await run("\n%%time\nconst n: string = 1;")).traceback.join("\n")).toContain("line 3, column 7");
});

test("names of the session do not disturb commands", async () => {
  await run("import { setTimeout } from 'node:timers/promises'; function process() {}");
  expect(printed(await run("!echo well"))).toBe("well\n");
  expect(failed(await run("%%bash\nexit 4")).evalue).toBe("bash ended with status 4");
});

test.each([
  ["a command ends with its cell, and so do those that it has started", "echo begun; sleep 1000 & echo $! > child; wait"],
  [
    "a script that traps signals ends with its cell all the same",
    "trap 'echo trapped' INT TERM\necho $$ > child; echo begun; for i in $(seq 100); do sleep 0.1; done",
  ],
])("%s", async (_, script) => {
  const cell = kernel.begin(`%%bash\n${script}`);
  await kernel.output(cell);
  await kernel.ask("control", "interrupt_request", {});
  expect(failed(await cell.done)).toMatchObject({ ename: "KeyboardInterrupt" });
  const pid = Number(readFileSync(join(kernel.folder, "child"), "utf8"));
  await expect.poll(() => lives(pid), { timeout: 5000 }).toBe(false);
});

test("a cell ends with its script, whatever that leaves in the background, and has all that the script has printed", async () => {
  const left = await run("%%bash\n(until test -e go; do sleep 0.1; done; echo late; sleep 100) &\necho $! > left\nseq 5000\nexit 0");
  expect(printed(left)).toBe(Array.from({ length: 5000 }, (_, i) => `${i + 1}\n`).join(""));
  expect(lives(Number(readFileSync(join(kernel.folder, "left"), "utf8")))).toBe(true);
  writeFileSync(join(kernel.folder, "go"), "");
  await kernel.until((m) => m.parentHeader.msg_id === left.reply.parentHeader.msg_id && m.content.text === "late\n");
  expect(failed(await run("!sleep 100 &\n!exit 3")).evalue).toBe("bash ended with status 3");
});

test("what scripts have left in the background ends with the kernel", async () => {
  const other = await KernelClient.start();
  await other.run("!sleep 100 >/dev/null 2>&1 & echo $! > first\n!sleep 100 & echo $! > second");
  const pids = ["first", "second"].map((file) => Number(readFileSync(join(other.folder, file), "utf8")));
  expect(pids.map(lives)).toEqual([true, true]);
  void other.ask("control", "shutdown_request", { restart: false });
  expect(await other.exited).toBe(0);
  await expect.poll(() => pids.map(lives), { timeout: 5000 }).toEqual([false, false]);
  await other.stop();
});

test.each([
  ["html", "text/html", "<b>bold</b>"],
  ["markdown", "text/markdown", "*x* and `y`"],
  ["latex", "text/latex", "$\\frac{1}{2}$"],
  ["svg", "image/svg+xml", "<svg xmlns='http://www.w3.org/2000/svg'/>"],
])("%%%%%s shows what stands below it", async (name, type, text) => {
  const answer = await run(`%%${name}\n${text}`);
  expect(types(answer)).toEqual(["execute_input", "display_data"]);
  expect(answer.outputs.find(({ header }) => header.msg_type === "display_data")!.content.data[type]).toBe(text);
});

test.each([
  ["print('x')", "console.log"],
  ["import numpy as np", "that is Python"],
  ["from os import path", "that is Python"],
  ["def f(x):\n    return x", "blocks stand in braces"],
  ["%matplotlib inline", "display(spec)"],
  ["%pip install numpy", "npm install NAME"],
  ["%%writefile x.txt\nhello", "no other magic"],
  ["%%writefile x.txt\nhello", "writeFileSync"],
  ["%%sh\nls", "stands under %%bash"],
  ["%cd some", "process.chdir"],
  ["%timeit 1 + 1", "%%time says"],
  ["pip install numpy", "npm install NAME"],
  ["Math.max?", "documentation is shown"],
  ["?Math", "documentation is shown"],
  ["const files = !ls -l", "execSync"],
  ["files = !ls", "execSync"],
  ["const x = 1;\n!ls", "lines all begin with"],
  ["const flag = True;", "true, false and null"],
  ["let found = None", "true, false and null"],
  ["True", "true, false and null"],
  ["# the first step\nconst x = 1;", "comments begin with //"],
  ["def f():\n    print('x')", "blocks stand in braces"],
])("%j gets one helpful line", async (code, hint) => {
  const { status, traceback } = failed(await run(code));
  expect(status).toBe("error");
  const hinted = traceback.filter((line: string) => line.startsWith("Hint: "));
  expect(hinted).toEqual([expect.stringContaining(hint)]);
});

test("what is no Python gets no hint, and only what cannot run", async () => {
  for (const code of [
    "const x: number = 'a';",
    "for (const x of [1]) x.y;",
    "import x from 'y';",
    "let a = b",
    "const a = !b",
    "a ? b : c",
  ])
    expect(hintFor(code)).toBeUndefined();
  expect(magics).toContain("time");
  expect(result(await run("const print = (x: number) => x; print(1)"))).toBe("1");
  expect(result(await run("const text = `\n!ls\n%matplotlib`; text.length"))).toBe("16");
});

test("completion in a command's cell offers nothing", async () => {
  const { content } = await kernel.ask("shell", "complete_request", { code: "!con", cursor_pos: 4 });
  expect(content).toMatchObject({ status: "ok", matches: [] });
});
