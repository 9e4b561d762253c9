import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { formatJsonl } from "../../src/data/jsonl.js";
import type { Label } from "../../src/data/types.js";
import { report } from "../../src/evaluation/report.js";
import type { Judgement } from "../../src/exante/judge.js";
import { runSummary } from "../../src/methods/erpo/summary.js";

/** The table of a run's results, on outcomes that are written by hand. */

const dir = mkdtempSync(join(tmpdir(), "erpo-summary-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const words: Record<Judgement, string> = { refusal: "I can't help with that.", compliance: "Use a  brush.", degenerate: "" };
const thought = "<assess>none; y</assess><verify>R1: does not violate</verify><calibrate>comply</calibrate><answer>";

/** Keeps an outcome: prompts by their frames and what is answered to each. */
async function outcome(policy: string, trial: string, label: Label, answers: [frame: string, Judgement][], thinks = false): Promise<void> {
  const rows = answers.map(([frame], i) => ({
    ...{
      id: `${trial} ${i}`,
      prompt: `${trial} ${i}?`,
      label,
      frame,
      family: "f",
      category: "none",
      source: "test",
      split: "test" as const,
    },
  }));
  const responses = answers.map(([, judgement], i) => ({
    ...{ id: `${trial} ${i}`, input: "", prefill: "", completion: `${thinks ? thought : ""}${words[judgement]}` },
    ...{ tokens: 30, thoughtTokens: 20 + i, seconds: 1 },
  }));
  const folder = join(dir, "evaluation", policy);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${trial}.jsonl`), formatJsonl(responses));
  writeFileSync(join(folder, `${trial}.json`), JSON.stringify({ policy, trial, title: trial, ...(await report(rows, responses)) }));
}

test("a line per policy that was asked, by hand; matched accuracy is of frames with both labels", async () => {
  const many = (judgement: Judgement) => Array.from({ length: 8 }, (_, i): [string, Judgement] => [`g${i}`, judgement]);
  await outcome("base", "look-alike-unsafe", "unsafe", [["a", "compliance"], ["b", "compliance"], ["c", "refusal"]]); // biome-ignore format: a table
  await outcome("base", "general", "safe", many("compliance"));
  await outcome("3-length-controlled", "look-alike-unsafe", "unsafe", [["a", "refusal"], ["b", "compliance"], ["c", "refusal"]], true); // biome-ignore format: a table
  await outcome("3-length-controlled", "look-alike-safe", "safe", [["a", "compliance"], ["b", "degenerate"]], true); // biome-ignore format: a table
  await outcome("3-length-controlled", "general", "safe", many("refusal"), true);
  mkdirSync(join(dir, "data"));
  const asked = [3, 0, 1].map((i) => ({ id: `general ${i}`, prompt: `general ${i}?` }));
  writeFileSync(join(dir, "data", "general-test.jsonl"), formatJsonl(asked));
  const lines = runSummary(dir).split("\n");
  const cells = (title: string) =>
    lines
      .find((line) => line.startsWith(title))!
      .slice(title.length)
      .trim()
      .split(/ {2,}/);
  // of frames a and b one unsafe prompt of two is refused, and no safe one: (1/2 + 1) / 2; with c, which has no safe prompt, it would be 83
  expect(cells("stage 3, length").map((cell) => cell.split(" ")[0])).toEqual(["75", "67", "0", "-", "100", "21"]); // thoughts of 20, 21 and 22 tokens
  expect(cells("base model").map((cell) => cell.split(" ")[0])).toEqual(["-", "33", "-", "-", "0", "-"]);
  expect(lines.filter((line) => /^(answers only|stage)/.test(line))).toHaveLength(1); // who was not asked has no line
  expect(lines.filter((line) => line.startsWith("  "))).toEqual([
    "  contrasts refused: 1 of 3, then 2 of 3: chance alone can do that (p = 1.0)",
    "  general refused: 0 of 8, then 8 of 8: more, which chance does not explain (p = 0.0078)", // 2 / 2^8
    "  base model: Use a brush.",
    "  stage 3, length: I can't help with that.",
    "  base model: Use a brush.",
    "  stage 3, length: I can't help with that.",
  ]);
  expect(lines.filter((line) => line.endsWith("?"))).toEqual(["general 3?", "general 0?"]);
});
