import { afterAll, beforeAll, expect, test } from "vitest";
import { createRng } from "../../src/backend/random.js";
import { readAppended } from "../../src/data/jsonl.js";
import type { PromptRow } from "../../src/data/types.js";
import { comparedPart, thoughtLength } from "../../src/exante/pairs.js";
import type { LabelledPrompt } from "../../src/exante/rows.js";
import { answerPairs, ownTraces } from "../../src/methods/erpo/answer-pairs.js";
import { mine } from "../../src/methods/erpo/mined.js";
import { pairBatches, roundPairs, type StoredPairs, stage2Pairs } from "../../src/methods/erpo/pairs.js";
import { answerSampling, pairs as knobs } from "../../src/methods/erpo/recipe.js";
import { stage1 } from "../../src/methods/erpo/stage1.js";
import { stages } from "../../src/methods/erpo/stages.js";
import type { Run } from "../../src/runs/run.js";
import { changedBranch, finish, openTiny, runsFolder, scriptedRun } from "../runs/tiny-run.js";

/**
 * Pairs from a policy that is scripted: each second time that it is asked a prompt, it is wrong; made to begin with a first word it follows it, and behind an assessment
 * it contradicts it. So every kind of pair can be had from samples.
 */

const folder = runsFolder();
afterAll(folder.remove);

let run: Run;
let real: Run;
let asked: () => number;
beforeAll(async () => {
  real = await openTiny(folder.path("run"));
  await finish(stage1(real));
  const rows = [...real.data.train2, ...real.data.general.train2];
  ({ run, asked } = scriptedRun(real, (text) => written(rows.find(({ prompt }) => text.includes(prompt))!, text)));
});

const times = new Map<string, number>();

/** What the scripted policy writes after a prompt, by itself or behind a beginning. */
function written({ label }: PromptRow, text: string): string {
  const key = text.slice(text.indexOf("user"));
  const time = times.get(key) ?? 0;
  times.set(key, time + 1);
  const begun = text.includes("<assess>");
  const assessed = text.includes("</assess>");
  const suspects = text.includes("<assess>risk");
  const unsafe = begun ? suspects !== assessed : (label === "unsafe") === (time % 2 === 0);
  const head = begun ? "" : `<assess>${unsafe ? "risk: theft" : "none"}`;
  const verify = `<verify>R1: ${unsafe ? "violates" : "does not violate"}</verify><calibrate>${unsafe ? "refuse" : "comply"}</calibrate><answer>`;
  return `${head}${assessed ? "" : "; a thought</assess>"}${verify}${unsafe ? "Sorry, I can't help." : "Here is how it works."}</answer>`;
}

const counts = (pairs: StoredPairs) => {
  const kinds = pairs.goals.map((goal, i) => `${pairs.differs[i] === "form" ? "form" : goal}, ${pairs.labels[i]}`);
  return Object.fromEntries([...new Set(kinds)].sort().map((kind) => [kind, kinds.filter((other) => other === kind).length]));
};

test("stage 2: pairs of decisions and of verification, from samples, each side what it should be, compared in one step", async () => {
  const pairs = await stage2Pairs(run);
  // 8 prompts of each label: a pair behind each of the two first words, and a decision pair where the policy is wrong: the random model sees a risk everywhere
  expect(counts(pairs)).toEqual({ "safety, unsafe": 16, "usefulness, safe": 24 });
  expect(new Set(pairs.written)).toEqual(new Set([false]));
  const { tokenizer } = run.model;
  for (const [i, pair] of pairs.tokens.entries()) {
    const { prompt, chosen, rejected, reference } = comparedPart(pair);
    const [w, l] = [chosen, rejected].map((ids) => tokenizer.decode(ids));
    const right = pairs.labels[i] === "unsafe";
    if (tokenizer.decode(prompt).includes("</assess>")) {
      expect([w!.includes(": violates"), l!.includes(": violates")]).toEqual([right, !right]);
      expect([w, l]).toEqual([expect.stringMatching(/^<verify>.*<\/verify>$/), expect.stringMatching(/^<verify>.*<\/verify>$/)]);
    } else expect([w!.startsWith("<assess>none"), l!.startsWith("<assess>none")]).toEqual([!right, right]);
    expect(tokenizer.decode(pair.chosen)).toContain(right ? "refuse" : "comply"); // the NLL term holds the path to the verdict
    expect(Number.isFinite(reference!.chosen + reference!.rejected)).toBe(true);
  }
});

test("a second call asks the model nothing", async () => {
  const before = asked();
  const first = await stage2Pairs(run);
  expect(asked()).toBe(before);
  expect(first.ids).toHaveLength(first.tokens.length);
});

test("stage 2's samples go on from the right and from the wrong first word of each prompt", () => {
  const labels = new Map(run.data.train2.map(({ id, label }) => [id, label]));
  for (const word of ["right", "wrong"] as const) {
    for (const file of [word, `after-${word}-1`]) {
      const rows = readAppended(run.path(stages.dpo, `samples-${file}.jsonl`)) as { id: string; ids: number[] }[];
      expect(rows).toHaveLength(16);
      for (const { id, ids } of rows) {
        const suspects = (labels.get(id) === "unsafe") === (word === "right");
        expect(run.model.tokenizer.decode(ids).startsWith(suspects ? "<assess>risk: " : "<assess>none")).toBe(true);
      }
    }
  }
});

test("answers that go against their thoughts, or open a thought again, are compared with others, of safe prompts that are decided rightly", async () => {
  const branch = await run.branch(folder.path("answers"), { after: stages.sft });
  const rows = run.data.train2.filter(({ label }) => label === "safe").slice(0, 30);
  const thought = "<assess>none; a thought</assess><verify>R1: does not violate</verify><calibrate>comply</calibrate><answer>";
  const asked: string[] = [];
  let drawn = 0;
  const { run: scripted } = scriptedRun(branch, (text) => {
    const at = rows.findIndex(({ prompt }) => text.includes(prompt));
    const [, answer] = text.split("<answer>");
    const own = text.includes("a thought");
    if (answer === undefined) asked.push(rows[at]!.id);
    if (answer === "Well,\n") return drawn++ % 2 === 0 ? "<verify>again" : "here is how.</answer>"; // half of the time a tag again
    if (answer === "" && !own) return at >= 15 ? "Well,\n<verify>comply</verify>" : "Here is how it works.</answer>"; // behind the terse thought
    const refuses = own ? drawn++ % 2 === 0 : at < 10; // of the first ten the policy itself refuses, and half of the time behind its thought
    return `${own ? "" : thought}${refuses ? "Sorry, I can't help." : "Here is how it works."}</answer>`;
  });
  const decided = rows.map((row, i) => ({ prompt: row as LabelledPrompt, margin: i < 20 ? 1 : -1 }));
  const unsafe = run.data.train2.filter(({ label }) => label === "unsafe").map((row) => ({ prompt: row as LabelledPrompt, margin: 1 }));
  const pairs = await answerPairs(scripted, await ownTraces(scripted, [...decided, ...unsafe]));
  expect(new Set(asked)).toEqual(new Set(rows.slice(0, 20).map(({ id }) => id)));
  const { tokenizer } = run.model;
  for (const [differs, from, to, begins, winner, loser] of [
    ["answer", 0, 10, thought, /<answer>Here is/, /<answer>Sorry, I/],
    ["form", 15, 20, "<assess>none; ", /<answer>Well,\nhere is/, /<answer>Well,\n<verify>/],
  ] as const) {
    const own = pairs.filter((pair) => pair.differs === differs);
    const fit = rows.slice(from, to).map(({ id }) => id);
    const most = differs === "answer" ? Math.ceil(knobs.againstShare * run.profile.stage2.prompts) : fit.length;
    expect(own).toHaveLength(Math.min(most, fit.length));
    expect(fit).toEqual(expect.arrayContaining(own.map(({ prompt }) => prompt.id)));
    for (const { goal, written, chosen, rejected } of own) {
      expect([goal, written]).toEqual(["usefulness", false]);
      expect([chosen, rejected].map((ids) => tokenizer.decode(ids))).toEqual([expect.stringMatching(winner), expect.stringMatching(loser)]);
      for (const ids of [chosen, rejected]) {
        expect(tokenizer.decode(ids).startsWith(begins)).toBe(true);
        const begun = differs === "form" ? tokenizer.encode("Well,\n").length : 0;
        expect(ids.length - thoughtLength(ids, tokenizer)).toBeLessThanOrEqual(begun + answerSampling.answerTokens);
      }
    }
  }
});

test("where few answers open a thought again, form pairs are filled up with the policy's own sound answers and what breaks them off", async () => {
  const branch = await run.branch(folder.path("sound"), { after: stages.sft });
  const rows = run.data.train2.filter(({ label }) => label === "safe").slice(0, 10);
  const trace =
    "<assess>none; a thought</assess><verify>R1: does not violate</verify><calibrate>comply</calibrate><answer>It is so.</answer>";
  const { run: scripted } = scriptedRun(branch, (text) => (text.includes("<answer>") ? "It is so.</answer>" : trace));
  const decided = rows.map((row) => ({ prompt: row as LabelledPrompt, margin: 1 }));
  const pairs = await answerPairs(scripted, await ownTraces(scripted, decided));
  expect(pairs).toHaveLength(Math.ceil(knobs.againstShare * run.profile.stage2.prompts));
  const { tokenizer } = run.model;
  for (const { differs, chosen, rejected } of pairs) {
    expect(differs).toBe("form");
    expect(trace.startsWith(tokenizer.decode(chosen))).toBe(true); // it is cut
    const [, answer] = tokenizer.decode(rejected).split("<answer>") as [string, string];
    expect(answer).toMatch(/<assess>$/);
    expect("It is so.".startsWith(answer.slice(0, -"<assess>".length))).toBe(true);
  }
});

test("what is wrong or close comes first, with a quarter of what is certain", () => {
  const prompt = (id: number, label: "safe" | "unsafe") => ({ id: `${label} ${id}`, label }) as LabelledPrompt;
  const margins = (["safe", "unsafe"] as const).flatMap((label) =>
    Array.from({ length: 20 }, (_, i) => ({ prompt: prompt(i, label), margin: i - 2.5 })),
  );
  const ids = mine(margins, 8, run.rng("test")).map(({ prompt }) => prompt.id);
  expect(ids).toHaveLength(16);
  expect(ids.slice(0, 4)).toEqual(["safe 2", "safe 1", "safe 0", "safe 3"]); // margins -0.5, -1.5, -2.5, 0.5
  expect(new Set(ids.slice(4, 8)).size).toBe(4);
  expect(
    mine(
      margins.map((row) => ({ ...row, margin: -1 })),
      8,
      run.rng("test"),
    ).slice(0, 8),
  ).toHaveLength(8);
});

test.each([
  [1, "it would come again in every batch"],
  [5, "without any of the other label they would move every decision one way"],
])("wrong decisions of %i unsafe prompts in a round make no pairs: %s", async (most) => {
  const branch = await run.branch(folder.path(`rare-${most}`), { after: stages.sft });
  const rows = [...run.data.train2, ...run.data.general.train2];
  const seen = new Set<PromptRow>();
  const rare = new Set<PromptRow>();
  const { run: scripted } = scriptedRun(branch, (text) => {
    const row = rows.find(({ prompt }) => text.includes(prompt))!;
    if (row.label === "unsafe" && rare.size < most) rare.add(row);
    const again = seen.has(row);
    seen.add(row);
    const unsafe = (row.label === "unsafe") !== (rare.has(row) && again);
    const thought = `${unsafe ? "risk: theft" : "none"}; a thought${again ? ", and more of it, and still more of it" : ""}`;
    const verify = `R1: ${unsafe ? "violates" : "does not violate"}</verify><calibrate>${unsafe ? "refuse" : "comply"}`;
    return `<assess>${thought}</assess><verify>${verify}</calibrate><answer>${unsafe ? "Sorry, I can't help." : "It works."}</answer>`;
  });
  const pairs = await roundPairs(scripted, 1, stages.sft);
  expect(counts(pairs)).toEqual({ "efficiency, safe": 8, "efficiency, unsafe": 8, "form, safe": 8 }); // those prompts' pairs are written
  expect(pairs.written.filter(Boolean)).toHaveLength(most);
});

test("a round's form pairs are of answers behind its shortest thoughts, and are compared by the token in which they part", async () => {
  const branch = await run.branch(folder.path("terse"), { after: stages.sft });
  const asked = new Map<string, number>();
  const { run: scripted } = scriptedRun(branch, (text) => {
    const time = asked.get(text) ?? 0;
    asked.set(text, time + 1);
    const thought = `none; a thought${time === 0 ? ", and more of it, and still more of it" : ""}`;
    return `<assess>${thought}</assess><verify>R1: does not violate</verify><calibrate>comply</calibrate><answer>It is so.</answer>`;
  });
  const pairs = await roundPairs(scripted, 1, stages.sft);
  expect(counts(pairs)["form, safe"]).toBe(8);
  expect(counts(pairs)["form, unsafe"]).toBeUndefined(); // there the answer is wrong
  const { tokenizer } = run.model;
  const forms = pairs.tokens.filter((_, i) => pairs.differs[i] === "form");
  for (const { prompt, chosen, rejected, weights } of forms) {
    expect(tokenizer.decode(prompt)).toContain("<assess>none; a thought</assess>");
    const at = rejected.length - 1; // what they share before is compared with itself
    expect(rejected.slice(0, at)).toEqual(chosen.slice(0, at));
    expect(tokenizer.decode([rejected[at]!])).toMatch(/^</);
    expect(weights!.chosen).toEqual(chosen.map((_, t) => (t <= at ? 1 : 0)));
  }
});

test("a round makes pairs of what its samples differ in", async () => {
  const pairs = await roundPairs(run, 1, stages.sft);
  // each prompt has a right and a wrong sample, so no two of different lengths are both right: those pairs are written, two batches of two of each, and counted
  const [efficiency, decisions] = [
    { "efficiency, safe": 4, "efficiency, unsafe": 4 },
    { "safety, unsafe": 8, "usefulness, safe": 8 },
  ];
  expect(counts(pairs)).toEqual({ ...efficiency, ...decisions, "form, safe": 8 });
  expect(pairs.goals.every((goal, i) => pairs.written[i] === (goal === "efficiency"))).toBe(true);
  const ends = pairs.tokens.map((pair) => run.model.tokenizer.decode(comparedPart(pair).rejected).match(/<\/?\w+>$/)?.[0]);
  const compared = (differs: string) => new Set(ends.filter((_, i) => pairs.differs[i] === differs));
  expect([compared("decision"), compared("length")]).toEqual([new Set(["</verify>"]), new Set(["<answer>"])]);
});

test("of few prompts, of which no sample is right, so many pairs are written that a stage has two steps", async () => {
  const few = await changedBranch(real, folder, { stage2: { prompts: 1 } });
  await finish(stage1(few));
  const { goals, written, tokens } = await stage2Pairs(scriptedRun(few, () => "I can help with that.").run);
  expect(goals.filter((goal) => goal === "safety")).toHaveLength(8);
  expect([tokens.length, new Set(written)]).toEqual([16, new Set([true])]);
});

test("pairs of answers stand beside a batch of as many decisions of safe prompts as of unsafe ones, as many as there are at most", () => {
  const of = (goal: "safety" | "usefulness", differs: "decision" | "answer" | "form", count: number) =>
    Array.from({ length: count }, () => ({ goal, differs }));
  for (const forms of [0, 1, 5]) {
    const all = [
      ...[...of("usefulness", "form", forms), ...of("safety", "decision", 9), ...of("usefulness", "decision", 4)],
      ...of("usefulness", "answer", 5),
    ];
    const pairs = {
      goals: all.map(({ goal }) => goal),
      differs: all.map(({ differs }) => differs),
      labels: all.map(({ goal }) => (goal === "safety" ? "unsafe" : "safe")),
    } as StoredPairs;
    const batches = pairBatches(pairs, createRng(1));
    expect(batches).toHaveLength(2);
    for (const batch of batches) {
      const count = (what: string) => batch.filter((i) => all[i]!.differs === what).length;
      expect([count("answer"), count("form"), count("decision")]).toEqual([1, Math.min(2, forms), 8]);
      expect(batch.filter((i) => all[i]!.differs === "decision" && pairs.labels[i] === "safe")).toHaveLength(4);
      expect(new Set(batch.filter((i) => all[i]!.differs !== "decision")).size).toBe(1 + Math.min(2, forms));
    }
    expect(new Set(batches.flat().filter((i) => all[i]!.differs === "form")).size).toBe(Math.min(4, forms));
  }
});

test("every batch has equally many pairs of each goal and label", async () => {
  const pairs = await roundPairs(run, 1, stages.sft);
  const batches = pairBatches(pairs, run.rng("test"));
  expect(batches.length).toBeGreaterThan(0);
  for (const batch of batches) {
    const others = batch.filter((i) => pairs.differs[i] !== "form");
    expect(batch).toHaveLength(others.length + knobs.beside.form);
    const kinds = others.map((i) => `${pairs.goals[i]}, ${pairs.labels[i]}`).sort();
    expect(kinds).toEqual(["efficiency, safe", "efficiency, unsafe", "safety, unsafe", "usefulness, safe"].flatMap((kind) => [kind, kind]));
  }
});
