import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { writeComparison } from "../../reports/compare/compare.js";
import { beginBranches, namedRun } from "../../reports/sweep/branches.js";
import { beginBranch, parentsOf } from "../../src/runs/branch.js";
import { fixture } from "../model/open.js";
import { bootstrap, erpo } from "./cli.js";
import { code, writeNotebook } from "./notebooks.js";

const root = realpathSync(mkdtempSync(join(tmpdir(), "erpo-branches-")));
const path = (...parts: string[]) => join(root, ...parts);
afterAll(() => rmSync(root, { recursive: true, force: true }));
const sharing = () => ({ results: 0, shared: 0 });
const branching = { beginBranch, parentsOf, sharing };

test("each member branches from those before it and from the named run, also where a sweep is given more values", () => {
  const base = path("base");
  const [a, b, c, d] = ["a", "b", "c", "d"].map((name) => path("chain", name)) as [string, string, string, string];
  beginBranches(base, [a, b], branching);
  expect([parentsOf(a), parentsOf(b)]).toEqual([[base], [a, base]]);
  beginBranches(base, [c, a, d, b], branching); // a and b stay as they are
  expect([parentsOf(a), parentsOf(b)]).toEqual([[base], [a, base]]);
  expect([parentsOf(c), parentsOf(d)]).toEqual([
    [b, a, base],
    [c, b, a, base],
  ]);
  expect(() => beginBranches(path("other"), [a], branching)).toThrow(`${a} holds a run that branches from ${base}, not from`);
  rmSync(a, { recursive: true }); // the others branch from it
  beginBranches(base, [b], branching);
  expect(parentsOf(b)).toEqual([a]);
  beginBranches(base, [a, b], branching);
  expect([parentsOf(a), parentsOf(b)]).toEqual([[base], [a, base]]);
});

test("whatever folders were removed, every member leads to the named run or to a removed one, and none to itself", () => {
  const names = fc.constantFrom("a", "b", "c", "d", "e");
  const step = fc.record({ members: fc.uniqueArray(names, { minLength: 1 }), removed: names });
  let turn = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 5 }), (steps) => {
      const at = path(`any-${++turn}`);
      for (const { members, removed } of steps) {
        const dirs = members.map((name) => join(at, name));
        beginBranches(path("base"), dirs, branching);
        for (const dir of dirs) {
          const last = parentsOf(dir).at(-1)!;
          expect(last === path("base") || !existsSync(last)).toBe(true);
          expect(parentsOf(dir)).not.toContain(dir);
        }
        rmSync(join(at, removed), { recursive: true, force: true });
      }
    }),
    { numRuns: 50 },
  );
});

test("the named run is resolved from each notebook's folder, and is one", () => {
  const of = (file: string, folder: string, runDir?: string) => ({
    path: file,
    folder,
    parameters: runDir === undefined ? {} : { runDir },
  });
  expect(namedRun([of("a.ipynb", "/x/notebooks", "../runs/quick"), of("b.ipynb", "/x/notebooks")])).toBe("/x/runs/quick");
  expect(namedRun([of("a.ipynb", "/x", "../runs/quick"), of("b.ipynb", "/x/y", "../../runs/quick")])).toBe("/runs/quick");
  expect(namedRun([of("a.ipynb", "/x")])).toBeUndefined();
  expect(() => namedRun([of("a.ipynb", "/x", "a"), of("b.ipynb", "/x", "b")])).toThrow(/^b\.ipynb: its runDir is .*b, that of a\.ipynb is/);
});

const notebook = writeNotebook(
  [
    code(
      `let profileName = "tiny";\nlet seed = 1;\nlet modelName = ${JSON.stringify(fixture("llama-tiny"))};\nlet runDir = "runs/none";\nlet beta = 0.1;`,
      [],
      { tags: ["parameters"] },
    ),
    code(`import { openRun, stage1, stage2, stages, value } from "erpo";
const run = await openRun(runDir, { profile: profileName, seed, model: modelName });
for await (const _ of stage1(run));
for await (const _ of stage2(run, { beta }));
value("val-norm", run.metrics(stages.dpo).at(-1)!.grad_norm);`),
  ],
  "03-stage-2-dpo.ipynb",
);

const sweep = (output: string, ...more: string[]) =>
  erpo(["execute", notebook, "--output", output, ...more], { ERPO_CACHE: process.env.ERPO_CACHE });

/** The rows of a page's tables, cell by cell. */
const rows = (page: string) =>
  [...readFileSync(page, "utf8").matchAll(/<tr>(.*?)<\/tr>/g)].map(([, row]) =>
    [...row!.matchAll(/<t[hd][^>]*>(.*?)<\/t[hd]>/g)].map(([, cell]) => cell!.replace(/<[^>]*>/g, "")),
  );

test("a sweep over beta trains each value, shares stage 1, and goes on after kill -9", async () => {
  const output = path("betas");
  const args = ["execute", notebook, "--output", output, "--sweep", "beta=0.1,0.5"];
  const begun = join(output, "runs/beta=0.1/1-sft/stage.json");
  await killedWhen(spawn(process.execPath, [bootstrap, ...args], { detached: true }), () => existsSync(begun));
  const before = statSync(join(output, "runs/beta=0.1/1-sft/adapter_model.safetensors")).ino;
  const { code: status, stdout, stderr } = await sweep(output, "--sweep", "beta=0.1,0.5");
  expect(status, stderr).toBe(0);
  expect(stderr).toContain("runs/none: is no run yet: the sweep's runs share with each other only");
  expect(stdout).toMatch(/beta=0\.5\.ipynb {2}\(.*; shared 15 of \d+ results\)/);
  const adapter = (beta: string, stage: string) => join(output, `runs/beta=${beta}`, stage, "adapter_model.safetensors");
  for (const stage of ["1-sft", "1-sft/decision"]) expect(statSync(adapter("0.1", stage)).ino).toBe(statSync(adapter("0.5", stage)).ino);
  expect(statSync(adapter("0.1", "1-sft")).ino).toBe(before);
  expect(readFileSync(adapter("0.1", "2-dpo")).equals(readFileSync(adapter("0.5", "2-dpo")))).toBe(false);
  const [head, first, second] = rows(join(output, "sweep.html"));
  expect(head).toEqual(["beta", "status", "time", "shared results", "val-norm"]);
  expect([first![3], second![3]]).toEqual([expect.stringMatching(/^0 of \d+$/), expect.stringMatching(/^15 of \d+$/)]);
  expect(first![4]).not.toBe(second![4]);

  await writeComparison([join(output, "runs/beta=0.1"), join(output, "runs/beta=0.5")], path("compared"));
  const compared = JSON.parse(readFileSync(path("compared", "compare.json"), "utf8"));
  expect(Object.keys(compared.parameters.differing)).toEqual(["2-dpo: beta"]);
  expect(compared.trained_on.differing).toEqual({});

  // another sweep's member has the same parameters, and is not taken from this one's cache: it is another run
  const elsewhere = await sweep(path("elsewhere"), "--sweep", "beta=0.5", "-p", "runDir", join(output, "runs/beta=0.1"));
  expect(elsewhere.code, elsewhere.stderr).toBe(0);
  expect(elsewhere.stdout).not.toContain("from the cache");
  expect(elsewhere.stdout).toMatch(/; shared 15 of \d+ results/);
  const report = join(output, "03-stage-2-dpo.beta=0.5.html");
  const verified = await erpo(["verify", report]);
  expect(verified.code, verified.stdout).toBe(0);
  expect(verified.stdout).toMatch(/^parameter +same /m);
}, 400_000);

test("a sweep over seeds: a run each, with mean and spread over them", async () => {
  const output = path("seeds");
  const { code: status, stderr } = await sweep(output, "--sweep", "seed=1,2");
  expect(status, stderr).toBe(0);
  const seed = (n: number) => JSON.parse(readFileSync(join(output, `runs/seed=${n}/run.json`), "utf8")).seed;
  expect([seed(1), seed(2)]).toEqual([1, 2]);
  const table = rows(join(output, "sweep.html"));
  expect(table[0]!.slice(0, 2)).toEqual(["seed", "status"]);
  expect(table.at(-2)).toEqual(["val-norm"]);
  expect(table.at(-1)).toEqual([expect.stringMatching(/^\S+ ± \S+ \[\S+, \S+\], n = 2$/)]);
  expect(readFileSync(join(output, "sweep.html"), "utf8")).toContain('<figure id="fig-val-norm">');
}, 240_000);

/** Ends a process with all that it has started, as `kill -9` does, as soon as `when` holds. */
async function killedWhen(child: ChildProcess, when: () => boolean): Promise<void> {
  const ended = new Promise((done) => child.on("close", done));
  while (!when() && child.exitCode === null) await new Promise((done) => setTimeout(done, 20));
  try {
    process.kill(-child.pid!, "SIGKILL");
  } catch {} // it was faster
  await ended;
}
