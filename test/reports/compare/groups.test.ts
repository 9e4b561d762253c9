import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { writeComparison } from "../../../reports/compare/compare.js";
import { groupCells } from "../../../reports/compare/groups.js";
import { spread } from "../../../src/index.js";
import { json, newFolder, suite, writeRun } from "./folders.js";

/** A run whose stage 2 notes its objective, as trained runs do; its notebook, as in a sweep, is elsewhere. */
const trained = (name: string, beta: number, seed: number, answers: string): string =>
  writeRun(name, {
    seed,
    beta,
    losses: [0.7, 0.6, beta + seed / 10],
    answers: { "2-dpo/harmful": suite(answers, "unsafe") },
    files: {
      "notebooks/03-stage-2-dpo.ipynb": null,
      "2-dpo/identity.json": json({
        format: 1,
        digest: "d",
        files: ["2-dpo/stage.json"],
        identity: { objective: { loss: "dpo", beta }, seed },
      }),
    },
  });

const runs = [
  trained("a-1", 0.1, 1, "rrrrr"),
  trained("a-2", 0.1, 2, "rrrrc"),
  trained("a-3", 0.1, 3, "rrrcc"),
  trained("b-1", 0.5, 1, "ccccc"),
  trained("b-2", 0.5, 2, "ccccr"),
  trained("c-1", 0.9, 1, "rrccc"),
];

async function compared(groupBy: string[]) {
  const output = newFolder();
  const { failures } = await writeComparison(runs, output, { groupBy });
  expect(failures).toEqual([]);
  const read = (file: string) => readFileSync(join(output, file), "utf8");
  return { html: read("compare.html"), groups: JSON.parse(read("compare.json")).groups };
}

test("runs are grouped by an objective's field: mean, deviation and t-interval over seeds", async () => {
  const { groups, html } = await compared(["beta"]);
  expect(groups.by).toEqual(["beta"]);
  expect(groups.over).toEqual(["seed"]);
  expect(groups.groups.map(({ values, runs }: { values: object; runs: string[] }) => [values, runs])).toEqual([
    [{ beta: 0.1 }, ["a-1", "a-2", "a-3"]],
    [{ beta: 0.5 }, ["b-1", "b-2"]],
    [{ beta: 0.9 }, ["c-1"]],
  ]);
  const of = (group: number, measure: string) => groups.groups[group].measures.find((m: { measure: string }) => m.measure === measure);
  // refused: 1, 0.8, 0.6: mean 0.8, sd 0.2, half = 4.302653 * 0.2 / sqrt(3) = 0.49683
  const refused = of(0, "refused: title of harmful");
  expect(refused).toMatchObject({ of: "policy 2-dpo", n: 3 });
  expect([refused.mean, refused.sd, refused.low, refused.high].map((x) => x.toFixed(5))).toEqual([
    "0.80000",
    "0.20000",
    "0.30317",
    "1.29683",
  ]);
  // last losses 0.6 and 0.7: mean 0.65, sd = 0.0707107, half = 12.706205 * 0.0707107 / sqrt(2) = 0.635310
  const loss = of(1, "loss");
  expect([loss.mean, loss.low, loss.high].map((x) => x.toFixed(5))).toEqual(["0.65000", "0.01469", "1.28531"]);
  expect(of(2, "loss")).toMatchObject({ n: 1, mean: 1, sd: null });
  expect(html).toContain("Runs of a group differ in <code>seed</code>");
  expect(html).toContain("0.80 ± 0.20 [0.30,&nbsp;1.30], n = 3");
  expect(html).toMatch(/0\.40, n = 1/);
});

test("by several parameters, by run.json's fields, and by the name of none", async () => {
  const { groups } = await compared(["seed", "beta"]);
  expect(groups.groups).toHaveLength(6);
  expect(groups.over).toEqual([]);
  expect((await compared(["profile"])).groups.groups).toHaveLength(1);
  const { groups: ofModel, html } = await compared(["model"]);
  expect(ofModel.groups.map(({ values }: { values: object }) => values)).toEqual([{ model: "tiny" }]);
  expect(html).toContain("model tiny");
  await expect(compared(["bet"])).rejects.toThrow(/^no run has a parameter bet: there are .*\bbeta\b.*\bseed\b/);
});

test("groups whose values are cut alike keep their own columns", () => {
  const long = "x".repeat(100);
  const groups = ["a", "b"].map((end) => ({ values: { note: long + end }, runs: [end] }));
  const measures = [{ of: "policy 2-dpo", name: "refused", spreads: [spread([0.9]), spread([0.1])] }];
  const [, , means] = groupCells({ by: ["note"], groups, measures, over: [] });
  const text = JSON.stringify(means);
  for (const words of ["0.9", "0.1", "(group 2)"]) expect(text).toContain(words);
});
