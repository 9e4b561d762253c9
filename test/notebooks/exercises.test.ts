import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, expect, test } from "vitest";
import { relatedMethods } from "../../src/methods/related.js";
import { erpo } from "../reports/cli.js";
import { withSolutions } from "./solutions.js";

/** The notebooks of the related methods on a tiny model, one behind the other in one run, with the solutions of their exercises as cells behind them. */

const scratch = mkdtempSync(join(tmpdir(), "erpo-exercises-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const model = resolve(import.meta.dirname, "../fixtures/llama-tiny");
const parameters = ["-p", "profileName", "tiny", "-p", "modelName", model, "-p", "runDir", join(scratch, "run")];
/** These run in test/cli, since they ask no suites. */
const elsewhere = ["scpo", "reason4rec"];
const names = relatedMethods.filter(({ name }) => !elsewhere.includes(name)).map(({ name }) => `related/${name}`);

test.each(names)("%s: the notebook runs, and both solutions pass their checks", { timeout: 400_000 }, async (name) => {
  const output = ["--output", join(scratch, "executed")];
  const { code, stderr } = await erpo(["execute", withSolutions(name, scratch), "--no-cache", ...output, ...parameters]);
  expect(code, stderr).toBe(0);
});
