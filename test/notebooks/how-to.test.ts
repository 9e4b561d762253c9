import { mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { erpo } from "../reports/cli.js";

/** The how-to notebooks: their form, and a run of each on a tiny model. */

interface Cell {
  id: string;
  cell_type: "markdown" | "code";
  source: string[];
  metadata: { tags?: string[] };
  outputs?: { text?: string[] | string }[];
  execution_count?: number | null;
}

const folder = new URL("../../notebooks/how-to/", import.meta.url).pathname;
const model = new URL("../fixtures/llama-tiny", import.meta.url).pathname;
const read = (path: string) => JSON.parse(readFileSync(path, "utf8")) as { metadata: { title: string }; cells: Cell[] };
const names = readdirSync(folder).filter((name) => name.endsWith(".ipynb"));

test.each(names)("%s has a title, parameters and short cells, and is stored without outputs", (name) => {
  const { metadata, cells } = read(join(folder, name));
  expect(cells[0]!.source[0]).toBe(`# ${metadata.title}\n`);
  const code = cells.filter(({ cell_type }) => cell_type === "code");
  expect(code[0]!.metadata.tags).toEqual(["parameters"]);
  for (const { id, source, outputs, execution_count } of code) {
    expect(source.length, id).toBeLessThanOrEqual(15);
    expect([outputs, execution_count], id).toEqual([[], null]);
  }
  const checks = cells.slice(cells.findIndex(({ source }) => source[0]?.startsWith("## Checks")));
  expect(checks.filter(({ source }) => source.join("").includes("throw new Error(")).length).toBeGreaterThan(0);
});

test("own-rules.ipynb trains on five rules of its own, none of which is a default one", async () => {
  const scratch = mkdtempSync(join(tmpdir(), "erpo-how-to-"));
  const parameters = ["-p", "modelName", model, "-p", "runDir", join(scratch, "run")];
  const { code, stderr } = await erpo(["execute", join(folder, "own-rules.ipynb"), "--no-cache", "--output", scratch, ...parameters]);
  expect(code, stderr).toBe(0);
  const shown = (id: string) => {
    const { outputs } = read(join(scratch, "own-rules.ipynb")).cells.find((cell) => cell.id === id)!;
    return outputs!.map(({ text }) => [text].flat().join("")).join("");
  };
  expect(shown("check-rules")).toBe("60 traces cite M1, M2, M3, M4, M5\n");
  expect(shown("train")).toMatch(/^\d+ steps, weighted loss \d/);
  const record = JSON.parse(readFileSync(join(scratch, "run/run.json"), "utf8"));
  expect(record.rules.name).toBe("medical");
  const { sources } = JSON.parse(readFileSync(join(scratch, "run/data/manifest.json"), "utf8"));
  expect(sources.map(({ name }: { name: string }) => name)).toEqual(["own train1", "own train2", "own dev"]);
});
