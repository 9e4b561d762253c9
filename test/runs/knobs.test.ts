import { readFileSync, writeFileSync } from "node:fs";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parseTrace } from "../../src/exante/trace.js";
import { causes } from "../../src/methods/erpo/causes.js";
import { devRows } from "../../src/methods/erpo/dev-measures.js";
import { gate } from "../../src/methods/erpo/gate.js";
import {
  answersOnly,
  decisionTraining,
  isCorrection,
  openingsTraining,
  stage1,
  stage1Prompts,
  traceRows,
  traceTraining,
} from "../../src/methods/erpo/stage1.js";
import { stage2 } from "../../src/methods/erpo/stage2.js";
import { stage3 } from "../../src/methods/erpo/stage3.js";
import { roundStage, stages } from "../../src/methods/erpo/stages.js";
import { readRecord } from "../../src/runs/claim.js";
import { devScore } from "../../src/runs/dev.js";
import type { ProfileChange } from "../../src/runs/profile.js";
import type { Run } from "../../src/runs/run.js";
import { changedBranch, finish, openTiny, runsFolder } from "./tiny-run.js";

/** What each knob of a profile changes: the identities of what depends on it, and of nothing else. */

const folder = runsFolder();
afterAll(folder.remove);

let run: Run;
beforeAll(async () => {
  run = await openTiny(folder.path("run"));
  for (const stage of [stage1, answersOnly, stage2, stage3]) await finish(stage(run));
});

const branched = (change: ProfileChange): Promise<Run> => changedBranch(run, folder, change);

const ofStage1 = [stages.decision, stages.sft, stages.baselineDecision, stages.baseline];
const ofRound = [`${roundStage(1)}/samples-1.jsonl`, `${roundStage(1)}/pairs.json`, roundStage(1)];

test.each<[string, ProfileChange, string[]]>([
  ["another name alone", {}, []],
  ["verbose", { stage1: { verbose: 0 } }, [stages.sft]],
  ["corrections", { stage1: { corrections: 0 } }, [stages.decision, stages.sft]],
  ["quotes", { stage1: { quotes: false } }, [stages.decision, stages.sft]],
  ["decides", { stage1: { decides: "last" } }, [stages.decision, stages.sft]],
  ["verdictWeight", { stage1: { verdictWeight: 1 } }, [stages.decision, stages.sft]],
  ["a second pass over the decisions", { stage1: { decisionPasses: 2 } }, ofStage1],
  ["tokens of whole traces", { stage1: { traceTokens: 3500 } }, [stages.sft, stages.baseline]],
])("stage 1: %s", async (_, change, changed) => {
  const branch = await branched(change);
  await finish(stage1(branch));
  await finish(answersOnly(branch));
  expect(different(branch, ofStage1)).toEqual(changed);
});

test.each<[string, ProfileChange, string[]]>([
  ["fewer rounds", { stage3: { rounds: 1 } }, []],
  ["efficiency", { stage3: { rounds: 1, efficiency: false } }, ofRound.slice(1)],
])("stage 3: %s", async (_, change, changed) => {
  const branch = await branched(change);
  for (const stage of [stage1, stage2, stage3]) await finish(stage(branch));
  expect(different(branch, [...ofStage1.slice(0, 2), stages.dpo, ...ofRound])).toEqual(changed);
});

/** Those results of a branch whose identity is not that of the run. */
function different(branch: Run, results: readonly string[]): string[] {
  const digest = (of: Run, path: string) => readRecord(of.dir, path)!.digest;
  return results.filter((path) => digest(branch, path) !== digest(run, path));
}

/** The texts of all rows of stage 1, and the weights of what they end with. */
async function rowsOf(of: Run): Promise<{ decisions: string[]; traces: string[] }> {
  const prompts = stage1Prompts(of);
  const { tokenizer } = of.model;
  const texts = ({ rows }: { rows: readonly { completion: number[] }[] }) => rows.map(({ completion }) => tokenizer.decode(completion));
  const { rows } = traceTraining(of, await traceRows(of, prompts));
  return { decisions: texts(decisionTraining(of, prompts)), traces: texts({ rows }) };
}

const contradicts = (text: string) => {
  const violates = text.includes("violates</verify>") || text.endsWith(" violates");
  return /violate/.test(text) && text.includes("<assess>none") === violates;
};

test("without corrections no row's verdict contradicts its first word; a half has fewer than all", async () => {
  const counts = [];
  for (const corrections of [1, 0.5, 0]) {
    const { decisions, traces } = await rowsOf(await branched({ stage1: { corrections, decisionTokens: 9000, traceTokens: 12_000 } }));
    counts.push([decisions, traces].map((texts) => texts.filter(contradicts).length));
  }
  for (const phase of [0, 1]) {
    const [whole, half, none] = counts.map((of) => of[phase]!) as [number, number, number];
    expect(whole).toBeGreaterThan(half);
    expect(half).toBeGreaterThan(0);
    expect(none).toBe(0);
  }
});

test("of the correction rows of a pattern a share is written, spread evenly, and no other row becomes one", () => {
  const pattern = fc.array(fc.constantFrom("wrong", "plain", "late"), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(pattern, fc.double({ min: 0, max: 1, noNaN: true }), fc.integer({ min: 1, max: 60 }), (kinds, share, rows) => {
      const wrong = Array.from({ length: rows }, (_, i) => i).filter((i) => kinds[i % kinds.length] === "wrong");
      const written = Array.from({ length: rows }, (_, i) => i).filter((i) => isCorrection(kinds, i, share));
      expect(written.filter((i) => !wrong.includes(i))).toEqual([]);
      expect(Math.abs(written.length - share * wrong.length)).toBeLessThan(1);
      expect(wrong.filter((i) => isCorrection(kinds, i, 1))).toEqual(wrong);
    }),
  );
});

test("a second pass over the decisions follows the first, and gives its prompts rows of other kinds", async () => {
  const once = await branched({ stage1: { decisionTokens: 9000 } });
  const twice = await branched({ stage1: { decisionTokens: 9000, decisionPasses: 2 } });
  const prompts = stage1Prompts(once);
  for (const training of [decisionTraining, openingsTraining]) {
    const [first, both] = [await training(once, prompts), await training(twice, prompts)];
    const count = first.rows.length;
    expect(both.rows.slice(0, count)).toEqual(first.rows);
    expect(both.batches.slice(0, first.batches.length)).toEqual(first.batches);
    const second = both.batches.slice(first.batches.length).flat();
    expect(second.sort((a, b) => a - b)).toEqual(both.rows.slice(count).map((_, i) => count + i));
    expect(both.rows.length).toBeGreaterThan(1.8 * count);
  }
  const { rows } = decisionTraining(twice, prompts);
  const text = ({ prompt, completion }: (typeof rows)[number]) => twice.model.tokenizer.decode([...prompt, ...completion]);
  const half = decisionTraining(once, prompts).rows.length;
  const repeated = rows.slice(half).filter((row) => rows.slice(0, half).some((earlier) => text(earlier) === text(row)));
  expect(repeated.length).toBeLessThan(0.6 * (rows.length - half)); // where both are rows of first words
});

test("without quotes each thought cites the same rule, by its number alone", async () => {
  const bare = await branched({ stage1: { quotes: false } });
  const [quoted, cited] = [await rowsOf(run), await rowsOf(bare)].map(({ traces }) =>
    traces.flatMap((text) => parseTrace(text.slice(text.indexOf("<assess>"))) ?? []),
  );
  expect(quoted!.length).toBeGreaterThan(5); // shorter rows are more within the same budget
  expect(cited!.slice(0, quoted!.length).map(({ rule }) => rule)).toEqual(quoted!.map(({ rule }) => rule));
  for (const { thought, rule } of cited!) expect(thought).toContain(rule === null ? "none:" : `${rule}:`);
  for (const { thought } of cited!) expect(thought).not.toContain("(");
  expect(bare.rules).toEqual(run.rules);
});

test("a decision that comes last stands behind the assessment's text, with a decision's weight, and is read there", async () => {
  const last = await branched({ stage1: { decides: "last" } });
  const { decisions, traces } = await rowsOf(last);
  const thoughts = traces.flatMap((text) => parseTrace(text.slice(text.indexOf("<assess>"))) ?? []);
  expect(thoughts.length).toBeGreaterThan(5);
  for (const { thought } of thoughts) expect(thought).toMatch(/^<assess>[^<]+; (none|risk: [^<]+)<\/assess>/);
  expect(decisions.filter((text) => /<assess>[^<]+; (none|risk: )/.test(text)).length).toBeGreaterThan(decisions.length / 2);
  const { rows } = decisionTraining(last, stage1Prompts(last));
  const { tokenizer } = last.model;
  for (const { completion, weights } of rows.slice(0, 8)) {
    const heaviest = completion.filter((_, i) => weights![i] === Math.max(...weights!));
    expect(tokenizer.decode(heaviest)).toMatch(/^ ?(none|n|risk|r| does| violates| d| v| )$/);
  }
  await finish(stage1(last));
  const { prompts, forced } = await devRows(last, stages.sft);
  expect(forced).toEqual([]); // a first word that is put into the mouth decides nothing
  expect(prompts.every(({ logOdds }) => Number.isFinite(logOdds))).toBe(true);
  await expect(finish(stage2(last))).rejects.toThrow('the first word decides nothing in profile changed, whose stage1.decides is "last"');
  for (const asks of [devScore, causes]) await expect(asks(last, stages.sft)).rejects.toThrow("the first word decides nothing");
  const answers = last.path("evaluation", stages.sft, "dev.jsonl");
  writeFileSync(answers, readFileSync(answers, "utf8").replace(/"completion":"/, "$&<assess>tie a knot; none</assess>"));
  await expect(devRows(last, stages.sft)).rejects.toThrow("1-sft/dev-log-odds.json was made with begun none, not of SHA-256");
});

test("the verdict's weight is that of its first token, in verification rows and in whole traces", async () => {
  const heavy = await branched({ stage1: { verdictWeight: 77 } });
  const prompts = stage1Prompts(heavy);
  const weightsOf = (rows: readonly { weights?: readonly number[] }[]) => rows.filter(({ weights }) => weights!.includes(77)).length;
  const { rows } = traceTraining(heavy, await traceRows(heavy, prompts));
  expect(weightsOf(rows)).toBe(rows.length);
  const verified = decisionTraining(heavy, prompts).rows.filter(({ completion }) =>
    /violate/.test(heavy.model.tokenizer.decode(completion)),
  );
  expect(verified.length).toBeGreaterThan(0);
  expect(weightsOf(verified)).toBe(verified.length);
});

test("with no rounds stage 3 is the policy that it would have begun with", async () => {
  const none = await branched({ stage3: { rounds: 0 } });
  for (const stage of [stage1, stage2]) await finish(stage(none));
  expect(await finish(stage3(none))).toBe(0);
  const { kept } = await gate(none, stages.dpo, stages.sft);
  const adapter = (stage: string) => readFileSync(none.path(stage, "adapter_model.safetensors"));
  expect(adapter(stages.final).equals(adapter(kept ? stages.dpo : stages.sft))).toBe(true);
});
