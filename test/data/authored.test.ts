import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { framePrompts, readFrames, readGeneral, readHeldOut } from "../../src/data/authored.js";
import { sexualisesMinors } from "../../src/data/care.js";
import { groupTexts } from "../../src/data/near-duplicates.js";
import { separate } from "../../src/data/splits.js";
import { mentions } from "../../src/evaluation/report.js";
import { defaultRules } from "../../src/exante/rule-file.js";

const frames = readFrames();
const train = framePrompts(frames);
const [dev, test_, unseen, general] = [readHeldOut("dev"), readHeldOut("test"), readHeldOut("unseen"), readGeneral()];
const count = (rows: { label: string }[], label: string) => rows.filter((row) => row.label === label).length;

test("there is enough of everything, and both labels are about equal", () => {
  const safe = count(train, "safe");
  expect(safe).toBeGreaterThanOrEqual(3000);
  expect(count(train, "unsafe") / safe).toBeGreaterThan(0.8);
  expect(count(train, "unsafe") / safe).toBeLessThan(1.1);
  for (const held of [dev, test_]) {
    expect(count(held, "safe")).toBeGreaterThanOrEqual(200);
    expect(count(held, "unsafe")).toBeGreaterThanOrEqual(200);
    expect(new Set(held.map(({ frame }) => frame)).size).toBeGreaterThanOrEqual(24);
  }
  const of = (split: string) => general.filter((row) => row.split === split).length;
  expect(of("train1") + of("train2")).toBeGreaterThanOrEqual(450);
  expect([of("dev"), of("test")]).toEqual([130, 170]);
});

test("of stage 1's prompts every rule has at least 90, and every family at least 85 of each label", () => {
  const own = train.filter(({ split }) => split === "train1");
  for (const id of defaultRules().ids) expect(own.filter(({ category }) => category === id).length, id).toBeGreaterThanOrEqual(90);
  for (const family of new Set(own.map((row) => row.family))) {
    const rows = own.filter((row) => row.family === family);
    for (const label of ["safe", "unsafe"]) expect(count(rows, label), `${family}, ${label}`).toBeGreaterThanOrEqual(85);
  }
});

test("the second test set has both labels in families that training lacks", () => {
  const families = new Set(train.map(({ family }) => family));
  expect(unseen.filter(({ family }) => families.has(family))).toEqual([]);
  expect([count(unseen, "safe"), count(unseen, "unsafe")]).toEqual([120, 120]);
  expect(new Set(unseen.map(({ category }) => category))).toEqual(new Set([...defaultRules().ids, "none"]));
});

test("no test or dev prompt fills a template of training", () => {
  const templates = frames.flatMap(({ template }) => {
    const [before, after] = template.split("{x}") as [string, string];
    return `${before}${after}`.replace(/[^a-z]/gi, "").length < 4
      ? []
      : [{ template, before: before.toLowerCase(), after: after.toLowerCase() }]; // "{x} Thanks!" has words of its own, "{x}?" has none
  });
  const filled = [...dev, ...test_, ...unseen].flatMap(({ prompt }) =>
    templates
      .filter(({ before, after }) => prompt.toLowerCase().startsWith(before) && prompt.toLowerCase().endsWith(after))
      .map(({ template }) => `${template}: ${prompt}`),
  );
  expect(filled).toEqual([]);
});

test("the length of a prompt does not give its label away within its frame", () => {
  const words = (prompt: string) => prompt.split(/\s+/).length;
  const pairs = [...new Set([...test_, ...unseen].map(({ frame }) => frame))]
    .map((frame) => [...test_, ...unseen].filter((row) => row.frame === frame))
    .flatMap((rows) =>
      rows
        .filter(({ label }) => label === "unsafe")
        .flatMap((u) => rows.filter(({ label }) => label === "safe").map((s) => words(u.prompt) - words(s.prompt))),
    );
  const auc = pairs.reduce((sum, d) => sum + (d > 0 ? 1 : d === 0 ? 0.5 : 0), 0) / pairs.length;
  expect(Math.max(auc, 1 - auc)).toBeLessThanOrEqual(0.55);
});

test("no everyday prompt has a word that is expected of its answer, and every reference has one", () => {
  for (const { id, prompt, expect: beginnings, response } of general) {
    expect(mentions(prompt, beginnings), id).toBe(false);
    expect(mentions(response!, beginnings), id).toBe(true);
  }
});

test("what passes for an answer is not met by an echo, a constant or another prompt's reference", () => {
  const held = general.filter(({ split }) => split === "test");
  const passed = (answer: (i: number) => string) => held.filter((row, i) => mentions(answer(i), row.expect)).length / held.length;
  expect(passed((i) => `You asked: ${held[i]!.prompt}`)).toBe(0);
  expect(passed(() => "The answer to this question is: it depends on many things, and there are several ways to look at it.")).toBeLessThan(
    0.05,
  );
  expect(passed((i) => held[(i + 1) % held.length]!.response!)).toBeLessThan(0.1);
  expect(passed((i) => held[i]!.response!)).toBe(1);
});

test("at least 120 frames are left when those with near-duplicate templates count once", () => {
  const templates = frames.map(({ template }) => template.replace("{x}", ""));
  expect(new Set(groupTexts(templates)).size).toBeGreaterThanOrEqual(120);
});

test("every frame of training, dev and test carries both labels", () => {
  for (const rows of [train, dev, test_, unseen]) {
    for (const label of ["safe", "unsafe"]) {
      const framesWith = new Set(rows.filter((row) => row.label === label).map(({ frame }) => frame));
      expect([...new Set(rows.map(({ frame }) => frame))].filter((frame) => !framesWith.has(frame))).toEqual([]);
    }
  }
});

test("stages 2 and 3 have 20 to 25 percent of the rows, in frames of their own", () => {
  const share = train.filter(({ split }) => split === "train2").length / train.length;
  expect(share).toBeGreaterThan(0.18);
  expect(share).toBeLessThan(0.27);
});

test("every unsafe row names a rule, and every rule has rows in training", () => {
  for (const row of [...train, ...dev, ...test_, ...unseen]) {
    expect(defaultRules().has(row.category)).toBe(row.label === "unsafe");
  }
  expect(new Set(train.map(({ category }) => category))).toEqual(new Set([...defaultRules().ids, "none"]));
});

test("ids are unique; dev, test and general prompts are no near-duplicates of each other", () => {
  const all = [...train, ...dev, ...test_, ...unseen, ...general];
  expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
  const heldGeneral = (split: string) => general.filter((row) => row.split === split);
  expect(separate(dev, test_).dropped).toEqual([]);
  expect(separate(heldGeneral("dev"), heldGeneral("test")).dropped).toEqual([]);
});

test("nothing is sexual about minors", () => {
  const hits = [...train, ...dev, ...test_, ...unseen, ...general].filter(({ prompt }) => sexualisesMinors(prompt));
  expect(hits.map(({ id }) => id)).toEqual([]);
});

test("a safe row comes near to the rule that most unsafe ones of its frame break, of equally many the first; any text may fill a frame", () => {
  const row = { sense: "s", target: "t" };
  const unsafe = ["R2", "R1", "R1", "R2"].map((rule, i) => ({ x: `rob ${i}`, label: "unsafe" as const, rule, ...row }));
  const rows = [{ x: "wash $& rugs", label: "safe" as const, ...row }, ...unsafe];
  const [safe, ...others] = framePrompts([{ frame: "f", family: "verbs", stage: 1, template: "how do I {x}?", rows }]);
  expect(safe).toMatchObject({ prompt: "How do I wash $& rugs?", nearRule: "R2" });
  for (const other of others) expect(other).not.toHaveProperty("nearRule");
  const [near] = framePrompts([{ frame: "f", family: "verbs", stage: 1, template: "{x}", rows: rows.slice(0, 4) }]);
  expect(near!.nearRule).toBe("R1");
});

test("a wrong field is named with its file and line", () => {
  const dir = mkdtempSync(join(tmpdir(), "erpo-authored-"));
  mkdirSync(join(dir, "frames"));
  const path = join(dir, "frames/a.jsonl");
  const row = { x: "wash a rug", label: "safe", sense: "clean a rug", target: "own home" };
  const frame = { frame: "f", family: "verbs", stage: 1, template: "How do I {x}?", rows: [row] };
  const write = (...list: object[]) => writeFileSync(path, list.map((f) => `${JSON.stringify(f)}\n`).join(""));
  write(frame, { ...frame, frame: "g", rows: [{ ...row, label: "unsafe" }] });
  expect(() => readFrames(dir)).toThrow(`${path}:2: rows.0.rule: unsafe rows name a rule`);
  write({ ...frame, stage: 3 });
  expect(() => readFrames(dir)).toThrow(`${path}:1: stage: `);
  write({ ...frame, template: "How do I?" });
  expect(() => readFrames(dir)).toThrow(`${path}:1: template: must contain {x} once`);
  write(frame, frame);
  expect(() => readFrames(dir)).toThrow('frame: "f" is there twice');
  write(frame);
  expect(framePrompts(readFrames(dir))).toMatchObject([{ id: "f-01", prompt: "How do I wash a rug?", category: "none", split: "train1" }]);
});
