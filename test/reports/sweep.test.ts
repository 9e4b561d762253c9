import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { readNotebook } from "../../reports/notebook/read.js";
import { combinationName, combinations, parseAxis } from "../../reports/sweep/axes.js";
import { groupFigures } from "../../reports/sweep/figures.js";
import { groupMembers } from "../../reports/sweep/groups.js";
import type { Member } from "../../reports/sweep/member.js";
import { erpo } from "./cli.js";
import { code, writeNotebook } from "./notebooks.js";

const cache = mkdtempSync(join(tmpdir(), "erpo-cache-"));
const execute = (...args: string[]) => erpo(["execute", ...args], { ERPO_CACHE: cache });

test("values are JSON where they are JSON, and texts otherwise", () => {
  expect(parseAxis("beta=0.05,0.1,1e-3")).toEqual({ name: "beta", values: [0.05, 0.1, 0.001] });
  expect(parseAxis("loss=dpo,ipo")).toEqual({ name: "loss", values: ["dpo", "ipo"] });
  expect(parseAxis("layers=[1,2],[3]").values).toEqual([[1, 2], [3]]);
  expect(parseAxis('mixed=1,true,none,"a,b"').values.slice(0, 3)).toEqual([1, true, "none"]);
  for (const wrong of ["beta", "beta=", "=1", "a b=1"]) expect(() => parseAxis(wrong)).toThrow("--sweep beta=0.05,0.1,0.5");
  expect(() => parseAxis("beta=0.1,0.10")).toThrow("beta: the value 0.1 is given twice");
});

test("the cross product, each with a name that any file system takes", () => {
  expect(combinations([parseAxis("a=1,2"), parseAxis("b=x,y")])).toEqual([
    { a: 1, b: "x" },
    { a: 1, b: "y" },
    { a: 2, b: "x" },
    { a: 2, b: "y" },
  ]);
  expect(combinationName({ beta: 0.05, loss: "ipo" })).toBe("beta=0.05.loss=ipo");
  const axis = fc.record({ name: fc.constantFrom("a", "b", "c"), values: fc.uniqueArray(fc.jsonValue(), { minLength: 1, maxLength: 4 }) });
  fc.assert(
    fc.property(fc.uniqueArray(axis, { selector: ({ name }) => name, minLength: 1 }), (axes) => {
      const sets = combinations(axes);
      expect(sets).toHaveLength(axes.reduce((n, { values }) => n * values.length, 1));
      for (const set of sets) expect(combinationName(set)).toMatch(/^[abc]=[\p{L}\p{N}.,+_-]*(\.[abc]=[\p{L}\p{N}.,+_-]*)*$/u);
    }),
  );
});

test("a sweep runs every combination, shows them beside each other, and goes on after a failure", async () => {
  const path = writeNotebook([
    code('const beta: number = 0.1;\nconst loss: "dpo" | "ipo" = "dpo";', [], { tags: ["parameters"] }),
    code('import { value } from "erpo";\nvalue("val-margin", 10 * beta);\nvalue("val-loss", loss);'),
    code('if (beta > 0.4) throw new Error("too <large>");'),
  ]);
  const output = join(mkdtempSync(join(tmpdir(), "erpo-sweep-")), "runs");
  const file = `${output}.yaml`;
  writeFileSync(file, "loss: dpo\nbeta: 7\n");
  const args = [path, "--params", file, "--sweep", "beta=0.05,0.1,0.5", "-p", "loss", "ipo", "--output", output];
  const { code: status, stdout, stderr } = await execute(...args);
  expect(status, stderr).toBe(1);
  expect(stderr).toContain("erpo: nb.beta=0.5.ipynb: cell 4: Error: too <large>\nerpo: 1 of 3 runs failed\n");
  expect(stdout).toContain("sweep.html");
  for (const beta of ["0.05", "0.1", "0.5"]) {
    const { notebook } = readNotebook(join(output, `nb.beta=${beta}.ipynb`));
    expect(notebook.cells[1]!.source).toBe(`// Parameters\nconst loss: "dpo" | "ipo" = "ipo";\nconst beta: number = ${beta};`);
    expect(existsSync(join(output, `nb.beta=${beta}.html`))).toBe(true);
  }
  const page = readFileSync(join(output, "sweep.html"), "utf8");
  const rows = [...page.matchAll(/<tr>(.*?)<\/tr>/g)].map(([, row]) =>
    [...row!.matchAll(/<t[hd][^>]*>(.*?)<\/t[hd]>/g)].map(([, cell]) => cell!.replace(/<[^>]*>/g, "")),
  );
  expect(rows[0]).toEqual(["beta", "status", "time", "val-margin"]);
  expect(rows.slice(1).map(([beta, state, , margin]) => [beta, state, margin])).toEqual([
    ["0.05", "done", "0.5"],
    ["0.1", "done", "1.0"],
    ["0.5", "failed: cell 4: Error: too &lt;large&gt;", "5.0"],
  ]);
  expect(page).toContain("<p>The same in all runs: <code>val-loss</code> ipo.</p>");
  expect(page).toContain('<a href="nb.beta%3D0.05.html" aria-label="Report of beta = 0.05">');
  expect(page).toContain("<svg");
  expect(page).toContain("loss = &quot;ipo&quot;");
  expect(page).not.toContain("beta = 7"); // of the file, which each member has its own value for

  const again = await execute(...args, "--allow-errors");
  expect(again.code, again.stderr).toBe(0); // errors are allowed: another run, not the cached one
  const cached = await execute(...args, "--allow-errors");
  expect(cached.stdout.match(/from the cache/g)).toHaveLength(3);
  expect(readFileSync(join(output, "sweep.html"), "utf8")).toContain("done, from the cache");
}, 240_000);

test.each([
  ["no folder for the copies", ["--sweep", "beta=1"], 2, "needs --output"],
  ["no values", ["--sweep", "beta", "--output", "x"], 2, "needs a name and values"],
  ["groups by what is not swept", ["--sweep", "beta=1", "--group-by", "loss", "--output", "x"], 2, "--group-by loss: is not swept"],
  ["the same parameter twice", ["--sweep", "beta=1", "--sweep", "beta=2", "--output", "x"], 2, "beta is swept twice"],
  ["a parameter with a value besides", ["--sweep", "beta=1", "-p", "beta", "2", "--output", "x"], 2, "give one of them"],
  [
    "a parameter that the notebook lacks",
    ["--sweep", "bet=1", "--output", "/tmp/erpo-none"],
    1,
    'nb.ipynb: the parameters cell has no "bet"; it has beta',
  ],
  ["a value for what no notebook has", ["-p", "bet", "1"], 1, "-p bet: no notebook here has such a parameter; there is: beta"],
])("%s: said before anything is run", async (_, args, status, words) => {
  const path = writeNotebook([code("const beta = 1;", [], { tags: ["parameters"] })]);
  const ended = await execute(path, ...args);
  expect(ended.code, ended.stderr).toBe(status);
  expect(ended.stderr.trim().split("\n")).toHaveLength(1);
  expect(ended.stderr).toContain(words);
});

test("a mean over seeds is drawn unless all runs have the same number, whatever their mean is rounded to", async () => {
  expect((0.1 + 0.1 + 0.1) / 3).not.toBe(0.1);
  const members = [0.2, 0.3, 0.5].map((margin, i): Member => {
    const values = new Map([
      ["val-base", { text: "0.1", number: 0.1 }],
      ["val-margin", { text: `${margin}`, number: margin }],
    ]);
    return { path: "nb.ipynb", swept: { seed: i + 1 }, output: "out.ipynb", status: "done", values };
  });
  const grouping = await groupMembers(members, [{ name: "seed", values: [1, 2, 3] }], undefined);
  const figures = await groupFigures(grouping!);
  expect(figures).toHaveLength(1);
  expect(figures[0]).toContain("val-margin over seed");
});
