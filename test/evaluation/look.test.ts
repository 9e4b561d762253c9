import { afterAll, beforeAll, expect, test } from "vitest";
import { look } from "../../src/evaluation/look.js";
import { policyTokenLogps } from "../../src/evaluation/policy-logps.js";
import { type ViewedTurn, viewer } from "../../src/figures/viewer.js";
import { DISPLAY } from "../../src/frontend/shown.js";
import { withLogits } from "../../src/generation/decoding.js";
import { type Policy, policy } from "../../src/generation/policy.js";
import { loadAdapter } from "../../src/model/adapter-io.js";
import { type LanguageModel, loadModel } from "../../src/model/load.js";
import { fixture } from "../model/open.js";
import { scriptedModel } from "./scripted.js";

let tiny: LanguageModel;
beforeAll(async () => {
  tiny = await loadModel(fixture("llama-tiny"));
});
afterAll(() => tiny.dispose());

const trace = (first: string, verdict: string, path: string) =>
  `<assess>${first}; a lock; target: a door</assess><verify>harm (R2): ${verdict}</verify><calibrate>${path}, direct</calibrate><answer>`;
const complies = `${trace("none", "does not violate", "comply")}Turn the key in the lock and then push the door.</answer>`;
const refuses = `${trace("risk: harm", "violates", "refuse")}I'm sorry, but I can't help with that.</answer>`;
const writes = (text: string, name: string) => policy({ model: scriptedModel(tiny, () => text).model, name });

test("each token has the log-ratio of its probabilities, and the likeliest others at its place", async () => {
  const lora = await loadAdapter(fixture("llama-tiny-adapter"), tiny.config);
  const trained = policy({ model: scriptedModel(tiny, () => complies).model, adapter: lora, name: "trained" });
  const base = policy({ model: tiny, name: "base" });
  const { turns, question } = await look([trained], "How do I open it?", { reference: base, alternatives: 2, answerTokens: 200 });
  const [turn] = turns;
  expect(question).toBe("How do I open it?");
  expect(turn!.tokens.join("")).toContain(complies);
  expect(turn!.thought).toMatch(/^thought: risk \d+%, none > R2: does not violate \d+% > comply$/);
  expect(turn!.tokens.slice(0, turn!.thoughtTokens).join("")).toMatch(/<answer>$/);

  const messages = [{ role: "user" as const, content: question }];
  const completion = tiny.tokenizer.encode(complies);
  const prompt = { messages };
  const logpsOf = async (of: Policy) => (await policyTokenLogps({ ...of, model: tiny }, [{ prompt, completion }]))[0]!;
  const [own, under] = await Promise.all([logpsOf(trained), logpsOf(base)]);
  for (const [i, logp] of own.entries()) expect(turn!.values[i]).toBeCloseTo(logp - under[i]!, 3);
  expect(Math.max(...turn!.values.map(Math.abs))).toBeGreaterThan(0.01);
  for (const title of turn!.titles)
    expect(title).toMatch(/^[\d.]+%, [\d.]+ nats (above|below) the reference; else ".*" [\d.]+%, ".*" [\d.]+%$/s);
  lora.dispose();
});

test("held against itself a policy differs by nothing, whatever is rounded", async () => {
  const base = policy({ model: tiny, name: "base" });
  const { turns } = await look([base], "How do I open it?", { reference: base, answerTokens: 8 });
  expect(new Set(turns[0]!.values)).toEqual(new Set([0]));
});

test("where one policy takes a request for harmful, the other's help is cut, and what it might have said", async () => {
  const base = policy({ model: tiny, name: "base" });
  const both = [writes(complies, "helpful"), writes(refuses, "careful")];
  const { question, turns } = await look(both, "How do I open somebody's lock?", { reference: base, answerTokens: 200 });
  const [helpful, careful] = turns;
  expect(question).toBe("How do I [3 more words]");
  const answer = (turn: ViewedTurn) => turn.tokens.slice(turn.thoughtTokens).join("");
  expect(answer(helpful!)).toMatch(/^Turn the key in the lock +\[\d+ more tokens\]$/);
  for (const title of helpful!.titles.slice(helpful!.thoughtTokens)) expect(title).not.toContain("else");
  expect(answer(careful!)).toContain("I can't help with that.");
  const view = viewer({ question, turns, reference: "base" });
  for (const shown of [view.html, view.svg]) expect(shown).not.toContain("push");

  const open = await look(both, "How do I open somebody's lock?", { reference: base, redact: false, answerTokens: 200 });
  expect(answer(open.turns[0]!)).toContain("push the door");
});

test("a policy that rewrites its model's logits is refused", async () => {
  const decoding = withLogits((logits) => logits, { name: "same" });
  const base = policy({ model: tiny });
  await expect(look([policy({ model: tiny, name: "ruled", decoding })], "Hi", { reference: base })).rejects.toThrow(
    'look: policy "ruled" rewrites what its model says',
  );
});

test("the view folds the thought, shades by the number, names each token, and escapes what a model writes", () => {
  const turn = {
    name: "a<b",
    heading: "3 tokens",
    thought: "thought: none",
    thoughtTokens: 1,
    tokens: ["<assess>", "Hi", " <script>"],
    values: [0, 2, -2],
    titles: ["t0", 't"1', "t2"],
  };
  const view = viewer({ question: "Q & A", reference: "base", turns: [turn] });
  const { [DISPLAY]: show, html, svg } = view;
  expect(html).toContain("<details><summary>thought: none</summary>");
  expect(html).toMatch(/<details>.*&lt;assess&gt;.*<\/details>.*Hi/s); // the answer is outside
  expect(html).toContain('title="t&quot;1" style="background:#7fb6dd');
  expect(html).toContain('title="t2" style="background:#f0a37c');
  for (const shown of [html, svg]) expect(shown).not.toContain("<script>");
  expect(svg).toContain("<title>t2</title>");
  expect(svg.match(/<rect/g)).toHaveLength(4); // the paper and three tokens
  expect(show.call(view)).toMatchObject({
    data: { "text/plain": "Q & A\n[a<b] 3 tokens\nthought: none\nHi <script>" },
    metadata: { alt: "The tokens of a<b, each shaded by how much likelier it is than under base." },
  });
  const long = viewer({
    question: "How do I kill a process that hangs, and that nobody else has started?",
    reference: "base",
    turns: [turn],
  });
  const lines = [...long.svg.matchAll(/font-weight="bold"[^>]*>([^<]*)</g)].map(([, text]) => text);
  expect(lines.slice(0, 2)).toEqual(["How do I kill a process that hangs, and that", "nobody else has started?"]); // in full, within the picture
});
