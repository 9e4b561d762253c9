import { readdirSync, readFileSync, statSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { compareRuns } from "../../../reports/compare/comparison.js";
import { comparisonCells } from "../../../reports/compare/document.js";
import { readRuns } from "../../../reports/compare/run-folder.js";
import { suite, writeRun } from "./folders.js";

const answers = { "2-dpo/harmful": suite("rrrc", "unsafe"), "2-dpo/look-alike-safe": suite("ccrc", "safe") };
const filesOf = (dir: string) =>
  readdirSync(dir, { recursive: true, encoding: "utf8" })
    .filter((file) => statSync(join(dir, file)).isFile())
    .sort();

test("a run whose files are cut anywhere is compared, and a cut that loses something is told", () => {
  const whole = writeRun("whole", { answers });
  fc.assert(
    fc.property(fc.nat(), fc.double({ min: 0, max: 1, noNaN: true }), (pick, at) => {
      const torn = writeRun("torn", { answers });
      const file = filesOf(torn)[pick % filesOf(torn).length]!;
      const path = join(torn, file);
      const before = readFileSync(path, "utf8");
      truncateSync(path, Math.floor(at * before.length));
      const { missing, runs } = compareRuns(readRuns([whole, torn]));
      expect(runs).toHaveLength(2);
      const after = readFileSync(path, "utf8");
      const lines = (text: string) => text.split("\n").filter(Boolean);
      const cutInLine = lines(after).some((line) => !lines(before).includes(line));
      if (cutInLine)
        expect(
          missing.some(({ run }) => run === "torn"),
          file,
        ).toBe(true);
    }),
    { numRuns: 100 },
  );
});

test("JSON of another shape is told, not read", async () => {
  const values = ["[]", "3", "{}", '{"rows":3}', '{"environments":"x","seed":[]}', '{"settings":4,"cells":[],"nbformat":4}', "null"];
  const whole = writeRun("whole", { answers });
  for (const value of values) {
    const odd = writeRun("odd", { answers });
    for (const file of filesOf(odd)) if (!file.endsWith("metrics.jsonl")) writeFileSync(join(odd, file), value);
    const comparison = compareRuns(readRuns([whole, odd]));
    expect(comparison.missing.filter(({ run }) => run === "odd").length).toBeGreaterThan(0);
    await comparisonCells(comparison);
  }
});

test("a stage that two runs share by a link is read, and a link in a circle ends", () => {
  const [a, b] = [writeRun("a"), writeRun("b", { files: { "2-dpo/metrics.jsonl": null, "2-dpo/stage.json": null } })];
  symlinkSync(join(a, "2-dpo"), join(b, "2-dpo-shared"));
  symlinkSync(b, join(b, "circle"));
  const [, shared] = readRuns([a, b]);
  expect(shared!.stages.map(({ name }) => name)).toEqual(["2-dpo-shared"]);
});
