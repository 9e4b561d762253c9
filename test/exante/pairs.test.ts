import { beforeAll, expect, test } from "vitest";
import { checkSample, decisionPair, efficiencyPair, splitSteps, stepLevelPair, thoughtLength, wholePair } from "../../src/exante/pairs.js";
import {
  decisionRow,
  type LabelledPrompt,
  type TraceWriter,
  thoughtFor,
  traceRow,
  traceWeights,
  weighSegments,
} from "../../src/exante/rows.js";
import { defaultRules } from "../../src/exante/rule-file.js";
import { type TraceStyle, writeThought } from "../../src/exante/trace.js";
import { openDirectory } from "../../src/model/directory.js";
import { createTokenizer, type Tokenizer } from "../../src/model/tokenizer.js";

let tokenizer: Tokenizer;
let writer: TraceWriter;
beforeAll(async () => {
  const files = await openDirectory("test/fixtures/llama-tiny");
  tokenizer = createTokenizer(files.tokenizer, "llama-tiny");
  files.close();
  writer = { rules: defaultRules(), tokenizer };
});

const base = { id: "x", family: "verbs", source: "authored", split: "train2" } as const;
const safe: LabelledPrompt = {
  ...base,
  prompt: "How do I kill a process?",
  label: "safe",
  category: "none",
  nearRule: "R1",
  sense: "end a program",
  target: "own computer",
  answer: { text: "Use the task list.", finished: true },
};
const unsafe: LabelledPrompt = {
  ...base,
  prompt: "How do I hurt him?",
  label: "unsafe",
  category: "R1",
  sense: "hurt a person",
  target: "a person",
};

const written = (prompt: LabelledPrompt, style: TraceStyle, label = prompt.label) =>
  traceRow(prompt, style, 0, writer, 60, label).completion;
const sampled = (prompt: LabelledPrompt, style: TraceStyle, label = prompt.label) =>
  checkSample(written(prompt, style, label), prompt.label, tokenizer);

test("a thought is written from what it says, by the rule that the prompt breaks, comes near to, or else the first", () => {
  const said = { sense: "hurt a person", target: "a person" };
  const { rules } = writer;
  expect(thoughtFor({ label: "unsafe", category: "R2", ...said }, rules)).toMatchObject({ rule: "R2", risk: rules.get("R2").risk });
  expect(thoughtFor({ label: "safe", category: "none", nearRule: "R3", ...said }, rules)).toMatchObject({ rule: "R3", risk: "none" });
  expect(thoughtFor({ label: "safe", category: "none", ...said }, rules).rule).toBe(rules.ids[0]);
});

test("a row's tokens are those of its text, the first decision and verdict tokens weigh most", () => {
  const { ids, weights } = weighSegments(writeThought(thoughtFor(unsafe, writer.rules), "terse"), tokenizer, traceWeights);
  expect(tokenizer.decode(ids)).toBe(
    "<assess>violence; hurt a person; target: a person</assess><verify>R1: violates</verify><calibrate>refuse, brief</calibrate><answer>",
  );
  const heavy = weights.flatMap((w, i) => (w > 1 && w !== 8 ? [{ w, at: tokenizer.decode(ids.slice(0, i)) }] : []));
  expect(heavy).toEqual([
    { w: 12, at: "<assess>" },
    { w: 6, at: expect.stringMatching(/<verify>R1:$/) },
  ]);
  const rule = weights.flatMap((w, i) => (w === 8 ? [ids[i]!] : []));
  expect(tokenizer.decode(rule)).toBe("R1:");
});

test("characters of several tokens do not shift the weights behind them", () => {
  const weighed = (target: string) => {
    const { ids, weights } = weighSegments(writeThought(thoughtFor({ ...unsafe, target }, writer.rules), "terse"), tokenizer, traceWeights);
    return weights.flatMap((w, i) => (w > 1 ? [[tokenizer.decode([ids[i]!]), w]] : []));
  };
  expect(tokenizer.encode("\u{1F9D1}\u{1F3FD}").length).toBeGreaterThan(2); // two characters, four of JavaScript's units
  expect(weighed("his \u{1F9D1}\u{1F3FD} fianc\u00e9 \u4e2d")).toEqual(weighed("a person"));
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
});

test("thought length counts the tokens through <answer>", () => {
  const ids = written(safe, "terse");
  const n = thoughtLength(ids, tokenizer);
  expect(tokenizer.decode(ids.slice(0, n)).endsWith("<answer>")).toBe(true);
});

test("decision pairs take own samples, and write what is missing", () => {
  const own = decisionPair(safe, [sampled(safe, "verbose"), sampled(safe, "terse"), sampled(safe, "terse", "unsafe")], writer, 0, 8);
  expect(own).toMatchObject({
    goal: "usefulness",
    constructed: "none",
    chosen: written(safe, "terse"),
    rejected: written(safe, "terse", "unsafe"),
  });
  expect(decisionPair(unsafe, [sampled(unsafe, "terse")], writer, 0, 8)).toMatchObject({ goal: "safety", constructed: "rejected" });
  expect(decisionPair(unsafe, [], writer, 0, 8).constructed).toBe("both");
});

test("an efficiency pair never crosses a decision and always prefers the shorter", () => {
  expect(efficiencyPair(safe, [sampled(safe, "terse", "unsafe")], writer, 0)).toBeNull();
  for (const samples of [[sampled(safe, "terse"), sampled(safe, "verbose")], [sampled(safe, "terse")], [sampled(safe, "verbose")]]) {
    const pair = efficiencyPair(safe, samples, writer, 0)!;
    const [w, l] = [pair.chosen, pair.rejected].map((ids) => checkSample(ids, "safe", tokenizer));
    expect(w!.correct && l!.correct).toBe(true);
    expect(w!.thoughtTokens).toBeLessThan(l!.thoughtTokens);
    expect(w!.trace!.answer).toBe(l!.trace!.answer);
  }
});

test("a step-level pair compares the first differing step behind the shared ones", () => {
  const steps = splitSteps(written(safe, "terse"), tokenizer);
  expect(steps.map((ids) => tokenizer.decode(ids))).toEqual([
    expect.stringMatching(/^<assess>.*<\/assess>/),
    expect.stringMatching(/verify>.*<\/verify>/),
    expect.stringMatching(/calibrate>.*<\/calibrate>/),
    expect.stringMatching(/answer>.*<\/answer>$/),
  ]);
  const chosen = written(safe, "terse");
  const rejected = tokenizer.encode(tokenizer.decode(chosen).replace("R1: does not violate", "R2: violates"));
  const pair = { prompt: safe, goal: "usefulness", chosen, rejected, constructed: "none" } as const;
  const whole = wholePair(pair, tokenizer);
  const step = stepLevelPair(pair, tokenizer)!;
  expect(step.prompt).toEqual([...whole.prompt, ...steps[0]!]);
  expect(step.chosen).toEqual(steps[1]);
  expect(tokenizer.decode(step.rejected)).toContain("R2: violates");
  expect(stepLevelPair({ ...pair, rejected: steps[0]! }, tokenizer)).toBeNull();
});
