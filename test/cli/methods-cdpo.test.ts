import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { dual } from "../../src/methods/cdpo/ascent.js";
import { budgets, fixedGoals } from "../../src/methods/cdpo/trade-off.js";
import { readMethodRows } from "../../src/methods/rows.js";
import { passesSolutions } from "../notebooks/solutions.js";
import { erpo, runTinyMethod } from "../reports/cli.js";

const scratch = mkdtempSync(join(tmpdir(), "erpo-cdpo-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

test("C-DPO on a tiny model: notebook, page, a policy per step of lambda, and rows in the run's folder", async () => {
  const dir = join(scratch, "run");
  const { code, stderr, stdout } = await runTinyMethod("cdpo", dir);
  expect(code, stderr).toBe(0);
  expect(stdout).toMatch(/^cdpo: cdpo-budget-25 /m);

  const made = join(dir, "methods/cdpo");
  const names = [...budgets.map((share) => `budget-${100 * share}`), ...fixedGoals.map(({ name }) => name)];
  for (const name of names)
    for (let step = 1; step <= dual.steps; step++)
      expect(existsSync(join(made, name, `step-${step}`, "adapter_model.safetensors")), `${name} ${step}`).toBe(true);
  const rows = readMethodRows(dir, "cdpo");
  expect(new Set(rows.map(({ policy }) => policy))).toEqual(new Set(["base", ...names.map((name) => `cdpo-${name}`)]));
  expect(rows).toHaveLength((names.length + 1) * 4 * 3); // four suites of three prompts

  const { cells } = JSON.parse(readFileSync(join(made, "cdpo.ipynb"), "utf8"));
  const claims = cells.find(({ id }: { id: string }) => id === "claims").outputs[0].data["text/markdown"];
  expect(
    [claims]
      .flat()
      .join("")
      .match(/^- budget-/gm),
  ).toHaveLength(2 * budgets.length);
  expect(JSON.parse((await erpo(["verify", join(made, "cdpo.html"), "--json"])).stdout)).toMatchObject({ ok: true });
}, 400_000);

test("both solutions of its exercises pass their checks", { timeout: 400_000 }, () =>
  passesSolutions("related/cdpo", scratch, { profileName: "tiny", runDir: join(scratch, "run") }),
);
