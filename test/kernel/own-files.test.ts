import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { failed, printed, result, useKernel } from "./client.js";

const kernel = useKernel();
const { run } = kernel;
const write = (file: string, text: string) => {
  mkdirSync(dirname(join(kernel.folder, file)), { recursive: true });
  writeFileSync(join(kernel.folder, file), text);
};

test("a local file with faults is imported with a warning that says where they are, and where a file that it imports has some", async () => {
  write("bad.ts", "export const bad: number = 'text';\nexport const fine = 1;\n");
  write("outer.ts", "export { bad } from './bad';\n");
  for (const code of ["import { bad } from './outer'; bad", "(await import('./bad')).bad"]) {
    const done = await run(code);
    expect(result(done)).toBe("'text'");
    expect(printed(done, "stderr")).toContain(
      "The file bad.ts has faults:\nTypeCheckError: Type 'string' is not assignable to type 'number'.",
    );
    expect(printed(done, "stderr")).toContain("at bad.ts, line 1, column 14\n    1 | export const bad: number = 'text';");
  }
  expect(printed(await run("fine2 = 1; var fine2: number; fine2"), "stderr")).toBe("");
  write("bad.ts", "export const bad: number = 2;\n");
  const mended = await run("import { bad } from './outer'; bad");
  expect([result(mended), printed(mended, "stderr")]).toEqual(["2", ""]);
});

test("no faults of local files are told where types are not checked", async () => {
  write("loose.ts", "export const loose: number = 'text';\n");
  await run("import { typeCheck } from 'erpo'; typeCheck('off')");
  const done = await run("import { loose } from './loose'; loose");
  expect([result(done), printed(done, "stderr")]).toEqual(["'text'", ""]);
  await run("typeCheck('strict')");
});

test("a file that has changed keeps its types, as its values, until it is imported again", async () => {
  write("fn.ts", "export const fn = () => 'x';\n");
  write("space.ts", "export const a = 1;\n");
  await run("import { fn } from './fn'; import * as space from './space';");
  write("fn.ts", "export const fn = () => true;\n");
  write("space.ts", "export const b = 2;\n");
  expect(result(await run("const old: string = fn(); old"))).toBe("'x'");
  expect(result(await run("space.a"))).toBe("1");
  expect(failed(await run("space.b")).ename).toBe("TypeCheckError");
  expect(result(await run("import { fn } from './fn'; const now: boolean = fn(); now"))).toBe("true");
  expect(result(await run("space.a"))).toBe("1");
  expect(result(await run("import * as space from './space'; space.b"))).toBe("2");
});

test.each([
  ["a local file", "./late", "late.ts", "export default 1;\n"],
  ["a file in a folder", "./deep/late", "deep/late.ts", "export default 1;\n"],
  ["an index", "./folder", "folder/index.ts", "export default 1;\n"],
  ["JSON", "./late.json", "late.json", "1"],
  ["a package", "late-package", "node_modules/late-package/index.js", "module.exports = 1;\n"],
])("%s that was missing is found when the same cell is run again", async (_, specifier, file, text) => {
  const code = `import late from '${specifier}'; late`;
  expect(failed(await run(code)).evalue).toContain("Cannot find module");
  write(file, text);
  expect(result(await run(code))).toBe("1");
  if (!specifier.startsWith("./")) return;
  rmSync(join(kernel.folder, file));
  expect(failed(await run(code)).ename).toBe("TypeCheckError");
  write(file, text);
  expect(result(await run(code))).toBe("1");
});

test("what a local file lacks is found when it is there, and a completion knows what a file has got since", async () => {
  write("needs.ts", "import { part } from './part';\nexport const whole = part + 1;\n");
  const code = "import { whole } from './needs'; whole";
  expect(failed(await run(code)).evalue).toContain("part");
  write("part.ts", "export const part = 1;\n");
  const done = await run(code);
  expect([result(done), printed(done, "stderr")]).toEqual(["2", ""]);
  write("part.ts", "export const part = 1;\nexport const added = 2;\n");
  const text = "import { add } from './part'";
  const { matches } = (await kernel.ask("shell", "complete_request", { code: text, cursor_pos: text.indexOf("add") + 3 })).content;
  expect(matches).toContain("added");
});
