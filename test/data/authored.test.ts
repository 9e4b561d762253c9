import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { framePrompts, readFrames, readGeneral, readHeldOut } from "../../src/data/authored.js";
import { sexualisesMinors } from "../../src/data/care.js";
import { groupTexts } from "../../src/data/near-duplicates.js";
import { separate } from "../../src/data/splits.js";
import { defaultRules } from "../../src/exante/rule-file.js";

const frames = readFrames();
const train = framePrompts(frames);
const [dev, test_, general] = [readHeldOut("dev"), readHeldOut("test"), readGeneral()];
const count = (rows: { label: string }[], label: string) => rows.filter((row) => row.label === label).length;

test("there is enough of everything, and both labels are about equal", () => {
  const safe = count(train, "safe");
  expect(safe).toBeGreaterThanOrEqual(1100);
  expect(count(train, "unsafe") / safe).toBeGreaterThan(0.8);
  expect(count(train, "unsafe") / safe).toBeLessThan(1.1);
  for (const held of [dev, test_]) {
    expect(count(held, "safe")).toBeGreaterThanOrEqual(110);
    expect(count(held, "unsafe")).toBeGreaterThanOrEqual(110);
    expect(new Set(held.map(({ frame }) => frame)).size).toBeGreaterThanOrEqual(24);
  }
  const of = (split: string) => general.filter((row) => row.split === split).length;
  expect(of("train1") + of("train2")).toBeGreaterThanOrEqual(320);
  expect([of("dev"), of("test")]).toEqual([60, 80]);
});

test("at least 120 frames are left when those with near-duplicate templates count once", () => {
  const templates = frames.map(({ template }) => template.replace("{x}", ""));
  expect(new Set(groupTexts(templates)).size).toBeGreaterThanOrEqual(120);
});

test("every frame of training, dev and test carries both labels", () => {
  for (const rows of [train, dev, test_]) {
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
  for (const row of [...train, ...dev, ...test_]) {
    expect(defaultRules().has(row.category)).toBe(row.label === "unsafe");
  }
  expect(new Set(train.map(({ category }) => category))).toEqual(new Set([...defaultRules().ids, "none"]));
});

test("ids are unique; dev, test and general prompts are no near-duplicates of each other", () => {
  const all = [...train, ...dev, ...test_, ...general];
  expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
  const heldGeneral = (split: string) => general.filter((row) => row.split === split);
  expect(separate(dev, test_).dropped).toEqual([]);
  expect(separate(heldGeneral("dev"), heldGeneral("test")).dropped).toEqual([]);
});

test("nothing is sexual about minors", () => {
  const hits = [...train, ...dev, ...test_, ...general].filter(({ prompt }) => sexualisesMinors(prompt));
  expect(hits.map(({ id }) => id)).toEqual([]);
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
