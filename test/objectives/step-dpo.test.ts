import fc from "fast-check";
import { expect, test } from "vitest";
import { dpo } from "../../src/objectives/dpo.js";
import { stepDpo, stepPair } from "../../src/objectives/step-dpo.js";
import { evaluate, pairOf } from "./pairs.js";

const ids = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 4 });

test("cuts at the first step that differs", () => {
  expect(stepPair([1, 2], [[3], [4, 5], [6]], [[3], [4, 9], [7], [8]])).toEqual({ prompt: [1, 2, 3], chosen: [4, 5], rejected: [4, 9] });
});

test("chains of one step are left as they are, and the loss is DPO's", () => {
  fc.assert(
    fc.property(ids, ids, ids, (prompt, chosen, rejected) => {
      fc.pre(chosen.join() !== rejected.join());
      expect(stepPair(prompt, [chosen], [rejected])).toEqual({ prompt, chosen, rejected });
    }),
  );
  const [policy, reference] = [
    { chosen: [-10, -3], rejected: [-9, -8] },
    { chosen: [-12, -4], rejected: [-8, -8] },
  ];
  expect(evaluate(policy, (p) => stepDpo(p, pairOf(reference), 0.3))).toEqual(evaluate(policy, (p) => dpo(p, pairOf(reference), 0.3)));
});

test("only the differing step counts: what stands before it moves to the prompt, what stands behind it goes", () => {
  fc.assert(
    fc.property(ids, fc.array(ids), ids, ids, fc.array(ids), fc.array(ids), (prompt, shared, w, l, afterW, afterL) => {
      fc.pre(w.join() !== l.join());
      const cut = stepPair(prompt, [...shared, w, ...afterW], [...shared, l, ...afterL]);
      expect(cut).toEqual({ prompt: [...prompt, ...shared.flat()], chosen: w, rejected: l });
    }),
  );
});

test("chains that do not differ, or one of which ends before they do, are no pair", () => {
  expect(stepPair([1], [[2], [3]], [[2], [3]])).toBeNull();
  expect(stepPair([1], [[2], [3]], [[2]])).toBeNull();
  expect(stepPair([1], [[]], [[2]])).toBeNull();
});
