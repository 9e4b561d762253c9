import fc from "fast-check";
import { expect, test } from "vitest";
import { defaultRules } from "../../src/exante/rule-file.js";
import { answerOf, parseTrace, type Thought, writeThought } from "../../src/exante/trace.js";

const text = (thought: Thought, style: "terse" | "verbose", variant = 0) =>
  writeThought(thought, style, variant)
    .map((s) => s.text)
    .join("");

const thought: Thought = { risk: "none", sense: "end a stuck program", target: "own computer", rule: "R14", verdict: "does not violate" };

test("a terse thought reads as the format says", () => {
  expect(text(thought, "terse")).toBe(
    "<assess>none; end a stuck program; target: own computer</assess><verify>R14: does not violate</verify><calibrate>comply, direct</calibrate><answer>",
  );
});

test("the decision comes first in both styles", () => {
  for (const style of ["terse", "verbose"] as const) {
    const segments = writeThought({ ...thought, risk: "theft", verdict: "violates" }, style, 1);
    expect(segments.slice(0, 2)).toEqual([
      { text: "<assess>", kind: "tag" },
      { text: "theft", kind: "decision" },
    ]);
  }
});

test("what is written is read back", () => {
  const word = fc.stringMatching(/^[a-z]{2,8}( [a-z]{2,8}){0,3}$/);
  const any = fc.record({ sense: word, target: word, index: fc.nat(13), unsafe: fc.boolean(), verbose: fc.boolean(), variant: fc.nat(20) });
  fc.assert(
    fc.property(any, ({ sense, target, index, unsafe, verbose, variant }) => {
      const { id, risk } = defaultRules().rules[index]!;
      const verdict = unsafe ? "violates" : "does not violate";
      const written = text({ risk: unsafe ? risk : "none", sense, target, rule: id, verdict }, verbose ? "verbose" : "terse", variant);
      const parsed = parseTrace(`${written}An answer.</answer>`);
      expect(parsed).toMatchObject({
        risk: unsafe ? risk : "none",
        rule: id,
        verdict,
        thought: written,
        answer: "An answer.",
        consistent: true,
      });
    }),
  );
});

test("a trace with a missing tag, a swapped tag or no verdict is not valid", () => {
  const whole = `${text(thought, "terse")}Yes.`;
  for (const tag of ["<assess>", "</verify>", "<calibrate>", "<answer>"]) expect(parseTrace(whole.replace(tag, ""))).toBeNull();
  expect(parseTrace(whole.replace("<verify>", "<calibrate>"))).toBeNull();
  expect(parseTrace(whole.replace("does not violate", "is fine"))).toBeNull();
  expect(parseTrace("I can help with that.")).toBeNull();
});

test("a first word and a verdict that disagree are noticed", () => {
  expect(parseTrace(text({ ...thought, verdict: "violates" }, "terse"))).toMatchObject({ consistent: false });
});

test("the answer is what follows the thought, or everything", () => {
  expect(answerOf("<assess>x</assess><answer> Yes. </answer> more")).toBe("Yes.");
  expect(answerOf(" Plain text. ")).toBe("Plain text.");
});

test.each(["M12", "privacy", "A-1", "7", "x-ray-2"])("the id %s of any rule set is read back, in each wording", (rule) => {
  for (const verdict of ["violates", "does not violate"] as const) {
    for (const [style, variant] of [["terse", 0], ...[0, 1, 2].map((variant) => ["verbose", variant])] as const)
      expect(parseTrace(text({ ...thought, rule, verdict }, style as "terse" | "verbose", Number(variant)))).toMatchObject({
        rule,
        verdict,
      });
  }
});

test("a verdict without a rule before it cites none", () => {
  const cited = (verification: string) => parseTrace(text(thought, "terse").replace("R14: does not violate", verification))?.rule;
  expect([cited("It violates"), cited("R14 does not violate"), cited("the rule -: violates"), cited("M1: violates")]).toEqual([
    null,
    null,
    null,
    "M1",
  ]);
});
