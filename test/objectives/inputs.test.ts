import * as tf from "@tensorflow/tfjs";
import { describe, expect, test } from "vitest";
import { apoDown, apoZero } from "../../src/objectives/apo.js";
import { dpo } from "../../src/objectives/dpo.js";
import { hinge } from "../../src/objectives/hinge.js";
import { ipo } from "../../src/objectives/ipo.js";
import { kto } from "../../src/objectives/kto.js";
import { lengthMargin } from "../../src/objectives/length-margin.js";
import { nll, softNll, tokenNll, withNll } from "../../src/objectives/nll.js";
import { conservativeDpo, robustDpo } from "../../src/objectives/robust.js";
import { sft } from "../../src/objectives/sft.js";
import { sigmoidNorm } from "../../src/objectives/sigmoid-norm.js";
import { simpo } from "../../src/objectives/simpo.js";
import { softDpo } from "../../src/objectives/soft-dpo.js";
import type { PairLogps } from "../../src/objectives/types.js";
import { weightedLosses } from "../../src/objectives/weighted.js";
import { pair } from "./pairs.js";

describe("tensors that would broadcast are refused by name", () => {
  const [one, two] = [pair([-1], [-3]), pair([-1, -2], [-3, -4])];
  const matrix = { chosen: tf.ones([2, 1]) as unknown as tf.Tensor1D, rejected: tf.ones([2, 1]) as unknown as tf.Tensor1D };
  const withReference = {
    dpo: (p: PairLogps, r: PairLogps) => dpo(p, r, 0.1),
    hinge: (p: PairLogps, r: PairLogps) => hinge(p, r, 0.1),
    apoZero: (p: PairLogps, r: PairLogps) => apoZero(p, r, 0.1),
    apoDown: (p: PairLogps, r: PairLogps) => apoDown(p, r, 0.1),
    ipo: (p: PairLogps, r: PairLogps) => ipo(p, r, two, 0.1),
    sigmoidNorm: (p: PairLogps, r: PairLogps) => sigmoidNorm(p, r, two, 0.1),
    robustDpo: (p: PairLogps, r: PairLogps) => robustDpo(p, r, { beta: 0.1, epsilon: 0 }),
    conservativeDpo: (p: PairLogps, r: PairLogps) => conservativeDpo(p, r, { beta: 0.1, epsilon: 0 }),
  };

  test.each(Object.entries(withReference))("%s: a reference of one pair, columns, and an array", (name, loss) => {
    expect(() => loss(two, one)).toThrow(`${name}: reference.chosen is [1]; it must be a tensor [B], as policy.chosen is with 2`);
    expect(() => loss({ ...two, rejected: one.rejected }, two)).toThrow(`${name}: policy.rejected is [1]`);
    expect(() => loss(matrix, two)).toThrow(`${name}: policy.chosen is [2,1]; it must be a tensor [B]`);
    const array = { chosen: [-1, -2], rejected: [-3, -4] } as unknown as PairLogps;
    expect(() => loss(array, two)).toThrow(`${name}: policy.chosen is a value of type object; it must be a tensor [B]`);
  });

  test("lengths, labels and weights of other sizes", () => {
    const lengths = "lengths.chosen is [1]";
    expect(() => ipo(two, two, one, 0.1)).toThrow(`ipo: ${lengths}`);
    expect(() => sigmoidNorm(two, two, one, 0.1)).toThrow(`sigmoidNorm: ${lengths}`);
    expect(() => simpo(two, one, { beta: 2, gamma: 0 })).toThrow(`simpo: ${lengths}`);
    expect(() => lengthMargin(two, two, one, { beta: 0.1, alpha: 0 })).toThrow(`lengthMargin: ${lengths}`);
    expect(() => nll(two, one)).toThrow(`nll: ${lengths}`);
    expect(() => tokenNll(two, one)).toThrow(`tokenNll: ${lengths}`);
    expect(() => softNll(two, one, tf.tensor1d([1, 1]))).toThrow(`softNll: ${lengths}`);
    expect(() => softNll(two, two, tf.tensor1d([1]))).toThrow("softNll: 1 labels for 2 pairs");
    expect(() => softNll(two, two, matrix.chosen)).toThrow("softNll: preferred is [2,1]; it must be a tensor [B]");
    expect(() => softDpo(two, two, matrix.chosen, 0.1)).toThrow("softDpo: preferred is [2,1]; it must be a tensor [B]");
    expect(() => sft(two.chosen, tf.tensor1d([1]))).toThrow("sft: weights is [1]");
    const batch = { policy: two.chosen, reference: two.chosen, labels: two.chosen, kl: tf.scalar(0) };
    expect(() => kto({ ...batch, labels: one.chosen }, { beta: 0.1 })).toThrow("kto: labels is [1]");
    expect(() => kto({ ...batch, kl: two.chosen as unknown as tf.Scalar }, { beta: 0.1 })).toThrow("kto: kl is [2]; it must be a scalar");
  });
});

test("infinite weights are named, since the loss would be NaN", () => {
  const p = pair([0], [0]);
  expect(() => simpo(p, p, { beta: 2, gamma: Number.POSITIVE_INFINITY })).toThrow("simpo: gamma must be >= 0, got Infinity");
  expect(() => lengthMargin(p, p, p, { beta: 1, alpha: Number.POSITIVE_INFINITY })).toThrow(
    "lengthMargin: alpha must be >= 0, got Infinity",
  );
  expect(() => withNll(dpo(p, p, 1), p, p, Number.POSITIVE_INFINITY)).toThrow("nll: the weight must be >= 0, got Infinity");
  const batch = { policy: p.chosen, reference: p.chosen, labels: p.chosen, kl: tf.scalar(0) };
  expect(() => kto(batch, { beta: 1, desirableWeight: Number.POSITIVE_INFINITY })).toThrow("kto: weights must be >= 0, got Infinity");
  expect(() => weightedLosses([dpo(p, p, 1)], [Number.NaN])).toThrow("weightedLosses: weight 0 is NaN");
});
