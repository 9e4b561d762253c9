import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { erpo } from "../reports/cli.js";

const folder = mkdtempSync(join(tmpdir(), "erpo-harmless-"));
const at = (name: string) => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true }));
const deep = "[".repeat(100_000) + "]".repeat(100_000);

/** What a command says on standard error where it fails: one line. */
async function refusal(args: string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
  const { code, stdout, stderr } = await erpo(args, env);
  expect({ code, stdout }, stderr).toEqual({ code: 1, stdout: "" });
  expect(stderr).toMatch(/^erpo: [^\n]*\n$/);
  return stderr.trim();
}

test("a folder, and JSON that is nested 100,000 deep, in the place of a file: one line each", async () => {
  await erpo(["--version"]); // compiles where that is needed
  writeFileSync(at("deep.json"), `{"model":${deep}}`);
  writeFileSync(at("deep.jsonl"), `{"prompt":"p","label":"safe","more":${deep}}\n`);
  writeFileSync(at("empty.ipynb"), '{"nbformat":4,"nbformat_minor":5,"metadata":{},"cells":[]}');
  const why = "more than 500 brackets inside each other";
  expect(await refusal(["train", folder])).toBe(`erpo: ${folder}: is a folder, not a file`);
  expect(await refusal(["train", at("deep.json")])).toBe(`erpo: ${at("deep.json")}: not JSON (${why})`);
  for (const asked of [
    ["generate", "--prompts", at("deep.jsonl")],
    ["evaluate", "--suite", at("deep.jsonl")],
    ["score", "--data", at("deep.jsonl")],
  ])
    expect(await refusal([...asked, "--model", "none", "--output", at("out")])).toBe(`erpo: ${at("deep.jsonl")}:1: not JSON (${why})`);
  expect(await refusal(["execute", at("empty.ipynb"), "--params", at("deep.json")])).toBe(
    `erpo: ${at("deep.json")}: cannot be read (${why})`,
  );
  writeFileSync(at("deep.ipynb"), `{"nbformat":4,"nbformat_minor":5,"metadata":{"a":${deep}},"cells":[]}`);
  expect(await refusal(["execute", at("deep.ipynb"), "--output", at("run")])).toBe("erpo: deep.ipynb: a value in it is nested too deeply");
}, 300_000);

test("a missing folder of temporary files is named", async () => {
  writeFileSync(at("one.ipynb"), '{"nbformat":4,"nbformat_minor":5,"metadata":{},"cells":[]}');
  expect(await refusal(["execute", at("one.ipynb"), "--output", at("run")], { TMPDIR: "/does/not/exist" })).toBe(
    "erpo: /does/not/exist: temporary files cannot be written (there is no such folder): set TMPDIR to a folder that can",
  );
}, 120_000);

test("`-` is refused where several files are written, and no folder of that name appears", async () => {
  const { code, stderr } = await erpo(["report", at("one.ipynb"), "--output", "-"]);
  expect(code).toBe(2);
  expect(stderr).toMatch(/^erpo: option '--output <dir>' argument '-' is invalid\. It must be a folder: [^\n]*\n$/);
  expect(readdirSync(".")).not.toContain("-");
}, 60_000);
