import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { register } from "../../src/cli/annotate.js";
import { csvRecords, formatCsv } from "../../src/data/csv-records.js";
import { type SheetKey, sheetColumns } from "../../src/evaluation/annotation.js";
import { policy } from "../../src/generation/policy.js";
import { loadModel } from "../../src/model/load.js";
import { evaluate } from "../../src/runs/evaluate.js";
import type { Run } from "../../src/runs/run.js";
import { scriptedModel } from "../evaluation/scripted.js";
import { fixture } from "../model/open.js";
import { finish, openTiny } from "../runs/tiny-run.js";

/** `erpo annotate` on a run in which one policy thinks before it answers and another does not. */

const folder = mkdtempSync(join(tmpdir(), "erpo-annotate-"));
const at = (name: string) => join(folder, name);
let run: Run;
let shown = "";
const thought = "<assess>none; a; target: b</assess><verify>none: does not violate</verify><calibrate>comply</calibrate><answer>";
beforeAll(async () => {
  vi.spyOn(process.stdout, "write").mockImplementation(((text: string, done?: () => void) => {
    shown += text;
    done?.();
    return true;
  }) as typeof process.stdout.write);
  const tiny = await loadModel(fixture("llama-tiny"));
  const { model } = scriptedModel(tiny, (prompt) => (prompt.includes("Be kind.") ? `${thought}Kindly yes.</answer>` : "- Plain."));
  run = await openTiny(at("run"), { model });
  await finish(evaluate(run, policy({ model, name: "base" }), ["general"]));
  await finish(evaluate(run, policy({ model, name: "kind", system: "Be kind." }), ["general"]));
});
afterAll(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

async function annotate(...words: string[]): Promise<string> {
  const program = new Command().exitOverride();
  register(program);
  const quiet = (command: Command): void => {
    command.exitOverride().configureOutput({ writeErr: () => {} });
    command.commands.forEach(quiet);
  };
  quiet(program);
  shown = "";
  await program.parseAsync(["annotate", ...words], { from: "user" });
  return shown;
}
const sheet = (name: string, ...more: string[]) =>
  annotate("sheet", "--run", run.dir, "--policies", "base,kind", "--count", "3", "--output", at(name), ...more);
const rowsOf = (name: string) => csvRecords(at(name), sheetColumns).map(({ value }) => value);
const keyOf = (name: string): SheetKey & { from: Record<string, string>; seed: number } => JSON.parse(readFileSync(at(name), "utf8"));

/** Fills a copy of a sheet in: whom a person prefers, and whose answers are useful, by row. */
function fill(name: string, copy: string, preferred: (string | null)[], useful: string[]): string {
  const key = keyOf(name.replace(".csv", ".key.json"));
  const rows = rowsOf(name).map((row, i) => {
    const isA = (of: string | null) => of === key.rows[i]!.A;
    const side = preferred[i] === null ? "tie" : isA(preferred[i]!) ? "A" : "B";
    return { ...row, preferred: side, useful_A: isA(useful[i]!) ? "yes" : "no", useful_B: isA(useful[i]!) ? "no" : "yes" };
  });
  writeFileSync(at(copy), formatCsv(sheetColumns, rows as Record<(typeof sheetColumns)[number], string>[]));
  return at(copy);
}

test("the sheet has kept answers without thoughts, and the key what they were", async () => {
  expect(await sheet("s.csv")).toBe(`${at("s.csv")}: 3 prompts, for raters\n${at("s.key.json")}: which answer is whose, not for raters\n`);
  const [rows, key] = [rowsOf("s.csv"), keyOf("s.key.json")];
  const prompts = new Map(run.data.general.test.map(({ id, prompt }) => [id, prompt]));
  for (const [i, { prompt, A, B, ...rest }] of rows.entries()) {
    expect(prompt).toBe(prompts.get(key.rows[i]!.id));
    expect([A, B]).toEqual(key.rows[i]!.A === "base" ? ["'- Plain.", "Kindly yes."] : ["Kindly yes.", "'- Plain."]);
    expect(rest).toEqual({ preferred: "", useful_A: "", useful_B: "", note: "" });
  }
  expect(new Set(key.rows.map(({ A }) => A)).size).toBe(2);
  expect(Object.keys(key.from)).toEqual(["evaluation/base/general.json", "evaluation/kind/general.json"]);

  await sheet("again.csv");
  expect(readFileSync(at("again.csv"))).toEqual(readFileSync(at("s.csv")));
  await sheet("other.csv", "--seed", "5");
  expect(readFileSync(at("other.csv"))).not.toEqual(readFileSync(at("s.csv")));
});

test("what two people filled in: wins, useful answers and agreement, in words and as JSON", async () => {
  const first = fill("s.csv", "one.csv", ["kind", "kind", null], ["kind", "kind", "base"]);
  const second = fill("s.csv", "two.csv", ["kind", "base", null], ["kind", "kind", "base"]);
  const { raters, agreement } = JSON.parse(await annotate("read", "--key", at("s.key.json"), first, second, "--json"));
  expect(raters).toMatchObject([
    { file: first, policy: "kind", against: "base", wins: { k: 2, n: 3 }, ties: { k: 1 }, losses: { k: 0 }, p: expect.closeTo(0.5, 12) },
    { file: second, wins: { k: 1 }, losses: { k: 1 }, p: 1, useful: { kind: { k: 2, n: 3 }, base: { k: 1 } } },
  ]);
  // kind, kind, tie against kind, base, tie: 2 of 3, by chance (2 * 1 + 1 * 1) / 9
  expect(agreement.preferred).toMatchObject({ value: 0.5, n: 3, expected: expect.closeTo(1 / 3, 12) });
  expect(agreement.useful).toMatchObject({ value: 1, n: 6 });

  const text = await annotate("read", "--key", at("s.key.json"), first, second);
  expect(text).toMatch(/^one\.csv, 3 prompts\n {2}kind preferred +66\.7% \(95%: .*; 2 of 3\)\n {2}tie .*\n {2}base preferred .*\n/);
  expect(text).toContain("  2 wins against 0 losses: p = 0.50 (exact sign test, two-sided)\n");
  expect(text).toMatch(/ {2}preferred +0\.50 +the same on 66\.7% of 3 prompts, by chance on 33\.3%\n {2}useful +1\.00 /);
  expect(await annotate("read", "--key", at("s.key.json"), first)).not.toContain("agreement");

  const same = fill("s.csv", "ties.csv", [null, null, null], ["kind", "kind", "base"]);
  expect(await annotate("read", "--key", at("s.key.json"), same, same)).toContain("preferred  – (0/0: both give the same word throughout)");
});

test("a sheet that a spreadsheet has saved with semicolons is told", async () => {
  writeFileSync(at("semicolons.csv"), `${sheetColumns.join(";")}\n`);
  await expect(annotate("read", "--key", at("s.key.json"), at("semicolons.csv"))).rejects.toThrow("save it with commas between values");
});

test("a sheet is not written over, and not of what a run does not keep", async () => {
  await expect(sheet("s.csv")).rejects.toThrow(`${at("s.csv")}: is there already`);
  copyFileSync(at("s.key.json"), at("lone.key.json"));
  await expect(sheet("lone.csv", "--seed", "5")).rejects.toThrow(`${at("lone.key.json")}: is there already`);
  await sheet("lone.csv"); // its own key, which a kill has left without the sheet
  expect(readFileSync(at("lone.csv"))).toEqual(readFileSync(at("s.csv")));
  await expect(sheet("s.txt")).rejects.toThrow("must be a file whose name ends in .csv");
  await expect(sheet("x.csv", "--count", "5")).rejects.toThrow("have answers to 4 prompts in common: --count must be at most that, not 5");
  await expect(sheet("x.csv", "--policies", "base,2-dpo")).rejects.toThrow(
    'keeps no answers of "2-dpo" to everyday prompts; there is: base, kind',
  );
  await expect(sheet("x.csv", "--policies", "base,base")).rejects.toThrow("It must be two different names");
  await expect(sheet("x.csv", "--run", folder)).rejects.toThrow(`${folder}: holds no run.json`);
  const file = run.path("evaluation/kind/general.jsonl");
  const before = readFileSync(file, "utf8");
  writeFileSync(file, before.split("\n").slice(1).join("\n"));
  await expect(sheet("x.csv")).rejects.toThrow("evaluation/kind/general.jsonl: has no completion of");
  writeFileSync(file, before);
});

test("sheets that are not filled in, not the key's or no sheets are named; so are keys", async () => {
  const read = (...words: string[]) => annotate("read", "--key", at("s.key.json"), ...words);
  await expect(read(at("s.csv"))).rejects.toThrow(`${at("s.csv")}: row 2: preferred is not filled in (A, B or tie), useful_A is`);
  await expect(read(at("other.csv"))).rejects.toThrow("none of the key's");
  writeFileSync(at("semicolons.csv"), "prompt;A;B;preferred;useful_A;useful_B;note\n");
  await expect(read(at("semicolons.csv"))).rejects.toThrow(`${at("semicolons.csv")}: missing column "prompt"`);
  await expect(read(at("one.csv"), at("two.csv"), at("one.csv"))).rejects.toThrow("too many arguments");
  writeFileSync(at("bad.key.json"), JSON.stringify({ ...keyOf("s.key.json"), rows: [] }));
  await expect(annotate("read", "--key", at("bad.key.json"), at("one.csv"))).rejects.toThrow("bad.key.json: rows: no key of a sheet");
  const [row] = keyOf("s.key.json").rows;
  writeFileSync(at("bad.key.json"), JSON.stringify({ ...keyOf("s.key.json"), rows: [{ ...row, A: "third" }] }));
  await expect(annotate("read", "--key", at("bad.key.json"), at("one.csv"))).rejects.toThrow("which is none of the key's policies");
});
