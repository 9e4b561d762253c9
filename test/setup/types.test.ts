import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { packageRoot } from "../../src/setup/paths.js";

/** Vitest strips types; a test whose types do not hold may not test what it says. */
test("the types of the tests hold", { timeout: 300_000 }, () => {
  const root = packageRoot();
  const args = [join(root, "node_modules/typescript/bin/tsc"), "-p", "test/tsconfig.json", "--pretty", "false"];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: "utf8" });
  expect([stdout, stderr]).toEqual(["", ""]);
  expect(status).toBe(0);
});
