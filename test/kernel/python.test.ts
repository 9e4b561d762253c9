import { execFile } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { install } from "../../kernel/install.js";
import { testPython } from "./python-env.js";

const python = testPython();
const skipped = python ? "" : " (skipped: Python's clients are not installed; ERPO_REQUIRE_ALL=1 installs them)";
const prefix = mkdtempSync(join(tmpdir(), "erpo-prefix-"));
install({ prefix });

/** Runs a script beside this file in an empty folder. */
async function clients(script: string): Promise<{ stdout: string; stderr: string }> {
  const env = { ...process.env, JUPYTER_PATH: join(prefix, "share", "jupyter") };
  return promisify(execFile)(python!, [fileURLToPath(new URL(script, import.meta.url))], {
    cwd: mkdtempSync(join(tmpdir(), "erpo-empty-")),
    env,
  });
}

test.skipIf(!python)(`jupyter_kernel_test${skipped}`, async () => {
  const { stderr } = await clients("conformance.py");
  expect(stderr).toMatch(/Ran 12 tests[\s\S]*OK/);
});

test.skipIf(!python)(`nbclient${skipped}`, async () => {
  const { stdout } = await clients("nbclient_check.py");
  const answers = JSON.parse(stdout);
  expect(answers.plain).toEqual([null, [["hi\n"], ["21"]]]);
  expect(answers.update).toEqual([null, [["'b'"]]]);
  expect(answers.raises).toEqual([null, [["expected"], ["1"], ["2"]]]);
  expect(answers.error).toEqual([
    ["TypeError", "real"],
    [["1"], ["real"], []],
  ]);
  expect(answers.parameters[1].at(-1)).toEqual(["'0.5 b,c'"]);
});
