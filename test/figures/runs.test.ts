import { expect, test } from "vitest";
import { runCurves, runIntervals } from "../../src/figures/index.js";
import { render, themed } from "../../src/figures/render.js";
import { INK, palette } from "../../src/figures/theme.js";

const metrics = ["loss", "rewards/margins"];
const named = (count: number) => Array.from({ length: count }, (_, i) => `run ${i + 1}`);
/** Run i ends at i: the last is highest, the second lowest of those that are not the first. */
const curves = (runs: readonly string[]) =>
  metrics.flatMap((metric) => runs.flatMap((run, i) => [1, 2, 3].map((step) => ({ run, metric, step, value: (i * step) / 3 }))));
const texts = (svg: string) => [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text]) => text);
const strokes = (svg: string) =>
  [...svg.matchAll(/<path[^>]*stroke="(#[0-9a-f]{6}|rgb[^"]*)"[^>]*stroke-width="(?:1.2|2|3)"/gi)].map(([, colour]) => colour!);

test("two runs: a small picture a metric, a colour and a dash a run, a legend", async () => {
  const runs = named(2);
  const { svg } = await render(themed(runCurves(metrics, curves(runs), { runs })));
  expect(texts(svg)).toEqual(expect.arrayContaining(["loss", "rewards/margins", "run 1", "run 2"]));
  expect(new Set(strokes(svg))).toEqual(new Set([palette[0], palette[1]]));
});

test("six runs have a dash each, seven have none", () => {
  const spec = (count: number) => JSON.stringify(runCurves(metrics, curves(named(count)), { runs: named(count) }));
  expect([6, 7].map((count) => spec(count).includes("strokeDash"))).toEqual([true, false]);
});

test("twenty runs: one thick line, the others thin; those that end highest and lowest are named, in each picture", async () => {
  const runs = named(20);
  const spec = runCurves(metrics, curves(runs), { runs });
  const rows = (spec.data as { values: { run: string; step: number; end: string | null }[] }).values;
  const ends = rows.flatMap(({ run, step, end }) => (end === null ? [] : [`${run}, step ${step}: ${end}`]));
  expect(new Set(ends)).toEqual(new Set(["run 2, step 3: lowest", "run 20, step 3: highest"]));
  const { svg } = await render(themed(spec));
  expect(
    texts(svg)
      .filter((text) => text!.startsWith("run"))
      .sort(),
  ).toEqual(["run 2", "run 2", "run 20", "run 20"]);
  expect(svg.match(/stroke-width="1.2"/g)).toHaveLength(2 * 19);
  expect(svg.match(new RegExp(`stroke="${INK}"[^>]*stroke-width="3"`, "g"))).toHaveLength(2);
});

test("twenty runs of a sweep are coloured by what it varies", async () => {
  const runs = named(20);
  const { svg } = await render(
    themed(runCurves(metrics, curves(runs), { runs, shade: { title: "beta", values: runs.map((_, i) => i / 20) } })),
  );
  expect(texts(svg)).toContain("beta");
  expect(texts(svg).filter((text) => text!.startsWith("run"))).toEqual([]);
  expect(new Set(strokes(svg)).size).toBeGreaterThan(15);
});

test("shares: a row a run in every picture, and a dashed line through the first run's", async () => {
  const runs = named(3);
  const trials = ["one", "two", "three"];
  const rows = trials.flatMap((trial) => runs.map((run, i) => ({ run, trial, estimate: 0.2 * (i + 1), low: 0.1, high: 0.9 })));
  const { svg } = await render(themed(runIntervals(trials, rows, { runs, title: "prompts refused" })));
  expect(texts(svg).filter((text) => trials.includes(text!))).toEqual(trials);
  expect(texts(svg).slice(0, 3)).toEqual(runs);
  expect(svg.match(/stroke-dasharray="3,3"/g)).toHaveLength(trials.length);
});
