import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, test } from "vitest";
import { relatedMethods } from "../../src/methods/related.js";
import { passesSolutions } from "./solutions.js";

/** The notebooks of the related methods on a tiny model, one behind the other in one run, with the solutions of their exercises as cells behind them. */

const scratch = mkdtempSync(join(tmpdir(), "erpo-exercises-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** These run in test/cli, where their results are. */
const elsewhere = ["rose", "cdpo", "scpo", "reason4rec"];
const names = relatedMethods.filter(({ name }) => !elsewhere.includes(name)).map(({ name }) => `related/${name}`);

test.each(names)("%s: the notebook runs, and both solutions pass their checks", { timeout: 400_000 }, (name) =>
  passesSolutions(name, scratch, { profileName: "tiny", runDir: join(scratch, "run") }),
);
