import { chmodSync, lstatSync, mkdtempSync, readFileSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { executeNotebook, type Progress } from "../../reports/execute/execute.js";
import { OutputCollector } from "../../reports/execute/outputs.js";
import { injectParameters } from "../../reports/execute/parameters.js";
import { progressText } from "../../reports/execute/progress.js";
import { parseNotebook, readNotebook } from "../../reports/notebook/read.js";
import type { CodeCell, Notebook } from "../../reports/notebook/types.js";
import { erpo } from "./cli.js";
import { code, md, notebookJSON, writeNotebook } from "./notebooks.js";

const output = () => join(mkdtempSync(join(tmpdir(), "erpo-test-")), "out.ipynb");
const codeCells = (notebook: Notebook) => notebook.cells.filter((cell): cell is CodeCell => cell.cell_type === "code");
const parse = (...cells: Record<string, unknown>[]) => parseNotebook(notebookJSON(cells), "nb.ipynb");

test("parameters take the declaration of the parameters cell, so that they are type-checked", () => {
  const notebook = parse(
    code('const profile: "quick" | "full" = "quick";\nlet beta = 0.1;\nvar names: string[] = [];', [], { tags: ["parameters"] }),
    code("old", [], { tags: ["injected-parameters"] }),
    code("rest"),
  );
  const { notebook: injected, warnings } = injectParameters(
    notebook,
    { profile: "full", beta: 0.5, names: ["a"], seed: null },
    "typescript",
  );
  expect(injected.cells.map((cell) => cell.source)).toEqual([
    notebook.cells[0]!.source,
    '// Parameters\nconst profile: "quick" | "full" = "full";\nlet beta = 0.5;\nvar names: string[] = ["a"];\nconst seed = null;',
    "rest",
  ]);
  expect(warnings).toEqual(['the parameters cell has no "seed"; it has profile, beta, names']);
  expect(injectParameters(notebook, { a: true, b: [1, null], c: "x" }, "python").notebook.cells[1]!.source).toBe(
    '# Parameters\na = True\nb = [1, None]\nc = "x"',
  );
  expect(() => injectParameters(parse(code("1")), { a: 1 }, "typescript")).toThrow("no code cell is tagged `parameters`");
  expect(() => injectParameters(notebook, { "a b": 1 }, "typescript")).toThrow('parameter "a b": not a name');
});

test("outputs are collected as nbclient does", () => {
  const [first, second] = codeCells(parse(code("1"), code("2"))) as [CodeCell, CodeCell];
  const collector = new OutputCollector();
  collector.watch("m1", first);
  collector.watch("m2", second);
  const send = (parent: string, msg_type: string, content: Record<string, unknown>) =>
    collector.receive({ header: { msg_type }, parentHeader: { msg_id: parent }, content } as never);
  const display = (text: string, id?: string) => ({ data: { "text/plain": text }, metadata: {}, transient: id ? { display_id: id } : {} });
  send("m1", "stream", { name: "stdout", text: "a" });
  send("m1", "stream", { name: "stdout", text: "b\n" });
  send("m1", "display_data", display("1", "d"));
  send("m2", "display_data", display("1", "d"));
  send("m2", "update_display_data", display("2", "d")); // reaches both places
  send("m1", "stream", { name: "stderr", text: "late" }); // of the earlier cell
  expect(first.outputs).toMatchObject([{ text: "ab\n" }, { data: { "text/plain": "2" } }, { name: "stderr", text: "late" }]);
  expect(second.outputs).toMatchObject([{ data: { "text/plain": "2" } }]);
  send("m1", "clear_output", { wait: true });
  expect(first.outputs).toHaveLength(3);
  send("m1", "execute_result", { ...display("3"), execution_count: 1 });
  expect(first.outputs).toMatchObject([{ output_type: "execute_result", data: { "text/plain": "3" } }]);
  send("m1", "execute_result", { data: {}, metadata: {} }); // a figure as a cell's value
  send("m1", "clear_output", { wait: false });
  expect(first.outputs).toEqual([]);
  send("unknown", "stream", { name: "stdout", text: "x" });
});

test("what a cell prints or shows as text is its progress; what describes a figure is none", () => {
  const collector = new OutputCollector();
  collector.watch("m", codeCells(parse(code("1")))[0]!);
  const line = (msg_type: string, content: Record<string, unknown>) =>
    collector.receive({ header: { msg_type }, parentHeader: { msg_id: "m" }, content } as never);
  const text = { "text/plain": "[fig-loss: 3 rows]\nTwo falling lines." };
  expect(line("stream", { name: "stdout", text: "step 3\n" })).toBe("step 3\n");
  for (const type of ["display_data", "update_display_data", "execute_result"]) {
    expect(line(type, { data: { "text/plain": "epoch 2" }, metadata: {} })).toBe("epoch 2");
    expect(line(type, { data: { ...text, "image/svg+xml": "<svg/>" }, metadata: {} })).toBeUndefined();
    expect(line(type, { data: { ...text, "application/vnd.vegalite.v5+json": {} }, metadata: {} })).toBeUndefined();
    for (const metadata of [{ label: "fig-loss" }, { "fig-alt": "Two falling lines." }])
      expect(line(type, { data: text, metadata })).toBeUndefined(); // not drawn yet
  }
});

test("progress fits its line", () => {
  const progress: Progress = { notebook: "a.ipynb", cell: 3, cells: 9, seconds: 102.4, line: "\u001b[31mstep 1\u001b[0m  " };
  expect(progressText(progress, 80)).toBe("a.ipynb  cell 3 of 9  1:42  step 1");
  expect(progressText(progress, 12)).toBe("a.ipynb  ce…");
});

test("a notebook is run from top to bottom and written with times and record", async () => {
  const path = writeNotebook([
    md("# A"),
    code("const beta: number = 0.1;", [{ output_type: "stream", name: "stdout", text: "stale" }], { tags: ["parameters"] }),
    code('console.log("beta", beta);\nbeta * 2'),
    code("throw new TypeError('expected')", [], { tags: ["raises-exception"] }),
    code("not run", [{ output_type: "stream", name: "stdout", text: "kept" }], { tags: ["skip-execution"] }),
    code(
      'import { figure, trainingCurves } from "erpo";\nfigure(trainingCurves(["loss"], { rows: [{ step: 1, loss: 1 }] }), { label: "fig-a", caption: "c" })',
    ),
  ]);
  const file = output();
  const seen: Progress[] = [];
  await executeNotebook(path, { output: file, parameters: { beta: 0.5 }, onProgress: (progress) => seen.push(progress) });
  const { notebook } = readNotebook(file);
  const cells = codeCells(notebook);
  expect(cells.map((cell) => cell.execution_count)).toEqual([1, 2, 3, 4, 1, 5]);
  expect(cells[0]!.outputs).toEqual([]);
  expect(cells[2]!.outputs).toMatchObject([{ text: "beta 0.5\n" }, { output_type: "execute_result", data: { "text/plain": "1" } }]);
  expect(cells[3]!.outputs).toMatchObject([{ ename: "TypeError", evalue: "expected" }]);
  expect(cells[4]!.outputs).toMatchObject([{ text: "kept" }]);
  expect(cells[5]!.outputs).toHaveLength(1); // shown once, although it is the cell's value too
  expect(cells[5]!.outputs[0]).toMatchObject({ output_type: "display_data", metadata: { label: "fig-a", "fig-cap": "c" } });
  expect((cells[5]!.outputs[0] as { data: object }).data).toHaveProperty(["image/svg+xml"]);
  expect(Object.keys(cells[2]!.metadata.execution!)).toEqual([
    "iopub.status.busy",
    "iopub.execute_input",
    "shell.execute_reply",
    "iopub.status.idle",
  ]);
  expect(notebook.metadata.erpo!.execution).toMatchObject({
    parameters: { beta: 0.5 },
    kernel: "erpo",
    complete: true,
    environment: { node: process.version },
  });
  expect(seen.at(-1)).toMatchObject({ notebook: "nb.ipynb", cell: 7, cells: 7 });
  expect(seen.some(({ line }) => line === "beta 0.5")).toBe(true);
});

test("the first error ends the run, with what was computed until then written", async () => {
  const path = writeNotebook([md("# A"), code("console.log('before');\n(undefined as any).x"), code("console.log('after')")]);
  const file = output();
  await expect(executeNotebook(path, { output: file })).rejects.toThrow(
    /^nb\.ipynb: cell 2: TypeError: Cannot read properties of undefined/,
  );
  const { notebook } = readNotebook(file);
  expect(codeCells(notebook)[0]!.outputs).toMatchObject([{ text: "before\n" }, { output_type: "error" }]);
  expect(codeCells(notebook)[1]!.outputs).toEqual([]);
  expect(notebook.metadata.erpo!.execution).toMatchObject({ complete: false });
  await executeNotebook(path, { output: file, allowErrors: true });
  expect(codeCells(readNotebook(file).notebook)[1]!.outputs).toMatchObject([{ text: "after\n" }]);
});

test("a kernel that dies is named with its cause, and its last output kept", async () => {
  const path = writeNotebook([code("console.log('partial'); await new Promise((r) => setTimeout(r, 200)); process.exit(3)")]);
  const file = output();
  await expect(executeNotebook(path, { output: file })).rejects.toThrow("nb.ipynb: cell 1: the kernel died: exit code 3");
  expect(readFileSync(file, "utf8")).toContain("partial");
  const killed = writeNotebook([code("process.kill(process.pid, 'SIGKILL'); await new Promise(() => {})")]);
  await expect(executeNotebook(killed, { output: file })).rejects.toThrow(
    "killed by SIGKILL, most likely by the system for lack of memory",
  );
});

test("an exhausted heap is named for what it is, with the setting that gives more", async () => {
  const path = writeNotebook([code("console.log('partial'); await 1; const hog: object[] = []; for (;;) hog.push({ n: [hog.length] });")]);
  const file = output();
  process.env.NODE_OPTIONS = "--max-old-space-size=300";
  try {
    await expect(executeNotebook(path, { output: file })).rejects.toThrow(
      "nb.ipynb: cell 1: the kernel died: the JavaScript heap is exhausted; set NODE_OPTIONS=--max-old-space-size=MEGABYTES for more",
    );
  } finally {
    delete process.env.NODE_OPTIONS;
  }
});

test("a cell that takes too long is interrupted, and so is one whose caller gives up", async () => {
  const path = writeNotebook([code("for (;;) {}")]);
  await expect(executeNotebook(path, { output: output(), timeout: 1 })).rejects.toThrow("nb.ipynb: cell 1: not done within 1 s");
  const stop = new AbortController();
  const file = output();
  const run = executeNotebook(path, { output: file, signal: stop.signal, onProgress: ({ seconds }) => seconds > 3 && stop.abort() });
  await expect(run).rejects.toThrow("nb.ipynb: cell 1: interrupted");
  expect(readFileSync(file, "utf8")).toContain("KeyboardInterrupt");
});

test("a limit beyond what a timer can hold is none", async () => {
  await executeNotebook(writeNotebook([code("await new Promise((r) => setTimeout(r, 100));")]), { output: output(), timeout: 1e7 });
});

test("a notebook behind a link is written itself, and stays as private as it was", async () => {
  const path = writeNotebook([code("1 + 1")]);
  const link = join(mkdtempSync(join(tmpdir(), "erpo-test-")), "link.ipynb");
  symlinkSync(path, link);
  chmodSync(path, 0o600);
  await executeNotebook(link);
  expect(lstatSync(link).isSymbolicLink()).toBe(true);
  expect(codeCells(readNotebook(path).notebook)[0]!.outputs).toHaveLength(1);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test("two notebooks of one name do not go to one folder", async () => {
  const [one, two] = [writeNotebook([code("1")]), writeNotebook([code("2")])];
  const { code: status, stderr } = await erpo(["execute", one, two, "--output", join(one, "..", "out")]);
  expect([status, stderr]).toEqual([2, "erpo: two notebooks have the name nb.ipynb: --output cannot take both\n"]);
});

test("what cannot be run is named before a kernel starts", async () => {
  await expect(executeNotebook("/nonexistent.ipynb")).rejects.toThrow("/nonexistent.ipynb: no such file");
  const path = writeNotebook([code("1")]);
  await expect(executeNotebook(path, { kernel: "nonesuch" })).rejects.toThrow(
    /^nb\.ipynb: kernel "nonesuch" is not installed; there are: erpo/,
  );
  await expect(executeNotebook(path, { output: "/proc/no/out.ipynb" })).rejects.toThrow(/cannot be written/);
  const inFile = join(path, "out.ipynb");
  await expect(executeNotebook(path, { output: inFile })).rejects.toThrow(`${inFile}: cannot be written (ENOTDIR: not a directory)`);
});
