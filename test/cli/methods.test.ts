import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { afterAll, expect, test } from "vitest";
import { budgets } from "../../src/methods/budgets.js";
import { plan } from "../../src/methods/erpo/plan.js";
import { stage1 } from "../../src/methods/erpo/stage1.js";
import { stage2 } from "../../src/methods/erpo/stage2.js";
import { stage3 } from "../../src/methods/erpo/stage3.js";
import { relatedMethods } from "../../src/methods/related.js";
import { settings } from "../../src/methods/rose.js";
import { readMethodRows } from "../../src/methods/rows.js";
import { profile } from "../../src/runs/profile.js";
import { passesSolutions } from "../notebooks/solutions.js";
import { finish, openTiny } from "../runs/tiny-run.js";

const root = resolve(import.meta.dirname, "../..");
const scratch = mkdtempSync(join(tmpdir(), "erpo-methods-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const erpo = (...args: string[]) =>
  spawnSync(process.execPath, [join(root, "src/setup/bootstrap.mjs"), ...args], { cwd: root, encoding: "utf8" });

const dir = join(scratch, "run");
const tiny = ["--profile", "tiny", "--model", join(root, "test/fixtures/llama-tiny"), "--run", dir];

/** When each kept outcome was written. */
const written = (): Record<string, number> =>
  Object.fromEntries(
    readdirSync(join(dir, "evaluation"), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".json"))
      .map((file) => [file, statSync(join(dir, "evaluation", file)).mtimeMs]),
  );

test("ROSE on a tiny model: notebook, page, policies and rows in the run's folder", () => {
  const first = erpo("methods", "run", "rose", ...tiny);
  expect(first.status, first.stderr).toBe(0);
  expect(first.stderr).toContain(`${relative(root, dir)} holds no run yet: one begins there\n`);
  expect(first.stderr).toMatch(/method 1 of 1: rose, about \d+ s here \(tiny profile\)/);
  expect(first.stdout).toMatch(/^rose: rose-base-manual-reverse-0\.5-mask /m);

  const made = join(dir, "methods/rose");
  const notebook = JSON.parse(readFileSync(join(made, "rose.ipynb"), "utf8"));
  expect(notebook.cells.flatMap((cell: { outputs?: { output_type: string }[] }) => cell.outputs ?? []).length).toBeGreaterThan(10);
  const rows = readMethodRows(dir, "rose");
  expect(rows).toHaveLength((settings.length + 1) * 4 * 4); // the base model too; four suites of four prompts
  expect(new Set(rows.map(({ policy }) => policy)).size).toBe(settings.length + 1);
  const policy = JSON.parse(readFileSync(join(made, "rose-base-opposite-replace-0.3/policy.json"), "utf8"));
  expect(policy.decoding).toMatchObject({
    kind: "contrast",
    alpha: 0.3,
    against: expect.stringContaining("You are a careless, dishonest"),
  });

  const verified = erpo("verify", join(made, "rose.html"), "--json");
  expect(JSON.parse(verified.stdout)).toMatchObject({ ok: true });
}, 300_000);

test("both solutions of ROSE's exercises pass their checks", { timeout: 300_000 }, () =>
  passesSolutions("related/rose", scratch, { profileName: "tiny", runDir: dir }),
);

test("where the run has ERPO's last stage since, a second run computes that stage's answers and nothing else", async () => {
  const run = await openTiny(dir);
  for (const stage of [stage1(run), stage2(run), stage3(run)]) await finish(stage);
  const before = written();
  const second = erpo("methods", "run", "rose", ...tiny);
  expect(second.status, second.stderr).toBe(0);
  expect(second.stderr).not.toContain("holds no run yet");
  const added = Object.keys(written()).filter((file) => !(file in before));
  expect(written()).toMatchObject(before);
  const policies = [...new Set(added.map((file) => file.split("/")[0]!))];
  expect(policies.sort()).toEqual(["3-length-controlled", "rose-3-length-controlled-greedy", expect.stringMatching(/^rose-3-.*-0\.\d/)]);
  expect(new Set(readMethodRows(dir, "rose").map(({ policy }) => policy)).size).toBe(settings.length + 1 + 3);
}, 300_000);

test("the budgets: as many tokens as the plans have, a line per method and ERPO's first", () => {
  const lines = budgets(profile("quick"), relatedMethods, 136).split("\n");
  expect(lines.map((line) => line.split(/ {2,}/)[0])).toEqual([
    "quick, thousands of tokens",
    "erpo (main job)",
    ...relatedMethods.map(({ name }) => name),
  ]);
  const work = plan(profile("quick")).flatMap((notebook) => notebook.work);
  const trained = work.filter(({ kind }) => kind === "train").reduce((sum, { tokens }) => sum + tokens, 0);
  expect(lines[1]!.split(/ {2,}/)[1]).toBe(String(Math.ceil(trained / 1000)));
  expect(lines.find((line) => line.startsWith("scans"))!.split(/ {2,}/)[1]).toBe("0"); // it steers, and trains nothing
  expect(budgets(profile("full"), relatedMethods, 136)).not.toBe(budgets(profile("quick"), relatedMethods, 136));
});

test("the list names each method and what it needs", () => {
  const { status, stdout } = erpo("methods", "list");
  expect(status).toBe(0);
  expect(stdout).toMatch(/^rose {8}ROSE: reverse prompt contrastive decoding +the base model$/m);
  expect(stdout).toMatch(/^reason4rec {2}Reason4Rec: reasons before ratings +the base model, movielens-100k$/m);
}, 60_000);

test.each([
  ["a method that does not exist", ["methods", "run", "rose", "tulip", ...tiny], 2, 'no method is called "tulip"; there is: rose'],
  ["no method", ["methods", "run"], 2, "missing required argument 'names': see --help"],
  ["an empty folder", ["methods", "run", "rose", "--run", ""], 2, "It must be a folder: it is empty"],
  ["erpo's own folder", ["methods", "run", "rose", "--run", "."], 1, "would write over erpo's own notebooks"],
  ["a folder with another run", ["methods", "run", "rose", ...tiny, "--seed", "2"], 1, "holds a run with seed 1, not 2"],
])(
  "%s ends in one clear line",
  (_, args, code, words) => {
    const { status, stderr } = erpo(...args);
    expect(status, stderr).toBe(code);
    expect(stderr.trim().split("\n").at(-1)).toContain(words);
    expect(existsSync(join(dir, "methods/tulip"))).toBe(false);
  },
  60_000,
);
