import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRng } from "../../src/backend/random.js";
import { answeredIds } from "../../src/methods/cdpo/answers.js";
import { dualStep, preference, type SoftPair, softObjective } from "../../src/methods/cdpo/ascent.js";
import { fitBradleyTerry } from "../../src/methods/cdpo/bradley-terry.js";
import * as cdpo from "../../src/methods/cdpo/cdpo.js";
import { notebookSeconds } from "../../src/methods/erpo/duration.js";
import { firstWords } from "../../src/methods/first-words.js";
import { loadAdapter } from "../../src/model/adapter-io.js";
import { loadModel } from "../../src/model/load.js";
import { profile } from "../../src/runs/profile.js";
import type { Run } from "../../src/runs/run.js";
import { sequenceLogps } from "../../src/training/completion.js";
import { evaluateRows } from "../../src/training/step.js";
import torch from "../fixtures/cdpo-torch.json" with { type: "json" }; // made by test/fixtures/cdpo_torch.py
import { fixture } from "../model/open.js";

const nats = fc.double({ min: -20, max: 20, noNaN: true });
const weight = fc.double({ min: 0, max: 10, noNaN: true });
const rate = fc.double({ min: 0.01, max: 5, noNaN: true });

describe("lambda", () => {
  test("is never negative, grows while the cost is above its limit and falls while it is below", () => {
    fc.assert(
      fc.property(weight, nats, nats, rate, (lambda, cost, limit, eta) => {
        const next = dualStep(lambda, cost, limit, eta);
        expect(next).toBeGreaterThanOrEqual(0);
        if (eta * (cost - limit) > 1e-9) expect(next).toBeGreaterThan(lambda);
        if (eta * (cost - limit) < -1e-9 && lambda > 0) expect(next).toBeLessThan(lambda);
        if (cost === limit) expect(next).toBe(lambda);
      }),
    );
  });

  test("by hand: a nat above the limit at eta 0.5, and far below it", () => {
    expect(dualStep(0.25, 3, 2, 0.5)).toBe(0.75);
    expect(dualStep(0.25, 0, 2, 0.5)).toBe(0);
  });

  test("ends where the cost is the limit, when the inner maximiser is known: PyTorch's trace", () => {
    const { reference, reward, cost, beta, eta, limit, trace, solution } = torch.ascent;
    const expected = (lambda: number) => {
      const weights = reference.map((p, i) => p * Math.exp((reward[i]! - lambda * cost[i]!) / beta));
      return weights.reduce((sum, w, i) => sum + w * cost[i]!, 0) / weights.reduce((a, b) => a + b);
    };
    let lambda = 0;
    for (const step of trace) {
      expect(lambda).toBeCloseTo(step.lambda, 6);
      expect(expected(lambda)).toBeCloseTo(step.cost, 6);
      lambda = dualStep(lambda, expected(lambda), limit, eta);
    }
    expect(lambda).toBeCloseTo(solution, 5);
  });
});

describe("p*", () => {
  test("is the reward's preference at lambda 0, whatever the costs; falls with lambda exactly where the first answer costs more", () => {
    fc.assert(
      fc.property(nats, nats, weight, fc.double({ min: 0.01, max: 5, noNaN: true }), (reward, cost, lambda, more) => {
        expect(preference({ reward, cost }, 0)).toBeCloseTo(1 / (1 + Math.exp(-reward)), 12);
        const p = preference({ reward, cost }, lambda);
        expect(p + preference({ reward: -reward, cost: -cost }, lambda)).toBeCloseTo(1, 12);
        const later = preference({ reward, cost }, lambda + more);
        if (cost > 0) expect(later).toBeLessThanOrEqual(p);
        else expect(later).toBeGreaterThanOrEqual(p);
      }),
    );
  });

  test("by hand: reward 2 and cost 3 at lambda 1 are 1 / (1 + e); a negative lambda is refused", () => {
    expect(preference({ reward: 2, cost: 3 }, 1)).toBeCloseTo(0.268941, 6);
    expect(() => preference({ reward: 0, cost: 0 }, -0.1)).toThrow("lambda must be >= 0, got -0.1");
    expect(() => preference({ reward: 0, cost: 0 }, Number.NaN)).toThrow("lambda must be >= 0, got NaN");
  });
});

describe("Bradley-Terry", () => {
  const { scorers } = torch;

  test.each([
    ["reward", scorers.reward_labels, scorers.reward],
    ["cost", scorers.cost_labels, scorers.cost],
  ] as const)("the %s's weights are PyTorch's", (_, labels, expected) => {
    const differences = scorers.differences.map((x, i) => ({ x: x.map((value) => value * scorers.scale), p: labels[i]! }));
    const w = fitBradleyTerry(differences, scorers.l2);
    for (const [i, value] of expected.entries()) expect(w[i]).toBeCloseTo(value, 5);
  });

  test("one feature by hand: sigmoid(w) = 3/4 where three of four comparisons say so", () => {
    const differences = [1, 1, 1, 0].map((p) => ({ x: [1], p }));
    expect(fitBradleyTerry(differences, 1e-12)[0]).toBeCloseTo(Math.log(3), 6);
  });

  test("turning a comparison round, label and all, changes nothing; ties alone give no weights", () => {
    const vector = fc.array(fc.double({ min: -3, max: 3, noNaN: true }), { minLength: 3, maxLength: 3 });
    fc.assert(
      fc.property(
        fc.array(fc.record({ x: vector, p: fc.double({ min: 0, max: 1, noNaN: true }) }), { minLength: 1, maxLength: 8 }),
        (rows) => {
          const w = fitBradleyTerry(rows, 0.1);
          const turned = fitBradleyTerry(
            rows.map(({ x, p }) => ({ x: x.map((value) => -value), p: 1 - p })),
            0.1,
          );
          for (const i of [0, 1, 2]) expect(turned[i]).toBeCloseTo(w[i]!, 7);
          const tied = fitBradleyTerry(
            rows.map(({ x }) => ({ x, p: 0.5 })),
            0.1,
          );
          expect([...tied]).toEqual([0, 0, 0].map((zero) => expect.closeTo(zero, 9)));
        },
      ),
    );
  });

  test("no comparisons and no penalty are named", () => {
    expect(() => fitBradleyTerry([], 1)).toThrow("there are no comparisons");
    expect(() => fitBradleyTerry([{ x: [1], p: 1 }], 0)).toThrow("l2 must be > 0, got 0");
  });
});

test("features, log-probs, labels and loss on the tiny model are transformers' and PyTorch's", async () => {
  const model = await loadModel(fixture("llama-tiny"));
  const adapter = await loadAdapter(fixture("llama-tiny-adapter"), model.config);
  const { scorers, policy } = torch;
  const rows = (side: "chosen" | "rejected") => scorers.pairs.map((pair) => ({ prompt: pair.prompt, completion: pair[side] }));
  const read = await cdpo.features(model, [...rows("chosen"), ...rows("rejected")], scorers.layer, 4);
  const differences = scorers.pairs.map((_, i) => Array.from(read[i]!, (x, c) => x - read[scorers.pairs.length + i]![c]!));
  for (const [i, expected] of scorers.differences.entries())
    for (const [c, x] of expected.entries()) expect(Math.abs(differences[i]![c]! - x)).toBeLessThan(1e-5);

  const scored = (weights: number[], i: number) => scorers.scale * differences[i]!.reduce((sum, x, c) => sum + x * weights[c]!, 0);
  const pairs: SoftPair[] = scorers.pairs.map((pair, i) => ({
    ...pair,
    reference: { chosen: policy.reference.chosen[i]!, rejected: policy.reference.rejected[i]! },
    preferred: preference({ reward: scored(scorers.reward, i), cost: scored(scorers.cost, i) }, policy.lambda),
  }));
  for (const [i, { preferred }] of pairs.entries()) expect(preferred).toBeCloseTo(policy.preferred[i]!, 4);
  const base = await sequenceLogps(model.decoder, rows("chosen"), null).data();
  for (const [i, logp] of policy.reference.chosen.entries()) expect(base[i]).toBeCloseTo(logp, 3);
  const { eval_loss: loss } = await evaluateRows(model, pairs, softObjective({ beta: policy.beta, nllWeight: 0 }), {
    lora: adapter,
    size: 3,
  });
  expect(loss).toBeCloseTo(policy.loss, 4);
  adapter.dispose();
});

test("an answer that fills its tokens is cut, a shorter one ends", () => {
  const tokenizer = { encode: (text: string) => text.split(" ").map((_, i) => i), chat: () => "", eosId: 99 };
  const run = { model: { tokenizer }, profile: profile("quick") } as unknown as Run;
  const most = firstWords(run.profile);
  const ends = [most - 1, most, most + 1].map((words) => answeredIds(run, "Hi", "a ".repeat(words).trim()).completion);
  expect(ends.map(({ length }) => length)).toEqual([most, most, most]);
  expect(ends.map((ids) => ids.at(-1) === 99)).toEqual([true, false, false]);
});

describe("against the curve", () => {
  const score = (reward: number, cost: number) => ({ reward, cost });
  const curve = new Map([
    ["lambda-0", [score(4, 2), score(4, 4)]],
    ["lambda-1", [score(0, 0), score(2, 0)]],
  ]);

  test("a policy is compared with the mixture that costs as much, by hand", () => {
    // its cost is 1.5, halfway between 0 and 3: the mixtures' rewards are (0 + 4) / 2 = 2 and (2 + 4) / 2 = 3
    const against = cdpo.againstCurve([score(2.5, 1), score(4.5, 2)], curve, createRng(1))!;
    expect(against).toMatchObject({ between: ["lambda-1", "lambda-0"], share: 0.5 });
    expect(against.reward.value).toBeCloseTo((0.5 + 1.5) / 2, 9);
  });

  test("the share that costs as much is not known better than its prompts tell: the interval has it anew", () => {
    // reward is cost on the curve, so a policy whose reward is its cost lies on the line whatever is drawn;
    // a share that stays would count the drawings of costly prompts as reward
    const costs = Array.from({ length: 40 }, (_, i) => i % 10);
    const line = new Map([
      ["lambda-0", costs.map((x) => score(x + 2, x + 2))],
      ["lambda-1", costs.map(() => score(0, 0))],
    ]);
    const { reward } = cdpo.againstCurve(
      costs.map((x) => score(x, x)),
      line,
      createRng(1),
    )!;
    expect(reward.n).toBe(40);
    for (const x of [reward.value, reward.low, reward.high]) expect(x).toBeCloseTo(0, 9);
  });

  test("a point of the curve differs by nothing, and beyond its ends there is nothing to compare with", () => {
    expect(cdpo.againstCurve(curve.get("lambda-1")!, curve, createRng(1))!.reward).toMatchObject({ value: 0, low: 0, high: 0 });
    expect(cdpo.againstCurve(curve.get("lambda-0")!, curve, createRng(1))).toMatchObject({ share: 1, reward: { value: 0 } });
    expect(cdpo.againstCurve([score(9, 5), score(9, 5)], curve, createRng(1))).toBeUndefined();
    expect(cdpo.againstCurve([score(9, -1), score(9, -1)], curve, createRng(1))).toBeUndefined();
    expect(() => cdpo.againstCurve([score(0, 0)], curve, createRng(1))).toThrow(RangeError);
  });
});

test("the claim in words follows the intervals", () => {
  const estimate = (value: number, low: number, high: number) => ({ value, low, high });
  expect(cdpo.limitInWords("budget-50", 1, estimate(0.8, 0.6, 0.95), estimate(1.4, 1.1, 1.7))).toBe(
    "budget-50, a limit of 1.00 nats: the cost is 0.80 [0.60, 0.95] on training prompts (the limit is kept) and 1.40 [1.10, 1.70] on held-out ones (the limit is exceeded).",
  );
  expect(cdpo.keeps(estimate(0.9, 0.7, 1.1), 1)).toBe("open");
  expect([cdpo.keeps(estimate(0.9, 0.7, 1), 1), cdpo.keeps(estimate(1.1, 1, 1.2), 1)]).toEqual(["kept", "open"]); // a limit may be reached
  const against = (low: number, high: number) => ({
    between: ["lambda-1", "lambda-0"] as [string, string],
    share: 0.5,
    reward: { value: (low + high) / 2, low, high, n: 80 },
  });
  expect(cdpo.curveInWords("budget-50", against(-0.5, 0.25))).toBe(
    "budget-50: at its own cost, between lambda-1 and lambda-0, its reward less theirs is −0.13 [−0.50, 0.25] nats on 80 prompts: these prompts show no difference.",
  );
  expect(cdpo.curveInWords("budget-50", against(0.1, 0.5))).toContain("more reward");
  expect(cdpo.curveInWords("budget-50", against(-0.5, -0.1))).toContain("less reward");
  expect(cdpo.curveInWords("budget-50", undefined)).toContain("nothing to compare");
  expect(cdpo.claimInWords(["kept", "kept"], [against(-1, 1), against(0.1, 1)])).toContain("The claim holds here.");
  expect(cdpo.claimInWords(["kept", "kept"], [against(-1, 1), against(-1, 1)])).toContain(
    "less. The limits are kept; more reward is not shown.",
  );
  expect(cdpo.claimInWords(["kept", "kept"], [undefined, undefined])).toContain(
    "2 could not be compared. The limits are kept; more reward is not shown.",
  );
  expect(cdpo.claimInWords(["kept", "kept"], [against(0.1, 1), undefined])).toContain("not shown of every policy.");
  expect(cdpo.claimInWords(["kept", "open"], [against(-1, 1), undefined])).toContain("The claim is not shown here.");
  expect(cdpo.claimInWords(["kept", "exceeded"], [against(-1, 1)])).toContain("1 of 2 limits are kept and 1 exceeded");
  expect(cdpo.claimInWords(["kept", "exceeded"], [against(-1, 1)])).toContain("does not hold here");
  expect(cdpo.claimInWords(["kept"], [against(-1, -0.5)])).toContain("does not hold here");
});

test("whether the cost knows a model's own refusals is said of intervals, in both directions, and of too few answers not at all", () => {
  const spread = (centre: number) => Array.from({ length: 20 }, (_, i) => centre + (i % 2 ? 0.5 : -0.5));
  expect(cdpo.agreementInWords(spread(0), spread(2))).toBe(
    "Of the answers to unsafe prompts those that refuse cost 0.00 [−0.22, 0.22] nats, those that comply 2.00 [1.78, 2.22], and a plain refusal 0: c tells the model's own refusals from its compliance.",
  );
  expect(cdpo.agreementInWords(spread(2), spread(1.9))).toContain("c does not tell the model's own refusals from its compliance");
  expect(cdpo.agreementInWords(spread(2), spread(0))).toContain("c does not tell");
  expect(cdpo.agreementInWords([1], spread(0))).toBe(
    "Of the answers to unsafe prompts 1 refuse and 20 comply: too few to say whether c tells them apart.",
  );
});

test("the quick profile takes at most ten minutes on two cores at 150 GFLOP/s", () => {
  expect(notebookSeconds(cdpo.method.plan(profile("quick"), []), 150)).toBeLessThan(600);
});
