import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, expect, test } from "vitest";
import { erpo } from "../reports/cli.js";

const root = resolve(import.meta.dirname, "../..");
const scratch = mkdtempSync(join(tmpdir(), "erpo-start-here-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

test("a profile may ask for more prompts than a suite has, as full does, and one that trains little claims nothing under any name", async () => {
  const profile = join(scratch, "wide.json");
  writeFileSync(profile, JSON.stringify({ extends: "tiny", evaluation: { prompts: 230 } }));
  const parameters = ["-p", "profileName", profile, "-p", "modelName", join(root, "test/fixtures/llama-tiny"), "-p", "runDir", scratch];
  const output = join(scratch, "executed");
  const { code, stderr } = await erpo(["execute", join(root, "notebooks/00-start-here.ipynb"), ...parameters, "--output", output]);
  expect(code, stderr).toBe(0);
  const { cells } = JSON.parse(readFileSync(join(output, "00-start-here.ipynb"), "utf8")) as {
    cells: { id: string; outputs: { data: Record<string, unknown> }[] }[];
  };
  const table = cells.find(({ id }) => id === "table-naive")!.outputs[0]!.data["application/vnd.dataresource+json"];
  const asked = (table as { data: { suite: string; prompts: number }[] }).data;
  expect(new Set(asked.map(({ prompts }) => prompts)).size).toBeGreaterThan(1);
}, 300_000);
