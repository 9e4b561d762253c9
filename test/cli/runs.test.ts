import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { stage1 } from "../../src/methods/erpo/stage1.js";
import { stage2 } from "../../src/methods/erpo/stage2.js";
import { devScore } from "../../src/runs/dev.js";
import { evaluate } from "../../src/runs/evaluate.js";
import type { Run } from "../../src/runs/run.js";
import { bootstrap, erpo } from "../reports/cli.js";
import { finish, openTiny } from "../runs/tiny-run.js";

/** `erpo runs` on a run of the tiny model and a branch of it with another beta. */

const root = realpathSync(mkdtempSync(join(tmpdir(), "erpo-list-")));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let [run, branch]: Run[] = [];
beforeAll(async () => {
  run = await openTiny(join(root, "quick"));
  await finish(stage1(run));
  await finish(stage2(run));
  await finish(evaluate(run, await run.policy("2-dpo"), ["harmful"]));
  branch = await run.branch(join(root, "sweeps/runs/beta=0.1"), { after: "1-sft" });
  await finish(stage1(branch));
  await finish(stage2(branch, { beta: 0.1 }));
  await devScore(branch, "2-dpo");
  mkdirSync(join(root, "empty/.git"), { recursive: true });
});

interface Status {
  path: string;
  state: string;
  reason?: string;
  sharedWith?: string;
}

async function status(dir: string): Promise<Map<string, Status>> {
  const { code, stdout, stderr } = await erpo(["runs", "status", dir, "--json"]);
  expect(code, stderr).toBe(0);
  return new Map((JSON.parse(stdout).results as Status[]).map((result) => [result.path, result]));
}

test("the table: a run per row, with what is not the default and what it takes on disk", async () => {
  const { code, stdout, stderr } = await erpo(["runs", root]);
  expect(code, stderr).toBe(0);
  const [head, ...lines] = stdout.trimEnd().split("\n");
  expect(head).toMatch(/^run +profile +seed +branch of +not the default +last step +dev AUC +on disk +last change$/);
  expect(lines).toHaveLength(2);
  const { step } = run!.metrics("2-dpo").at(-1)!;
  expect(lines[0]).toMatch(new RegExp(`/quick +tiny +1 +- +- +2-dpo ${step}: loss \\S+, margin \\S+ +- +\\d+ [kM]B +\\d+ (s|min) ago$`));
  expect(lines[1]).toMatch(
    new RegExp(
      `/beta=0\\.1 +tiny +1 +\\S+/quick +2-dpo: beta 0\\.1 +2-dpo ${step}: loss .* +0\\.\\d{3} \\(2-dpo\\) +\\d+ [kM]B +\\d+ (s|min) ago$`,
    ),
  );

  const { runs } = JSON.parse((await erpo(["runs", root, "--json"])).stdout);
  expect(runs).toMatchObject([
    { dir: run!.dir, parameters: {}, last: { stage: "2-dpo", step, loss: run!.metrics("2-dpo").at(-1)!.loss } },
    { dir: branch!.dir, branchOf: run!.dir, parameters: { "2-dpo": { beta: 0.1 } }, dev: { stage: "2-dpo" } },
  ]);
  // what a related method keeps is no parameter of the run
  const policies = join(run!.dir, "methods/cdpo/lambda-1");
  mkdirSync(policies, { recursive: true });
  const identity = {
    ...JSON.parse(readFileSync(run!.path("2-dpo/identity.json"), "utf8")).identity,
    objective: { loss: "cdpo", budget: 0.25 },
  };
  writeFileSync(
    join(policies, "identity.json"),
    JSON.stringify({ format: 1, digest: "d", files: ["methods/cdpo/lambda-1/stage.json"], identity }),
  );
  const again = JSON.parse((await erpo(["runs", root, "--json"])).stdout);
  rmSync(join(run!.dir, "methods"), { recursive: true });
  expect(again.runs[0].parameters).toEqual({});
  // what the two share is counted once: together they take what their different inodes do
  const inodes = new Map<number, number>();
  for (const dir of [run!.dir, branch!.dir])
    for (const file of readdirSync(dir, { recursive: true, encoding: "utf8" })) {
      const { ino, blocks } = statSync(join(dir, file));
      inodes.set(ino, 512 * blocks);
    }
  expect(runs[0].bytes + runs[1].bytes).toBe([...inodes.values()].reduce((sum, bytes) => sum + bytes, 0));

  expect((await erpo(["runs", join(root, "empty")])).stdout).toBe(`${join(root, "empty")}: no runs here: npm start makes one\n`);
  expect(await erpo(["runs", join(root, "none")])).toMatchObject({ code: 1, stderr: `erpo: ${join(root, "none")}: no such folder\n` });
});

test("the status: each result in a line, shared ones named, missing ones with what they wait for", async () => {
  const { stdout } = await erpo(["runs", "status", branch!.dir]);
  expect(stdout).toMatch(/^current {2}1-sft +shared with \S*quick$/m);
  expect(stdout).toMatch(/^current {2}2-dpo$/m);
  expect(stdout).toMatch(/^missing {2}evaluation\/2-dpo\/general\.json +not computed yet$/m);
  expect(stdout).toMatch(
    /^missing {2}evaluation\/3-length-controlled\/dan\.json +3-length-controlled, which it is made from, is missing too$/m,
  );
  expect(stdout).toMatch(/\n\n\d+ current, 0 stale, \d+ missing\n$/);
  expect(await erpo(["runs", "status", root])).toMatchObject({
    code: 1,
    stderr: `erpo: ${root}: holds no run.json: name a run's folder, such as runs/quick, which \`npm start\` makes\n`,
  });
});

test("a run.json that is no run's is left out of the table and named, and so by the status", async () => {
  const strays = join(root, "sweeps");
  for (const [name, text, words] of [
    ["empty", "{}", "not the record of a run: choose another folder"],
    ["training", '{"method":"sft","model":"m","data":"rows.jsonl","seed":1}', "not the record of a run: choose another folder"],
    ["torn", '{"format":1,', "not JSON"],
    [".", "{}", "not the record of a run: choose another folder"], // the runs below are there
  ] as const) {
    const file = join(strays, name, "run.json");
    mkdirSync(join(strays, name), { recursive: true });
    writeFileSync(file, text);
    const { code, stdout, stderr } = await erpo(["runs", root]);
    expect(code).toBe(0);
    expect(stdout.trimEnd().split("\n")).toHaveLength(3);
    expect(stderr).toMatch(new RegExp(`^erpo: left out: ${file}: ${words}.*\n$`));
    const asked = await erpo(["runs", "status", join(strays, name)]);
    expect(asked.code).toBe(1);
    expect(asked.stderr).toMatch(new RegExp(`^erpo: ${file}: ${words}.*\n$`));
    rmSync(file);
  }
});

test("a result of another version of the recipe is stale, as the job would refuse it", async () => {
  expect((await status(run!.dir)).get("2-dpo/pairs.json")?.state).toBe("current");
  const file = run!.path("2-dpo/pairs.identity.json");
  const kept = readFileSync(file, "utf8");
  const record = JSON.parse(kept);
  writeFileSync(file, JSON.stringify({ ...record, identity: { ...record.identity, version: 1 } }));
  expect((await status(run!.dir)).get("2-dpo/pairs.json")).toMatchObject({
    state: "stale",
    reason: expect.stringMatching(/^made by version 1 of the recipe, not \d+: a branch or another folder computes it$/),
  });
  writeFileSync(file, kept);
});

test("what stands on a stage that was trained again is stale, and says so; a stage that was begun is missing", async () => {
  expect((await status(run!.dir)).get("evaluation/2-dpo/harmful.json")?.state).toBe("current");
  rmSync(run!.path("2-dpo"), { recursive: true });
  await finish(stage2(run!, { beta: 0.1 }));
  const after = await status(run!.dir);
  expect(after.get("2-dpo")).toEqual({ path: "2-dpo", state: "current" });
  expect(after.get("evaluation/2-dpo/harmful.json")).toMatchObject({
    state: "stale",
    reason: "2-dpo is another one than it was made from",
  });
  rmSync(run!.path("1-sft/stage.json"));
  rmSync(run!.path("1-sft/decision/adapter_model.safetensors"));
  const begun = await status(run!.dir);
  expect(begun.get("1-sft")).toMatchObject({ state: "missing", reason: "begun, and not through: the same notebook goes on with it" });
  expect(begun.get("1-sft/decision")).toMatchObject({ state: "missing", reason: "its adapter is not there" });
  expect(begun.get("1-sft/dev.json")).toMatchObject({ state: "missing", reason: "1-sft, which it is made from, is missing too" });
  expect((await status(branch!.dir)).get("1-sft")?.state).toBe("current"); // its own name of the file
});

test("it is light: neither TensorFlow nor a model is loaded", () => {
  const loaded = join(root, "loaded");
  for (const args of [
    ["runs", root],
    ["runs", "status", branch!.dir],
  ]) {
    writeFileSync(loaded, "");
    const hook = join(import.meta.dirname, "../reports/record-modules.mjs");
    execFileSync(process.execPath, [bootstrap, ...args], { env: { ...process.env, LOADED: loaded, NODE_OPTIONS: `--import=${hook}` } });
    const packages = [...readFileSync(loaded, "utf8").matchAll(/\/node_modules\/((?:@[^/\n]+\/)?[^/\n]+)/g)].map(([, name]) => name!);
    expect(packages).toContain("commander"); // the record works
    expect(packages.filter((name) => /^(?:@tensorflow|@huggingface|danfojs|typescript|vega|zeromq)/.test(name))).toEqual([]);
  }
});
