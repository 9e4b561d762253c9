import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeTestPython } from "./kernel/python-env.js";
import { lacks } from "./programs.js";

/**
 * Before all tests: where every test has to run, Python's Jupyter clients are installed. What tests leave among the temporary files goes with
 * them; what the machine lacks, so that some were skipped, is said at the end.
 */
export function setup(): () => void {
  if (process.env.ERPO_REQUIRE_ALL === "1") makeTestPython();
  const folder = mkdtempSync(join(tmpdir(), "erpo-tests-"));
  chmodSync(folder, 0o711); // one test runs a kernel as another user
  process.env.TMPDIR = folder;
  process.env.ERPO_TEST_FOLDER = folder;
  return () => {
    for (const lack of lacks(folder)) process.stderr.write(`lacking for some tests: ${lack}\n`);
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  };
}
