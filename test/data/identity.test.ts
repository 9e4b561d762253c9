import { expect, test } from "vitest";
import { canonicalJson, digestOf, identityDifferences } from "../../src/data/identity.js";

test("the order of fields and fields that are undefined do not count, the order of a list does", () => {
  expect(canonicalJson({ b: [1, { d: "é", c: null }], a: undefined, A: true })).toBe('{"A":true,"b":[1,{"c":null,"d":"é"}]}');
  expect(digestOf({ a: 1, b: undefined })).toBe(digestOf({ a: 1 }));
  expect(digestOf([1, 2])).not.toBe(digestOf([2, 1]));
});

test.each([Number.NaN, Number.POSITIVE_INFINITY])("%d has no JSON, and would be taken for null", (value) => {
  expect(() => digestOf({ beta: [value] })).toThrow(`identity: ${value} is not a finite number`);
});

test("differences are told by their place, as deep as both have fields; null is not the same as nothing", () => {
  const was = { objective: { beta: 0.1, name: "dpo" }, seed: 1, rows: [1, 2], gone: null };
  const now = { objective: { name: "dpo", beta: 0.2 }, seed: { of: 1 }, rows: [1, 3] };
  expect(identityDifferences(was, now)).toEqual([
    { field: "gone", was: null, now: undefined },
    { field: "objective.beta", was: 0.1, now: 0.2 },
    { field: "rows", was: [1, 2], now: [1, 3] },
    { field: "seed", was: 1, now: { of: 1 } },
  ]);
});
