import fc from "fast-check";
import { expect, test } from "vitest";
import { defaultRules } from "../../src/exante/rule-file.js";
import { answerOf, beforeLastDecision, isWhole, parseTrace, type Thought, writeThought } from "../../src/exante/trace.js";

const text = (thought: Thought, style: "terse" | "verbose", decides?: "first" | "last") =>
  writeThought(thought, style, decides)
    .map((s) => s.text)
    .join("");

const rule = { id: "R14", quote: "cyber abuse or illegal drugs" };
const thought: Thought = {
  ...{ risk: "none", sense: "end a stuck program", target: "own computer", rule, verdict: "does not violate", path: "comply" },
};

test("a terse thought reads as the format says", () => {
  expect(text(thought, "terse")).toBe(
    "<assess>none; end a stuck program; target: own computer</assess><verify>cyber abuse or illegal drugs (R14): does not violate</verify><calibrate>comply, direct</calibrate><answer>",
  );
});

test("the decision comes first in both styles", () => {
  for (const style of ["terse", "verbose"] as const) {
    const segments = writeThought({ ...thought, risk: "theft", verdict: "violates" }, style);
    expect(segments.slice(0, 3)).toEqual([
      { text: "<assess>", kind: "tag" },
      { text: "risk:", kind: "decision" },
      { text: " theft", kind: "risk" },
    ]);
  }
});

test("a decision that comes last is read, and what stands before it", () => {
  const stolen: Thought = { ...thought, risk: "theft", verdict: "violates", path: "refuse" };
  const terse = text(stolen, "terse", "last");
  expect(terse).toContain("<assess>end a stuck program; target: own computer; risk: theft</assess>");
  const segments = writeThought(stolen, "terse", "last");
  expect(segments.slice(1, 4)).toEqual([
    { text: "end a stuck program; target: own computer;", kind: "prose" },
    { text: " risk:", kind: "decision" }, // with its space: a token that begins with it weighs as the decision
    { text: " theft", kind: "risk" },
  ]);
  expect(beforeLastDecision(terse)).toBe("<assess>end a stuck program; target: own computer;");
  expect(beforeLastDecision(text(thought, "verbose", "last"))).toMatch(/^<assess>This is a request .* stand\.;$/);
  expect(beforeLastDecision("<assess>end a stuck program; target")).toBeNull();
});

test("what is written is read back", () => {
  const word = fc.stringMatching(/^[a-z]{2,8}( [a-z]{2,8}){0,3}$/);
  const any = fc.record({
    sense: word,
    target: word,
    index: fc.nat(13),
    unsafe: fc.boolean(),
    verbose: fc.boolean(),
    last: fc.boolean(),
    quoted: fc.boolean(),
    step: fc.nat(2),
  });
  fc.assert(
    fc.property(any, ({ sense, target, index, unsafe, verbose, last, quoted, step }) => {
      const { id, risk, quote } = defaultRules().rules[index]!;
      const verdict = unsafe ? "violates" : "does not violate";
      const path = (["refuse", "safe completion", "comply"] as const)[step]!;
      const said = { risk: unsafe ? risk : "none", sense, target, rule: { id, quote: quoted ? quote! : "" }, verdict, path } as const;
      const written = text(said, verbose ? "verbose" : "terse", last ? "last" : "first");
      const parsed = parseTrace(`${written}An answer.</answer>`);
      expect(parsed).toMatchObject({
        risk: unsafe ? risk : "none",
        assessment: expect.stringContaining(sense),
        rule: id,
        verdict,
        path,
        thought: written,
        answer: "An answer.",
        consistent: true,
      });
    }),
  );
});

test("where no rule comes near, none is cited; what is quoted is no verdict", () => {
  for (const style of ["terse", "verbose"] as const)
    expect(parseTrace(text({ ...thought, rule: null }, style))).toMatchObject({ rule: null, verdict: "does not violate" });
  const quoting = { id: "M1", quote: "whoever violates this" };
  expect(parseTrace(text({ ...thought, rule: quoting }, "terse"))).toMatchObject({ rule: "M1", verdict: "does not violate" });
  const denying = { id: "M1", quote: "what does not violate a law" };
  expect(parseTrace(text({ ...thought, rule: denying, verdict: "violates" }, "terse"))).toMatchObject({ rule: "M1", verdict: "violates" });
});

test("of several verdicts in a verification the last counts, of two decisions the first", () => {
  const two =
    "<assess>none; a wish; risk: theft</assess><verify>it does not violate: no, theft (R2): violates</verify><calibrate>refuse</calibrate>";
  expect(parseTrace(`${two}<answer>No.`)).toMatchObject({ risk: "none", rule: "R2", verdict: "violates", consistent: false });
  expect(parseTrace(`${two.replace("it does not violate: no", "it: does not violate")}<answer>No.`)!.verdict).toBe("violates");
});

test("where nothing is quoted the rule stands alone, with its weight, and no rule is none", () => {
  const bare = { ...thought, rule: { id: "R14", quote: "" } };
  expect(text(bare, "terse")).toContain("<verify>R14: does not violate</verify>");
  expect(text(bare, "verbose")).toContain("and that is R14: does not violate</verify>");
  expect(writeThought(bare, "terse").filter(({ kind }) => kind === "rule" || kind === "quote")).toEqual([{ text: "R14", kind: "rule" }]);
});

test("a trace with a missing tag, a swapped tag, no decision or no verdict is not valid", () => {
  const whole = `${text(thought, "terse")}Yes.`;
  for (const tag of ["<assess>", "</verify>", "<calibrate>", "<answer>"]) expect(parseTrace(whole.replace(tag, ""))).toBeNull();
  expect(parseTrace(whole.replace("<verify>", "<calibrate>"))).toBeNull();
  expect(parseTrace(whole.replace("does not violate", "is fine"))).toBeNull();
  expect(parseTrace(whole.replace(/<assess>[^;]*;/, "<assess>"))).toBeNull();
  expect(parseTrace("I can help with that.")).toBeNull();
});

test("an assessment that is nothing but its decision makes no whole trace", () => {
  for (const decides of ["first", "last"] as const) {
    const whole = `${text(thought, "terse", decides)}Yes.`;
    expect(isWhole(parseTrace(whole))).toBe(true);
    for (const assessment of ["none", "none;", "none; ;", "risk: theft"]) {
      const bare = parseTrace(whole.replace(/<assess>[^<]*/, `<assess>${assessment}`));
      expect([bare!.assessment, isWhole(bare)]).toEqual(["", false]);
    }
  }
  expect(isWhole(parseTrace(text(thought, "terse").replace("comply, direct", "as it is")))).toBe(false);
});

test("a first word and a verdict that disagree are noticed", () => {
  expect(parseTrace(text({ ...thought, verdict: "violates" }, "terse"))).toMatchObject({ consistent: false });
});

test("the answer is what follows the thought, or everything", () => {
  expect(answerOf("<assess>x</assess><answer> Yes. </answer> more")).toBe("Yes.");
  expect(answerOf(" Plain text. ")).toBe("Plain text.");
  for (let cut = 2; cut < "</answer>".length; cut++)
    expect(answerOf(`<assess>x</assess><answer>Yes, 3 < 4.${"</answer>".slice(0, cut)}`)).toBe("Yes, 3 < 4.");
  expect(answerOf("<answer>It is less: <")).toBe("It is less: <");
});

test.each(["M12", "privacy", "A-1", "7", "x-ray-2"])("the id %s of any rule set is read back, in both styles", (id) => {
  for (const verdict of ["violates", "does not violate"] as const) {
    for (const style of ["terse", "verbose"] as const)
      expect(parseTrace(text({ ...thought, rule: { ...rule, id }, verdict }, style))).toMatchObject({ rule: id, verdict });
  }
});

test("a verdict without a rule before it cites none", () => {
  const cited = (verification: string) =>
    parseTrace(text(thought, "terse").replace("cyber abuse or illegal drugs (R14): does not violate", verification))?.rule;
  expect([cited("It violates"), cited("R14 does not violate"), cited("whoever cheats, M1: violates"), cited("none: violates")]).toEqual([
    null,
    null,
    null,
    null,
  ]);
  expect([cited("M1: violates"), cited("whoever cheats (M1): violates")]).toEqual(["M1", "M1"]);
});
