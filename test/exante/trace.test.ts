import fc from "fast-check";
import { expect, test } from "vitest";
import { rule, rules } from "../../src/exante/rules.js";
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
      const { id, risk } = rules()[index]!;
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

test("there are 14 rules with different risk words, none of which is 'none'", () => {
  expect(rules().map((r) => r.id)).toEqual(Array.from({ length: 14 }, (_, i) => `R${i + 1}`));
  const words = new Set(rules().map((r) => r.risk));
  expect(words.size).toBe(14);
  expect(words.has("none")).toBe(false);
  expect(() => rule("R15")).toThrow('rule "R15" does not exist');
});
