import { execFile } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { install } from "../../kernel/install.js";
import { skipped } from "../programs.js";
import { clientsLack, testPython } from "./python-env.js";

const python = testPython();
const note = skipped(clientsLack());
const prefix = mkdtempSync(join(tmpdir(), "erpo-prefix-"));
install({ prefix });

/** Runs a script beside this file in an empty folder. */
async function clients(script: string): Promise<{ stdout: string; stderr: string }> {
  const PATH = `${dirname(python!)}:${process.env.PATH}`;
  const env = { ...process.env, PATH, JUPYTER_PATH: join(prefix, "share", "jupyter") };
  return promisify(execFile)(python!, [fileURLToPath(new URL(script, import.meta.url))], {
    cwd: mkdtempSync(join(tmpdir(), "erpo-empty-")),
    env,
  });
}

test.skipIf(!python)(`jupyter_kernel_test${note}`, async () => {
  const { stderr } = await clients("conformance.py");
  expect(stderr).toMatch(/Ran 12 tests[\s\S]*OK/);
});

test.skipIf(!python)(`nbclient${note}`, async () => {
  const { stdout } = await clients("nbclient_check.py");
  const answers = JSON.parse(stdout);
  expect(answers.plain).toEqual([null, [["hi\n"], ["21"]]]);
  expect(answers.update).toEqual([null, [["'b'"]]]);
  expect(answers.raises).toEqual([null, [["expected"], ["1"], ["2"]]]);
  expect(answers.error).toEqual([
    ["TypeError", "real"],
    [["1"], ["real"], []],
  ]);
  expect(answers.exit).toEqual(["Kernel died", [["before\n"], []]]);
  expect(answers.parameters[1].at(-1)).toEqual(["'0.5 b,c'"]);
});

test.skipIf(!python)(`papermill sets parameters of every kind${note}`, async () => {
  const { stdout } = await clients("papermill_check.py");
  const { same, special, large, name, help } = JSON.parse(stdout.trim().split("\n").at(-1)!);
  expect([same, special]).toEqual([true, "[ -0, true ]"]);
  expect(large).toContain("parameter 'x': 1152921504606846976 is beyond 2**53");
  expect(name).toContain("parameter 'a-b': not a name that TypeScript code can use");
  expect(help).toEqual(["plain", '"quick" | "full"', '"quick"', ""]);
});

test.skipIf(!python)(`jupytext pairs a script${note}`, async () => {
  const { kernel, types, tags, result, synced } = JSON.parse((await clients("jupytext_check.py")).stdout);
  expect(kernel).toMatchObject({ name: "erpo", language: "typescript" });
  expect(types).toEqual(["markdown", "code", "code"]);
  expect([tags, result]).toEqual([["parameters"], "1"]);
  expect(synced).toContain("beta * 4");
});

test.skipIf(!python)(`nbgrader grades${note}`, async () => {
  const { release, scores } = JSON.parse((await clients("nbgrader_check.py")).stdout);
  expect(release).toContain("YOUR CODE HERE");
  expect(release).not.toContain("x * x");
  expect(scores).toEqual({ right: 2, wrong: 0 });
});

test.skipIf(!python)(`encrypted sockets serve who has the keys, and nobody else${note}`, async () => {
  expect(JSON.parse((await clients("curve_check.py")).stdout)).toEqual({ with: "42", beating: true, without: "no answer" });
});
