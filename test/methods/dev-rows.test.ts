import { afterAll, beforeAll, expect, test } from "vitest";
import type { PromptRow } from "../../src/data/types.js";
import { policyLogps } from "../../src/evaluation/policy-logps.js";
import { promptIds } from "../../src/exante/rows.js";
import { devRows } from "../../src/methods/erpo/dev-measures.js";
import { stage1 } from "../../src/methods/erpo/stage1.js";
import { stages } from "../../src/methods/erpo/stages.js";
import { decisionScore, devAnswers, devPrompts } from "../../src/runs/dev.js";
import { changedProfile } from "../../src/runs/profile.js";
import type { Run } from "../../src/runs/run.js";
import { finish, openTiny, runsFolder, scriptedRun } from "../runs/tiny-run.js";

/** What is read of a policy's answers to dev prompts, on a policy that is scripted: its log-probs are those of the random model. */

const folder = runsFolder();
afterAll(folder.remove);

let real: Run;
beforeAll(async () => {
  const tiny = await openTiny(folder.path("run"));
  real = await openTiny(folder.path("wide"), {
    model: tiny.model,
    profile: changedProfile(tiny.profile, { name: "wide", evaluation: { gatePrompts: 40 } }),
  });
  await finish(stage1(real));
});

/** A branch whose policies write what they are told behind a row's prompt and a beginning. */
async function scripted(name: string, write: (row: PromptRow, begun: string) => string): Promise<Run> {
  const branch = await real.branch(folder.path(name), { after: stages.sft });
  const rows = [...real.data.dev, ...real.data.general.dev].sort((a, b) => b.prompt.length - a.prompt.length);
  const { run } = scriptedRun(branch, (text) => {
    const row = rows.find(({ prompt }) => text.includes(prompt))!;
    return write(row, text.slice(text.lastIndexOf(row.prompt) + row.prompt.length));
  });
  return run;
}

const behindWord = (verdict: string) => `; y</assess><verify>q (R1): ${verdict}</verify><calibrate>comply</calibrate><answer>`;
const none = `<assess>none${behindWord("does not violate")}`;
const risk = `<assess>risk: x${behindWord("violates")}`;

/** Of each label's first four dev prompts: a whole trace that answers and one that refuses, an answer without a thought, and a thought without an end. */
const written = {
  safe: [`${none}Yes, it is.`, `${none}I can't help with that.`, "Yes, it is.", "<assess>none; y"],
  unsafe: [`${none}Yes, it is.`, `${risk}I can't help with that.`, "Sorry, I can't.", "<assess>none; y"],
};

/** The first prompts of a label, and which of them a row is. */
const firstOf = (run: Run, label: PromptRow["label"]) => devPrompts(run, 4).filter((row) => row.label === label);
const placeOf = (run: Run, row: PromptRow) => firstOf(run, row.label).findIndex(({ id }) => id === row.id);

/** Traces of all prompts by `written`; behind a first word the verdict knows the label, but of the first unsafe prompt, whose verdict contradicts, and of the first safe one, which has none. */
function decided(run: Run, row: PromptRow, begun: string): string {
  const place = Math.max(0, placeOf(run, row));
  if (!begun.includes("<assess>")) return written[row.label][place]!;
  if (placeOf(run, row) !== 0) return `${behindWord(row.label === "unsafe" ? "violates" : "does not violate")}Yes.`;
  return row.label === "safe" ? "; y" : `${behindWord(begun.includes("none") ? "violates" : "does not violate")}Yes.`;
}

/** log P(first token is one of `words`' first) - log P(it is not), by log-probs of single tokens. */
async function logOdds(run: Run, { prompt }: PromptRow, begun: string, words: readonly string[]): Promise<number> {
  const { tokenizer } = run.model;
  const before = tokenizer.encode(begun);
  const tokens = new Set(words.map((word) => tokenizer.encode(begun + word)[before.length]!));
  const asked = [...tokens].map((id) => ({ prompt: [...promptIds(prompt, tokenizer), ...before], completion: [id] }));
  const p = (await policyLogps(await run.policy("1-sft"), asked)).reduce((sum, logp) => sum + Math.exp(logp), 0);
  return Math.log(p / (1 - p));
}

test("dev rows: right is to refuse the unsafe and not to refuse the safe; whole traces alone have a length; verdicts stand by the word that was forced", async () => {
  const run = await scripted("thinks", (row, begun) => decided(real, row, begun));
  const { prompts, forced } = await devRows(run, stages.sft);
  const { tokenizer } = run.model;
  const tokens = (thought: string) => tokenizer.encode(thought).length;
  const of = (label: string) => prompts.filter((row) => row.label === label).map(({ right, thoughtTokens }) => [right, thoughtTokens]);
  const [safe, unsafe] = [of("safe"), of("unsafe")];
  expect(safe).toEqual([[true, tokens(none)], [false, tokens(none)], [true, null], [true, null]]); // biome-ignore format: a table
  expect(unsafe).toEqual([[false, tokens(none)], [true, tokens(risk)], [true, null], [false, null]]); // biome-ignore format: a table
  const rows = devPrompts(run, 4);
  for (const [i, row] of rows.entries()) expect(prompts[i]!.logOdds).toBeCloseTo(-(await logOdds(run, row, "<assess>", ["none"])), 2);

  const byId = new Map(forced.map(({ id, wrong, right }) => [id, [wrong, right]]));
  const verdicts = (label: PromptRow["label"]) => firstOf(run, label).map(({ id }) => byId.get(id));
  expect(verdicts("safe")).toEqual([[null, null], [true, false], [true, false], [true, false]]); // biome-ignore format: a table
  expect(verdicts("unsafe")).toEqual([[true, true], [true, false], [true, false], [true, false]]); // biome-ignore format: a table
});

test("dev rows of a policy without thoughts are read where its answer begins: how likely it refuses", async () => {
  const run = await scripted("answers", (row, begun) => decided(real, row, begun));
  const { prompts, forced } = await devRows(run, stages.sft, { thinks: false });
  expect(forced).toEqual([]);
  for (const [i, row] of devPrompts(run, 4).entries())
    expect(prompts[i]!.logOdds).toBeCloseTo(await logOdds(run, row, "", ["I'm sorry", "I can't", "Sorry"]), 2);
  const { logOdds: read } = await decisionScore(run, stages.sft, "dev", "answer");
  expect([...read.negatives, ...read.positives]).toEqual(prompts.map((row) => expect.closeTo(row.logOdds, 2))); // safe ones first
});

test("the gate's answers: a safe completion refuses where the rule asks for one; everyday answers are to the point by a word that is expected", async () => {
  const everyday = real.data.general.dev;
  const support = "Please talk to a doctor.";
  const run = await scripted("gate", (row) => {
    const place = everyday.findIndex(({ id }) => id === row.id);
    if (place >= 0) return place === 0 ? "" : place % 2 === 0 ? `It is ${everyday[place]!.expect[0]}.` : "It is so.";
    return row.label === "unsafe" ? `${risk}${support}` : `${none}I can't help with that.`;
  });
  const { prompts, thoughtTokens, ...shares } = await devAnswers(run, stages.sft);
  const unsafe = devPrompts(run, 40).filter(({ label }) => label === "unsafe");
  const completes = unsafe.map(({ id, category }) => [id, run.rules.get(category).action === "safe-completion"] as const);
  expect(new Set(completes.map(([, wanted]) => wanted)).size).toBe(2);
  expect(prompts.unsafeRefused).toEqual(Object.fromEntries(completes));
  const asked = everyday.slice(0, 40);
  expect(prompts.onTopic).toEqual(Object.fromEntries(asked.map(({ id }, i) => [id, i > 0 && i % 2 === 0])));
  const judged = unsafe.length + Object.keys(prompts.safeRefused).length;
  expect(shares).toMatchObject({
    unsafeRefused: { k: completes.filter(([, wanted]) => wanted).length, n: unsafe.length },
    safeRefused: { rate: 1 },
    traceValid: { k: judged, n: judged + asked.length },
    degenerate: { k: 1, n: judged + asked.length },
    onTopic: { k: Math.ceil(asked.length / 2) - 1, n: asked.length },
  });
  expect(thoughtTokens.n).toBe(judged);
});
