import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, expect, test } from "vitest";
import { tellsMistakes, withSolutions } from "../notebooks/solutions.js";
import { erpo } from "../reports/cli.js";

const root = resolve(import.meta.dirname, "../..");
const scratch = mkdtempSync(join(tmpdir(), "erpo-reason4rec-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

test("without MovieLens the terms are named in one line, before anything is made", async () => {
  const [cache, dir] = [join(scratch, "cache"), join(scratch, "none")];
  const { code, stderr } = await erpo(["methods", "run", "reason4rec", "--profile", "tiny", "--run", dir], { ERPO_CACHE: cache });
  expect(code).toBe(1);
  expect(stderr.trim().split("\n").at(-1)).toMatch(/GroupLens.*erpo setup --data movielens-100k --accept-terms grouplens$/);
  expect(existsSync(dir) || existsSync(cache)).toBe(false);
}, 240_000);

test("the notebook on a tiny model and made-up ratings: figures, results with intervals, solved exercises, and a page that verifies", async () => {
  const [dir, made] = [join(scratch, "run"), join(scratch, "run/methods/reason4rec")];
  const parameters = {
    profileName: "tiny",
    modelName: join(root, "test/fixtures/llama-tiny"),
    runDir: dir,
    dataDir: join(root, "test/fixtures/ratings-synthetic"),
  };
  const words = Object.entries(parameters).flatMap(([name, value]) => ["-p", name, value]);
  const executed = await erpo(["execute", withSolutions("related/reason4rec", scratch), ...words, "--output", made, "--no-cache"]);
  expect(executed.code, executed.stderr).toBe(0);
  tellsMistakes("related/reason4rec", join(made, "reason4rec.ipynb"));
  const { cells } = JSON.parse(readFileSync(join(made, "reason4rec.ipynb"), "utf8"));
  const outputOf = (id: string, kind: string) =>
    cells
      .find((cell: { id: string }) => cell.id === id)
      .outputs.flatMap(({ data = {} }: { data?: Record<string, string | string[]> }) => data[kind] ?? [])
      .flat()
      .join("");
  for (const id of ["tries-figure", "loss-figure", "history-figure", "distribution-figure"])
    expect(outputOf(id, "image/svg+xml"), id).toContain("<svg");
  expect(outputOf("claims", "text/markdown").match(/^- /gm)!.length).toBeGreaterThanOrEqual(6);
  const { errors, reasoning } = JSON.parse(readFileSync(join(made, "results.json"), "utf8"));
  expect(Object.keys(errors)).toEqual(["with reasoning", "without reasoning", "user mean", "item mean", "matrix factorisation"]);
  expect(reasoning.low <= reasoning.value && reasoning.value <= reasoning.high).toBe(true);
  expect((await erpo(["report", join(made, "reason4rec.ipynb"), "--output", made])).code).toBe(0);
  expect(readdirSync(made)).toContain("reason4rec.html");
  expect(JSON.parse((await erpo(["verify", join(made, "reason4rec.html"), "--json"])).stdout)).toMatchObject({ ok: true });
}, 600_000);
