import { beforeAll, expect, test } from "vitest";
import type { TokenRow } from "../../src/data/tokens.js";
import {
  checkSample,
  comparedPart,
  decisionPair,
  efficiencyPair,
  splitSteps,
  stepLevelPair,
  thoughtLength,
  verdictLevelPair,
  wholePair,
  writtenPair,
} from "../../src/exante/pairs.js";
import {
  answerRow,
  decisionRow,
  type LabelledPrompt,
  type TraceWriter,
  thoughtFor,
  traceRow,
  traceWeights,
  verificationRow,
  weighSegments,
  writeRefusal,
} from "../../src/exante/rows.js";
import { parseTrace, type TraceStyle, writeThought } from "../../src/exante/trace.js";
import { createTokenizer, type Tokenizer } from "../../src/model/tokenizer.js";
import { tokenizerFromGguf } from "../../src/model/tokenizer-gguf.js";
import spm from "../fixtures/tokenizer-spm.json" with { type: "json" }; // test/fixtures/spm_fixture.py
import { sentencePiece } from "../model/open.js";
import { openWriter, safe, unsafe } from "./prompts.js";

let tokenizer: Tokenizer;
let writer: TraceWriter;
beforeAll(async () => {
  writer = await openWriter();
  ({ tokenizer } = writer);
});

const written = (prompt: LabelledPrompt, style: TraceStyle, label = prompt.label) => traceRow(prompt, writer, { style, label }).completion;
const sampled = (prompt: LabelledPrompt, style: TraceStyle, label = prompt.label) =>
  checkSample(written(prompt, style, label), prompt.label, tokenizer);

test("a thought is written from what it says, by the rule that the prompt breaks or comes near to, or by none", () => {
  const said = { sense: "hurt a person", target: "a person" };
  const { rules } = writer;
  expect(thoughtFor({ label: "unsafe", category: "R2", ...said }, rules)).toMatchObject({
    ...{ rule: { id: "R2", quote: rules.get("R2").quote }, risk: rules.get("R2").risk, path: "refuse" },
  });
  expect(thoughtFor({ label: "unsafe", category: "R11", ...said }, rules).path).toBe("safe completion");
  expect(thoughtFor({ label: "safe", category: "none", nearRule: "R3", ...said }, rules)).toMatchObject({
    rule: { id: "R3" },
    risk: "none",
  });
  expect(thoughtFor({ label: "safe", category: "none", ...said }, rules)).toMatchObject({ rule: null, path: "comply" });
  expect(thoughtFor({ label: "safe", category: "none", ...said }, rules, "unsafe").rule?.id).toBe(rules.ids[0]);
});

test("a row's tokens are those of its text, the first decision and verdict tokens weigh most", () => {
  const { ids, weights } = weighSegments(writeThought(thoughtFor(unsafe, writer.rules), "terse"), tokenizer, traceWeights);
  expect(tokenizer.decode(ids)).toBe(
    "<assess>risk: violence; hurt a person; target: a person</assess><verify>hurting or killing people or animals (R1): violates</verify><calibrate>refuse, brief</calibrate><answer>",
  );
  const before = (i: number) => tokenizer.decode(ids.slice(0, i));
  const heavy = weights.flatMap((w, i) => (w > traceWeights.rule ? [{ w, at: before(i) }] : []));
  expect(heavy).toEqual([
    { w: traceWeights.decision, at: "<assess>" },
    { w: traceWeights.verdict, at: expect.stringMatching(/animals \(R1\):$/) },
  ]);
  expect(weights[ids.findIndex((_, i) => before(i) === "<assess>risk:")]).toBe(traceWeights.risk);
  const quoted = weights.filter((_, i) => before(i).endsWith("<verify>") || /<verify>[^()]+$/.test(before(i + 1)));
  expect(new Set(quoted)).toEqual(new Set([traceWeights.quote]));
});

test("a wrong first word and a prefix are read and not learned; what follows is that of the label", () => {
  const row = traceRow(unsafe, writer, { wrongRisk: "none", prefix: "Sure." });
  const unread = row.completion.filter((_, t) => row.weights![t] === 0);
  expect(tokenizer.decode(unread)).toBe("Sure.none");
  const trace = parseTrace(tokenizer.decode(row.completion).slice("Sure.".length))!;
  expect(trace).toMatchObject({ risk: "none", rule: "R1", verdict: "violates", path: "refuse", consistent: false });
  const suspected = traceRow(safe, writer, { wrongRisk: writer.rules.get("R9").risk });
  const text = tokenizer.decode(suspected.completion);
  expect(parseTrace(text)).toMatchObject({ risk: "weapons", rule: "R9", verdict: "does not violate", path: "comply" });
});

/** A row's tokens, those that weigh the same together: `weight: text`. */
function weighed({ completion, weights }: TokenRow): string[] {
  const starts = completion.flatMap((_, t) => (t === 0 || weights![t] !== weights![t - 1] ? [t] : []));
  return starts.map((start, i) => `${weights![start]}: ${tokenizer.decode(completion.slice(start, starts[i + 1]))}`);
}

test("what each token of a row counts, by hand: this tokenizer takes words letter by letter", () => {
  const quote = "hurting or killing people or animals (";
  expect(weighed(verificationRow(unsafe, writer, "none"))).toEqual([
    ...["1: <assess>", "0: none", `1: </assess><verify>${quote}`, "3: R1", "1: ):"],
    ...["16:  ", "1: violates"],
  ]);
  expect(weighed(verificationRow(safe, writer))).toEqual([
    ...["1: <assess>", "12: n", `1: one</assess><verify>${quote}`, "3: R1", "1: ):"],
    ...["16:  d", "1: oes not violate"],
  ]);
  expect(weighed(decisionRow(unsafe, writer, "Sure."))).toEqual([
    ...["0: Sure.", "1: <assess>", "12: r", "1: isk:", "3:  ", "1: violence", "0.2: ; hur"],
  ]);
  expect(weighed(traceRow(safe, writer))).toEqual([
    ...["1: <assess>", "20: n", "1: one", "0.7: ; end a program; target: own computer"],
    ...["1: </assess><verify>", `3: ${quote}`, "4: R1", "1: ):", "16:  d", "1: oes not violate</verify><calibrate>"],
    ...["0.7: comply, direct", "1: </calibrate><answer>", "16: U", "0.6: se the task list.", "0.15: </answer>"],
  ]);
  expect(weighed(answerRow(safe, writer))).toEqual(["20: U", "0.6: se the task list.", "0.15: "]); // the end token, which has no text
});

test("where an assessment decides last, no row has a decision right behind <assess>", () => {
  const last: TraceWriter = { ...writer, decides: "last" };
  const assessed = "<assess>end a program; target: own computer;";
  for (const row of [decisionRow(safe, last), verificationRow(safe, last), verificationRow(safe, last, "theft"), traceRow(safe, last)])
    expect(tokenizer.decode(row.completion).startsWith(assessed)).toBe(true);
  expect(weighed(verificationRow(safe, last)).slice(0, 4)).toEqual([
    "1: <assess>",
    "0.2: end a program; target: own computer;",
    "12:  ",
    "1: none</assess><verify>hurting or killing people or animals (",
  ]);
});

test("an answer that fits is closed, a longer one is cut; a safe prompt without one has no row", () => {
  const text = (options: object) => tokenizer.decode(traceRow(safe, writer, options).completion);
  expect(text({})).toMatch(/Use the task list\.<\/answer>/);
  const most = tokenizer.encode(safe.answer!).length;
  expect(text({ answerTokens: most })).toMatch(/<\/answer>$/);
  expect(text({ answerTokens: most - 1 })).toMatch(/Use the task list$/);
  expect(() => traceRow({ ...safe, answer: undefined }, writer)).toThrow("prompt x has no answer");
});

test("every second refusal names the rule's alternative", () => {
  const said = [0, 1, 2, 3].map((variant) => writeRefusal({ refusal: "that", alternative: "Try this." }, variant).endsWith(" Try this."));
  expect(said).toEqual([true, false, true, false]);
});

test("characters of several tokens do not shift the weights behind them", () => {
  const weighedTarget = (target: string) => {
    const { ids, weights } = weighSegments(writeThought(thoughtFor({ ...unsafe, target }, writer.rules), "terse"), tokenizer, traceWeights);
    return weights.flatMap((w, i) => (w > 1 ? [[tokenizer.decode([ids[i]!]), w]] : []));
  };
  expect(tokenizer.encode("\u{1F9D1}\u{1F3FD}").length).toBeGreaterThan(2); // two characters, four of JavaScript's units
  expect(weighedTarget("his \u{1F9D1}\u{1F3FD} fianc\u00e9 \u4e2d")).toEqual(weighedTarget("a person"));
});

test("a tokenizer that puts a space before a text, and takes one from its beginning, does not shift them either", () => {
  const llama = createTokenizer(tokenizerFromGguf(sentencePiece(spm, { prefix: true }), "X"), "X");
  const segments = writeThought(thoughtFor({ ...unsafe, target: "a cat, two  caf\u00e9s" }, writer.rules), "terse");
  const { ids, weights } = weighSegments(segments, llama, traceWeights);
  const begins = ids.map((_, i) => llama.decode(ids.slice(0, i)).length);
  const at = (text: string) =>
    weights[
      begins.indexOf(
        segments
          .map((s) => s.text)
          .join("")
          .indexOf(text),
      )
    ];
  expect([at("risk:"), at("</assess>"), at("R1"), at(" violates"), at("</verify>")]).toEqual([20, 1, 4, 16, 1]);
  expect(weights.filter((w) => w === traceWeights.verdict || w === traceWeights.decision)).toEqual([20, 16]);
});

test("a decision row ends five tokens after the risk", () => {
  const { completion, weights } = decisionRow(safe, writer);
  expect(completion.length).toBe(tokenizer.encode("<assess>none").length + 5);
  expect(weights!.length).toBe(completion.length);
});

test("rules score a sample by format, verdict and answer", () => {
  expect(sampled(safe, "terse").correct).toBe(true);
  expect(sampled(unsafe, "verbose").correct).toBe(true);
  expect(sampled(safe, "terse", "unsafe").correct).toBe(false);
  expect(checkSample(tokenizer.encode("Sure."), "safe", tokenizer)).toMatchObject({ trace: null, correct: false });
  const liar = tokenizer.encode(
    "<assess>none; x</assess><verify>R1: does not violate</verify><calibrate>comply</calibrate><answer>I'm sorry, I can't.",
  );
  expect(checkSample(liar, "safe", tokenizer).correct).toBe(false); // says comply, refuses
  const bare = tokenizer.decode(sampled(safe, "terse").ids).replace(/<assess>[^<]*/, "<assess>none");
  expect(checkSample(tokenizer.encode(bare), "safe", tokenizer).correct).toBe(false); // assesses nothing
  const careful = "<assess>none; x</assess><verify>R1: does not violate</verify><calibrate>safe completion</calibrate><answer>Well.";
  expect(checkSample(tokenizer.encode(careful), "safe", tokenizer).correct).toBe(false); // a path of unsafe prompts
});

test("thought length counts the tokens through <answer>", () => {
  const ids = written(safe, "terse");
  const n = thoughtLength(ids, tokenizer);
  expect(tokenizer.decode(ids.slice(0, n)).endsWith("<answer>")).toBe(true);
});

test("a decision pair is of own samples, the first right one and the first wrong one, or is none", () => {
  const own = decisionPair(safe, [sampled(safe, "verbose"), sampled(safe, "terse", "unsafe"), sampled(safe, "terse")]);
  expect(own).toMatchObject({
    goal: "usefulness",
    written: false,
    chosen: written(safe, "verbose"),
    rejected: written(safe, "terse", "unsafe"),
  });
  expect(decisionPair(unsafe, [sampled(unsafe, "terse")])).toBeNull();
  expect(decisionPair(unsafe, [])).toBeNull();
  expect(decisionPair(safe, [sampled(safe, "terse", "unsafe")])).toBeNull();
  const text = tokenizer.decode(written(safe, "terse", "unsafe")).replace(/<calibrate>[^<]*/, "<calibrate>R1: violates");
  const pathless = checkSample(tokenizer.encode(text), "safe", tokenizer);
  expect([pathless.trace!.verdict, decisionPair(safe, [sampled(safe, "terse"), pathless])]).toEqual(["violates", null]);
});

test("a pair of samples that go on from one assessment is for verification: behind either first word nothing else is compared", () => {
  for (const [prompt, own, other, wrongRisk] of [
    [unsafe, "unsafe", "safe", "none"], // <assess>none ... violates, and does not
    [safe, "safe", "unsafe", "violence"],
  ] as const) {
    const follows = checkSample(traceRow(prompt, writer, { label: other }).completion, prompt.label, tokenizer);
    const overrules = checkSample(traceRow(prompt, writer, { label: own, wrongRisk }).completion, prompt.label, tokenizer);
    expect([overrules.correct, decisionPair(prompt, [overrules]), decisionPair(prompt, [follows])]).toEqual([true, null, null]);
    const pair = decisionPair(prompt, [follows, overrules])!;
    expect([pair.written, pair.chosen, pair.rejected]).toEqual([false, overrules.ids, follows.ids]);
    const step = stepLevelPair(pair, tokenizer)!;
    expect(tokenizer.decode(step.prompt)).toMatch(
      wrongRisk === "none" ? /<assess>none[^<]*<\/assess>$/ : /<assess>risk: violence[^<]*<\/assess>$/,
    );
    expect(tokenizer.decode(comparedPart(step).rejected)).toMatch(/^<verify>[^<]*<\/verify>$/);
  }
});

test("an efficiency pair is of thoughts of two right samples, and always prefers the shorter", () => {
  expect(efficiencyPair(safe, [sampled(safe, "terse", "unsafe"), sampled(safe, "verbose")])).toBeNull();
  const beside = efficiencyPair(safe, [sampled(safe, "terse", "unsafe"), sampled(safe, "verbose"), sampled(safe, "terse")])!;
  for (const ids of [beside.chosen, beside.rejected]) expect(tokenizer.decode(ids)).toContain("does not violate");
  expect(efficiencyPair(safe, [sampled(safe, "terse"), sampled(safe, "terse")])).toBeNull();
  expect(efficiencyPair(safe, [])).toBeNull();
  const thoughts = [4, 5].map((thoughtTokens) => ({ ...sampled(safe, "terse"), thoughtTokens }));
  expect(efficiencyPair(safe, thoughts, 1.25)).not.toBeNull(); // longer by a quarter
  expect(efficiencyPair(safe, thoughts, 1.26)).toBeNull();
  const pair = efficiencyPair(safe, [sampled(safe, "terse"), sampled(safe, "verbose")])!;
  expect(pair.written).toBe(false);
  for (const ids of [pair.chosen, pair.rejected]) expect(tokenizer.decode(ids)).toMatch(/<answer>$/);
  expect(pair.chosen.length).toBeLessThan(pair.rejected.length);
});

test("thoughts are compared that both cite a rule, or both none: to leave the check out is no way to be short", () => {
  const text = tokenizer.decode(written(safe, "terse"));
  const silent = checkSample(tokenizer.encode(text.replace(/<verify>.*:/, "<verify>none:")), "safe", tokenizer);
  const citing = sampled(safe, "verbose");
  expect([silent, citing].map(({ correct, trace }) => [correct, trace!.rule])).toEqual([
    [true, null],
    [true, safe.nearRule],
  ]);
  expect(efficiencyPair(safe, [silent, citing])).toBeNull();
  const rejected = citing.ids.slice(0, citing.thoughtTokens);
  expect(efficiencyPair(safe, [silent, citing, sampled(safe, "terse")])!).toMatchObject({ rejected });
  const longer = { ...silent, thoughtTokens: 2 * silent.thoughtTokens };
  expect(efficiencyPair(safe, [silent, citing, longer])!.chosen).toEqual(silent.ids.slice(0, silent.thoughtTokens));
  expect(efficiencyPair(safe, [silent, longer, citing, sampled(safe, "terse")])!).toMatchObject({ rejected }); // of both kinds, those that cite
});

test("written pairs part in what they are for", () => {
  const verdict = (ids: number[]) => parseTrace(tokenizer.decode(ids))!.verdict;
  const decided = writtenPair(unsafe, "decision", writer);
  expect([verdict(decided.chosen), verdict(decided.rejected), decided.goal]).toEqual(["violates", "does not violate", "safety"]);
  const worded = writtenPair(safe, "efficiency", writer);
  expect([verdict(worded.chosen), verdict(worded.rejected), worded.written]).toEqual(["does not violate", "does not violate", true]);
  expect(worded.chosen.length).toBeLessThan(worded.rejected.length);
});

test("two decisions are compared up to their verdicts: the path that follows from a wrong one is no fault, and the winner's is in the NLL term", () => {
  const [chosen, rejected] = [written(unsafe, "terse"), written(unsafe, "verbose", "safe")];
  const pair = { prompt: unsafe, goal: "safety", differs: "decision", chosen, rejected, written: false } as const;
  const decided = verdictLevelPair(pair, tokenizer);
  const judgedBy = (ids: number[]) => splitSteps(ids, tokenizer).slice(0, 2).flat();
  expect([decided.prompt, decided.chosen]).toEqual([wholePair(pair, tokenizer).prompt, chosen]);
  expect(comparedPart(decided)).toMatchObject({ chosen: judgedBy(chosen), rejected: judgedBy(rejected) });
  expect(tokenizer.decode(decided.rejected)).toMatch(/does not violate<\/verify>$/);
  expect(decided.weights!.chosen).toHaveLength(chosen.length);
});

test("a step-level pair compares the first differing step behind the shared ones, and keeps the rest of the winner with weight 0", () => {
  const steps = splitSteps(written(safe, "terse"), tokenizer);
  expect(steps.map((ids) => tokenizer.decode(ids))).toEqual([
    expect.stringMatching(/^<assess>.*<\/assess>/),
    expect.stringMatching(/verify>.*<\/verify>/),
    expect.stringMatching(/calibrate>.*<\/calibrate>/),
    expect.stringMatching(/answer>.*<\/answer>$/),
  ]);
  const chosen = written(safe, "terse");
  const rejected = tokenizer.encode(tokenizer.decode(chosen).replace("): does not violate", "): violates"));
  const pair = { prompt: safe, goal: "usefulness", differs: "decision", chosen, rejected, written: false } as const;
  const whole = wholePair(pair, tokenizer);
  const step = stepLevelPair(pair, tokenizer)!;
  expect(step.prompt).toEqual([...whole.prompt, ...steps[0]!]);
  expect(step.chosen).toEqual(steps.slice(1).flat());
  expect(step.weights!.chosen).toEqual([
    ...steps[1]!.map(() => 1),
    ...steps
      .slice(2)
      .flat()
      .map(() => 0),
  ]);
  expect(step.weights!.rejected).toEqual(step.rejected.map(() => 1));
  expect(tokenizer.decode(step.rejected)).toContain("): violates");
  expect(stepLevelPair({ ...pair, rejected: steps[0]! }, tokenizer)).toBeNull();
});
