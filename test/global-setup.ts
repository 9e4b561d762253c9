import { makeTestPython } from "./kernel/python-env.js";

/** Before all tests: where every test has to run, Python's Jupyter clients are installed. */
export function setup(): void {
  if (process.env.ERPO_REQUIRE_ALL === "1") makeTestPython();
}
