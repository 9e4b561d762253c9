import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { notebookSeconds } from "../../src/methods/erpo/duration.js";
import { stages } from "../../src/methods/erpo/stages.js";
import { method, pricings, trainings } from "../../src/methods/scpo/scpo.js";
import { profile } from "../../src/runs/profile.js";
import { suiteTrials } from "../../src/runs/trials.js";
import { passesSolutions } from "../notebooks/solutions.js";
import { erpo, runTinyMethod } from "../reports/cli.js";

const scratch = mkdtempSync(join(tmpdir(), "erpo-scpo-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

test("SCPO beside a tiny model: notebook, page, a result per training, and measures in the run's folder", async () => {
  const dir = join(scratch, "run");
  const { code, stderr } = await runTinyMethod("scpo", dir);
  expect(code, stderr).toBe(0);
  const made = join(dir, "methods/scpo");
  const all = trainings(profile("tiny"), 1);
  for (const { environment, algorithm } of all) {
    expect(existsSync(join(made, environment.name, `${algorithm.name}.json`))).toBe(true);
    expect(existsSync(join(made, environment.name, `${algorithm.name}.checkpoint.json`))).toBe(false);
  }
  for (const { name } of pricings) expect(existsSync(join(made, `language/${name}/iteration-2/stage.json`))).toBe(true);
  const answered = readFileSync(join(made, "rows.jsonl"), "utf8").trim().split("\n");
  expect(new Set(answered.map((line) => JSON.parse(line).suite))).toEqual(new Set(suiteTrials));
  const results = JSON.parse(readFileSync(join(made, "results.json"), "utf8"));
  expect(results).toHaveLength(3 * all.length); // return, cost, share within the limit
  expect(results[0]).toMatchObject({ method: "scpo", policy: "ppo", environment: "lanes", estimate: "return", seeds: 2 });

  const { cells } = JSON.parse(readFileSync(join(made, "scpo.ipynb"), "utf8"));
  const outputs = (name: string) => cells.find(({ id }: { id: string }) => id === name).outputs;
  const claims = [outputs("claims")[0].data["text/markdown"]].flat().join("");
  expect(claims.match(/^- (lanes|CartSafe-v0), SCPO less /gm)).toHaveLength(4);
  expect(claims.match(/in language the reward that is nullified, lambda [13],/gi)).toHaveLength(2);
  expect(outputs("watch")[0].data["image/svg+xml"]).toBeDefined();
  expect(JSON.parse((await erpo(["verify", join(made, "scpo.html"), "--json"])).stdout)).toMatchObject({ ok: true });
}, 400_000);

test("both solutions of its exercises pass their checks", { timeout: 400_000 }, () =>
  passesSolutions("related/scpo", scratch, { profileName: "tiny", runDir: join(scratch, "run") }),
);

test("behind the main job a quick run takes at most 10 minutes where nothing else does, 8 of them for what acts", () => {
  const planned = method.plan(profile("quick"), [stages.baseline]);
  expect(notebookSeconds(planned, 243)).toBeLessThan(10 * 60);
  expect(
    notebookSeconds(
      planned.filter(({ kind }) => kind === "act"),
      243,
    ),
  ).toBeLessThan(8 * 60);
  const names = (finished: string[]) => method.plan(profile("quick"), finished).map(({ name }) => name);
  expect(names([]).filter((name) => !names([stages.baseline]).includes(name))).toEqual([
    "answers",
    "first words",
    stages.baselineDecision,
    stages.baseline,
  ]);
});
