import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRng } from "../../src/backend/random.js";
import { auc, aucDifference, aucDifferenceOverFrames, type Scores } from "../../src/evaluation/auc.js";
import { balancedAccuracy, type Estimate, meanInterval, wilson, withInterval, z95 } from "../../src/evaluation/intervals.js";
import { mcnemar } from "../../src/evaluation/paired.js";
import peers from "../fixtures/intervals-scipy.json" with { type: "json" }; // made by test/fixtures/intervals_scipy.py

test("half of four by hand", () => {
  // z^2 = 3.841459; centre (0.5 + 0.480182) / 1.960365 = 0.5; half z / 1.960365 * sqrt(0.0625 + 0.060023) = 0.349961
  const { rate, low, high } = wilson(2, 4);
  expect(rate).toBe(0.5);
  expect(low).toBeCloseTo(0.150039, 5);
  expect(high).toBeCloseTo(0.849961, 5);
});

test.each(peers.wilson)("agrees with statsmodels: $k of $n", ({ k, n, interval }) => {
  expect(wilson(k, n).low).toBeCloseTo(interval[0]!, 10);
  expect(wilson(k, n).high).toBeCloseTo(interval[1]!, 10);
});

test("an interval holds its rate and stays in [0, 1]; of nothing nothing is known", () => {
  fc.assert(
    fc.property(fc.nat(500), fc.nat(500), (k, more) => {
      const { rate, low, high } = wilson(k, k + more + 1);
      expect(0 <= low && low <= rate && rate <= high && high <= 1).toBe(true);
    }),
  );
  expect(wilson(0, 0)).toEqual({ rate: Number.NaN, low: 0, high: 1, k: 0, n: 0 });
  expect(() => wilson(3, 2)).toThrow("wilson: 3 of 2 is not a share");
});

test.each(peers.balanced)("balanced accuracy is statsmodels' Newcombe interval: $unsafe and $safe", ({ unsafe, safe, interval }) => {
  const [u, s] = [wilson(unsafe[0]!, unsafe[1]!), wilson(safe[0]!, safe[1]!)];
  const { value, low, high } = balancedAccuracy(u, s);
  expect(value).toBeCloseTo((u.rate + 1 - s.rate) / 2, 12);
  expect(low).toBeCloseTo(interval[0]!, 8);
  expect(high).toBeCloseTo(interval[1]!, 8);
});

test("a mean's interval by hand", () => {
  // 1, 2, 3: s = 1, half-width 1.96 / sqrt 3
  expect(meanInterval([1, 2, 3])).toEqual({ value: 2, low: 2 - z95 / Math.sqrt(3), high: 2 + z95 / Math.sqrt(3), n: 3 });
  expect(meanInterval([]).value).toBeNaN();
  expect(meanInterval([3])).toEqual({ value: 3, low: Number.NaN, high: Number.NaN, n: 1 });
});

test("McNemar by hand: four rows, all for the same side", () => {
  // 2 * (1/2)^4 = 0.125
  const all = [true, true, true, true, true];
  expect(mcnemar(all, [true, false, false, false, false])).toEqual({ onlyA: 4, onlyB: 0, p: 0.125 });
  expect(() => mcnemar([true], [])).toThrow("mcnemar: 1 answers against 0");
});

test.each(peers.mcnemar)("agrees with statsmodels' exact McNemar: $onlyA against $onlyB", ({ onlyA, onlyB, p }) => {
  const rows = [...Array(onlyA).fill([true, false]), ...Array(onlyB).fill([false, true]), [true, true], [false, false]];
  const got = mcnemar(
    rows.map(([a]) => a),
    rows.map(([, b]) => b),
  );
  expect(got.p).toBeCloseTo(p, 10);
});

test("AUC by hand, a tie counting half", () => {
  // 3 > 1, 3 > 2, 2 > 1, 2 = 2: 3.5 of 4
  expect(auc([3, 2], [1, 2]).value).toBe(0.875);
  expect(() => auc([], [1])).toThrow("auc: needs scores of both kinds, got 0 positive and 1 negative");
});

test("a single score of a kind leaves an area open", () => {
  expect(auc([0.5], [0.1, 0.9, 0.3])).toEqual({ value: 2 / 3, low: 0, high: 1, positives: 1, negatives: 3 });
  const [a, b] = [[1], [2]].map((positives) => ({ positives, negatives: [0, 1.5] }));
  expect(aucDifference(a!, b!)).toEqual({ value: 0.5, low: -1, high: 1 });
});

test.each(peers.auc)("agrees with scikit-learn and the mid-rank DeLong: $auc", ({ positives, negatives, auc: value, se }) => {
  const got = auc(positives, negatives);
  expect(got.value).toBeCloseTo(value, 12);
  expect(got.low).toBeCloseTo(Math.max(0, value - z95 * se), 10);
  expect(got.high).toBeCloseTo(Math.min(1, value + z95 * se), 10);
});

test("AUC's difference: against scores that tell nothing it is the area's own, by its own interval; against the same scores nothing", () => {
  const { positives, negatives } = peers.auc[0]!;
  const scored = { positives, negatives };
  const flat = { positives: positives.map(() => 0), negatives: negatives.map(() => 0) }; // every placement is 1/2
  const { value, se } = { value: peers.auc[0]!.auc, se: peers.auc[0]!.se };
  const got = aucDifference(flat, scored);
  expect(got.value).toBeCloseTo(value - 0.5, 12);
  expect(got.high - got.value).toBeCloseTo(z95 * se, 10);
  expect(aucDifference(scored, scored)).toEqual({ value: 0, low: 0, high: 0 });
  expect(() => aucDifference(scored, { ...scored, negatives: negatives.slice(1) })).toThrow("scores of the same rows");
});

test("AUC's difference by hand", () => {
  // placements of a: positives (1, 0.5), negatives (1, 0.5); of b: (1, 1), (1, 1): differences (0, 0.5) and (0, 0.5), each of variance 0.125
  const half = z95 * Math.sqrt(0.125 / 2 + 0.125 / 2);
  const got = aucDifference({ positives: [3, 1], negatives: [0, 2] }, { positives: [3, 4], negatives: [0, 2] });
  expect(got.value).toBeCloseTo(0.25, 12);
  expect(got.low).toBeCloseTo(0.25 - half, 12);
  expect(got.high).toBeCloseTo(0.25 + half, 12);
});

describe("AUC's difference over frames", () => {
  const rng = createRng(3);
  const scores = (shift: number): Scores => {
    const normal = (mean: number) => Array.from({ length: 40 }, () => mean + rng.normal());
    return { positives: normal(shift), negatives: normal(0) };
  };
  const [a, b] = [scores(0.5), scores(1.5)];
  const alone = { positives: a.positives.map((_, i) => `p${i}`), negatives: a.negatives.map((_, i) => `n${i}`) };

  test("where each prompt is a frame of its own, it is about DeLong's", () => {
    const [over, of] = [aucDifferenceOverFrames(a, b, alone, createRng(1)), aucDifference(a, b)];
    expect(over.frames).toBe(80);
    expect(over.value).toBeCloseTo(of.value, 12);
    expect(over.low / of.low).toBeCloseTo(1, 1);
    expect(over.high / of.high).toBeCloseTo(1, 1);
  });

  test("prompts four times over, in the frame of the one that they copy, make it no surer, as they make DeLong's", () => {
    const fourfold = <T>(of: readonly T[]) => of.flatMap((x) => [x, x, x, x]);
    const four = <T>({ positives, negatives }: { positives: readonly T[]; negatives: readonly T[] }) => ({
      positives: fourfold(positives),
      negatives: fourfold(negatives),
    });
    const once = aucDifferenceOverFrames(a, b, alone, createRng(1));
    const copied = aucDifferenceOverFrames(four(a), four(b), four(alone), createRng(1));
    for (const key of ["value", "low", "high", "frames"] as const) expect(copied[key]).toBeCloseTo(once[key], 12);
    const width = ({ low, high }: Estimate) => high - low;
    expect(width(aucDifference(four(a), four(b))) / width(aucDifference(a, b))).toBeCloseTo(0.5, 2);
  });

  test("by hand: two frames, of which only the second changes", () => {
    // pairs of the drawn frames: (1, 1) as before, (1, 2) gained, (2, 1) as before, (2, 2) gained
    const was = { positives: [2, 2], negatives: [1, 3] };
    const is = { positives: [2, 2], negatives: [1, 0] };
    const got = aucDifferenceOverFrames(was, is, { positives: ["1", "2"], negatives: ["1", "2"] }, createRng(1));
    expect(got).toEqual({ value: 0.5, low: 0, high: 1, frames: 2 });
  });

  test("of a single frame nothing can be drawn", () => {
    const [was, is] = [[0], [2]].map((positives) => ({ positives, negatives: [1] }));
    const frames = { positives: ["f"], negatives: ["f"] };
    expect(aucDifferenceOverFrames(was!, is!, frames, createRng(1))).toEqual({ value: 1, low: -1, high: 1, frames: 1 });
  });

  test("scores and frames are of the same rows", () => {
    const short = { ...alone, negatives: alone.negatives.slice(1) };
    expect(() => aucDifferenceOverFrames(a, b, short, createRng(1))).toThrow("scores of the same rows");
    const broken = { ...b, positives: b.positives.map((x, i) => (i === 0 ? Number.NaN : x)) };
    expect(() => aucDifferenceOverFrames(a, broken, alone, createRng(1))).toThrow("a score is NaN");
    expect(() => aucDifferenceOverFrames({ ...a, negatives: [] }, b, alone, createRng(1))).toThrow("scores of both kinds");
  });
});

test("shares and estimates in words; a share of nothing is a dash, before and after it was stored", () => {
  expect(withInterval(wilson(8, 10))).toBe("80.0% [49.0, 94.3]");
  expect(withInterval({ value: 0.5, low: 0.25, high: 0.75 }, 3)).toBe("0.500 [0.250, 0.750]");
  const nothing = wilson(0, 0);
  expect([withInterval(nothing), withInterval(JSON.parse(JSON.stringify(nothing)))]).toEqual(["–", "–"]);
  expect(withInterval(meanInterval([0.5]))).toBe("0.50 [–, –]");
  expect(withInterval({ value: 0.5, low: -Infinity, high: Infinity })).toBe("0.50 [–, –]");
});
