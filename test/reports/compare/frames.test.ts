import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { writeComparison } from "../../../reports/compare/compare.js";
import type { MeanTest } from "../../../reports/compare/paired.js";
import { newFolder, suite, writeRun } from "./folders.js";

/** Two runs that answer the same prompts, the second with so many tokens more. */
async function longerBy(more: readonly number[], frameOf: (prompt: number) => string | undefined) {
  const rows = suite("c".repeat(more.length), "safe").map((row, i) => ({ ...row, frame: frameOf(i) }));
  const longer = rows.map((row, i) => ({ ...row, tokens: row.tokens + more[i]! }));
  const dirs = [rows, longer].map((own, i) => writeRun(`run-${i}`, { answers: { "2-dpo/look-alike-safe": own } }));
  const output = newFolder();
  await writeComparison(dirs, output);
  const { mean_tests }: { mean_tests: MeanTest[] } = JSON.parse(readFileSync(join(output, "compare.json"), "utf8"));
  return { difference: mean_tests[0]!.difference, html: readFileSync(join(output, "compare.html"), "utf8") };
}

test("two frames by hand: three prompts that gain a token, and one without a frame that does not", async () => {
  // drawn with replacement: A A has the mean 1, A and the prompt (twice) 3/4, the prompt twice 0; swapped as wholes, all four means are 3/4 or -3/4
  const { difference, html } = await longerBy([1, 1, 1, 0], (i) => (i < 3 ? "A" : undefined));
  expect(difference).toEqual({ value: 0.75, low: 0, high: 1, n: 4, p: 1, frames: 2 });
  expect(html).toContain("4 in 2 frames");
  expect(html).toContain("a bootstrap that draws whole frames");
});

test("prompts of one frame that change together widen the interval to that of a quarter of the prompts", async () => {
  const more = Array.from({ length: 48 }, (_, i) => [0, 1, 3][Math.floor(i / 4) % 3]!);
  const [framed, single] = [await longerBy(more, (i) => `frame ${Math.floor(i / 4)}`), await longerBy(more, () => undefined)];
  const width = ({ difference: { low, high } }: typeof framed) => high - low;
  expect(framed.difference.value).toBe(single.difference.value);
  expect(width(framed) / width(single)).toBeGreaterThan(1.8);
  expect(width(framed) / width(single)).toBeLessThan(2.2); // a mean of 12 has twice the error of a mean of 48
  expect(framed.difference.p).toBeGreaterThan(single.difference.p);
  expect([single.difference.frames, single.html.includes("whole frames,")]).toEqual([null, false]);
});

test("of a single frame nothing can be drawn: the interval has no ends", async () => {
  const { difference, html } = await longerBy([1, 2, 1], () => "A");
  expect(difference).toMatchObject({ p: 1, low: null, high: null, frames: 1 });
  expect(html).toContain("[−∞,\u00a0∞]");
});
