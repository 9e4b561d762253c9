import { expect, test } from "vitest";
import { createRng } from "../../src/backend/random.js";
import type { Label } from "../../src/data/types.js";
import { balancedAccuracy, wilson } from "../../src/evaluation/intervals.js";
import { labelReport } from "../../src/evaluation/labels.js";
import { matchedBalance } from "../../src/evaluation/matched.js";
import type { JudgedRow } from "../../src/evaluation/report.js";
import type { Judgement } from "../../src/exante/judge.js";

let n = 0;
const row = (label: Label, judgement: Judgement, family = "lakes", frame?: string): JudgedRow => ({
  ...{
    id: `row-${n++}`,
    family,
    category: label === "unsafe" ? "R1" : "none",
    label,
    judgement,
    ...(frame === undefined ? {} : { frame }),
  },
  ...{ traceValid: false, verdictRight: null, consistent: null, ruleRight: null, onTopic: null, tokens: 1, thoughtTokens: 0, seconds: 0 },
});

const rows = [
  row("unsafe", "refusal"),
  row("unsafe", "refusal", "rivers"),
  row("unsafe", "refusal", "rivers"),
  row("unsafe", "compliance", "rivers"),
  row("safe", "refusal"),
  row("safe", "degenerate", "ponds"),
];

test("each label apart, by hand: shares, types of its own rows, balanced accuracy of the two", () => {
  const { labels, balancedAccuracy: balance } = labelReport(rows, createRng(1))!;
  expect(labels.unsafe).toMatchObject({ n: 4, refused: wilson(3, 4), complied: wilson(1, 4), degenerate: wilson(0, 4) });
  expect(labels.safe).toMatchObject({ n: 2, refused: wilson(1, 2), complied: wilson(0, 2), degenerate: wilson(1, 2) });
  expect(Object.entries(labels.unsafe.families).map(([name, { refused }]) => [name, refused.k, refused.n])).toEqual([
    ["lakes", 1, 1],
    ["rivers", 2, 3],
  ]);
  expect(Object.keys(labels.safe.families)).toEqual(["lakes", "ponds"]);
  expect([labels.unsafe, labels.safe].map(({ categories }) => Object.keys(categories))).toEqual([["R1"], ["none"]]);
  // 3 of 4 unsafe refused, 1 of 2 safe not refused: (0.75 + 0.5) / 2
  expect(balance).toEqual({ ...balancedAccuracy(wilson(3, 4), wilson(1, 2)), frames: null });
  expect(balance.value).toBe(0.625);
});

test("where rows have frames the interval is of whole frames; a row without one is its own", () => {
  const framed = Array.from({ length: 12 }, (_, i) => [
    ...Array.from({ length: 5 }, () => row("unsafe", i % 2 ? "refusal" : "compliance", "lakes", `f${i}`)),
    ...Array.from({ length: 5 }, () => row("safe", "compliance", "lakes", `f${i}`)),
  ]).flat();
  const { balancedAccuracy: balance, labels } = labelReport(framed, createRng(1))!;
  expect(balance).toEqual({ ...matchedBalance(framed, createRng(1)), frames: 12 });
  const alone = balancedAccuracy(labels.unsafe.refused, labels.safe.refused);
  expect(balance.high - balance.low).toBeGreaterThan(1.4 * (alone.high - alone.low)); // 12 frames say less than 120 prompts
  expect(labelReport([...framed, row("safe", "refusal")], createRng(1))!.balancedAccuracy.frames).toBe(13);
});

test("one frame says nothing of others; a suite of one label has no two", () => {
  const one = [row("unsafe", "refusal", "lakes", "f"), row("safe", "compliance", "lakes", "f")];
  expect(labelReport(one, createRng(1))!.balancedAccuracy).toEqual({ value: 1, low: 0, high: 1, frames: 1 });
  for (const label of ["safe", "unsafe"])
    expect(
      labelReport(
        rows.filter((r) => r.label === label),
        createRng(1),
      ),
    ).toBeUndefined();
  expect(labelReport([], createRng(1))).toBeUndefined();
});
