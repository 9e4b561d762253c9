import { differenceCiede2000, filterDeficiencyDeuter, filterDeficiencyProt, filterDeficiencyTrit, parse, wcagContrast } from "culori";
import fc from "fast-check";
import { expect, test } from "vitest";
import { describe } from "../../src/figures/describe.js";
import {
  intervalCurves,
  intervals,
  lengthDistribution,
  palette,
  runCurves,
  searchTree,
  tokenStrips,
  trainingCurves,
} from "../../src/figures/index.js";
import { render, themed } from "../../src/figures/render.js";
import { sizeOf } from "../../src/figures/resize.js";
import type { VegaLiteSpec } from "../../src/figures/spec.js";
import { labelLines } from "../../src/figures/specs/search-tree.js";
import { placeTokens } from "../../src/figures/specs/token-strip.js";

const steps = [1, 2, 3, 4, 5].map((step) => ({ step, loss: 0.7 / step, "rewards/margins": step / 4, "rewards/chosen": 1 - step / 4 }));
const rates = ["Harmful", "Look-alike"].flatMap((suite, i) =>
  ["base", "stage 1"].map((stage, k) => ({
    suite,
    stage,
    estimate: 0.2 + 0.3 * k + 0.1 * i,
    low: 0.1 + 0.3 * k + 0.1 * i,
    high: 0.3 + 0.3 * k + 0.1 * i,
  })),
);
const lengths = ["stage 1", "stage 3"].flatMap((stage, k) =>
  [10, 12, 14, 15, 20, 24].map((tokens) => ({ stage, tokens: tokens * (2 - k) })),
);
const weighed = ["zoo", "apple"].flatMap((suite, i) =>
  ["words", "opposites", "by hand"].flatMap((kind, k) =>
    [0, 0.1, 0.5].map((alpha) => ({ suite, kind, alpha, estimate: 0.2 * (i + 1) + alpha * k, low: 0.1 * (i + 1), high: 0.9 })),
  ),
);

/** Every standard figure as text: the fixtures double as a gallery. */
const gallery: Record<string, VegaLiteSpec> = {
  "training-one": trainingCurves(["loss"], { rows: steps }),
  "training-two": trainingCurves(["rewards/margins", "rewards/chosen"], { rows: steps, y: "nats" }),
  "training-empty": trainingCurves(["loss"]),
  intervals: intervals({ group: "suite", series: "stage" }, { rows: rates, percent: true, title: "share refused" }),
  "intervals-of-changes": intervals(
    { group: "step", series: "model" },
    {
      rows: ["stage 1", "stage 2"].flatMap((step, i) =>
        ["small", "large"].map((model, k) => ({ step, model, estimate: 0.2 - 0.2 * i + 0.1 * k, low: 0.1 - 0.2 * i, high: 0.4 - 0.2 * i })),
      ),
      ...{ percent: true, title: "change of right answers", domain: [-0.4, 0.4] },
    },
  ),
  "interval-curves": intervalCurves(
    { x: "alpha", series: "kind", facet: "suite" },
    { rows: weighed, percent: true, title: "share refused", xTitle: "weight" },
  ),
  "search-tree": searchTree(
    [
      { x: 0, y: 0.5, fromX: 0, fromY: 0.5, label: "prompt", value: 0.25, visits: 16, taken: true },
      { x: 1, y: 0, fromX: 0, fromY: 0.5, label: "none", value: -1, visits: 4, taken: false },
      { x: 1, y: 1, fromX: 0, fromY: 0.5, label: "risk: arson", value: 1, visits: 11, taken: true },
    ],
    { columns: ["prompt", "assess"], domain: [-1, 1] },
  ),
  "token-strips": tokenStrips(
    [
      { name: "chosen", tokens: ["<assess>", "none", ";", " a", "\n", "lock"], values: [0, 1.5, 0.2, -0.1, 0, 0.4] },
      { name: "rejected", tokens: ["<assess>", "risk"], values: [0, -2] },
    ],
    { title: "log-ratio (nats)" },
  ),
  lengths: lengthDistribution({ length: "tokens", series: "stage" }, { rows: lengths, title: "thought tokens" }),
};

test.each(Object.entries(gallery))("%s", async (name, spec) => {
  const { svg } = await render(themed(spec), { alt: name });
  await expect(svg.replace(/></g, ">\n<")).toMatchFileSnapshot(`../fixtures/report-figures/${name}.svg`);
});

test("the same specification gives the same bytes, as SVG and as PNG", async () => {
  const spec = themed(gallery.intervals!);
  const [first, second] = [await render(spec, { png: true }), await render(spec, { png: true })];
  expect(second.svg).toBe(first.svg);
  expect(Buffer.compare(first.png!, second.png!)).toBe(0);
  expect(Buffer.from(first.png!.subarray(0, 4)).toString("latin1")).toBe("\x89PNG");
});

test("histograms of lengths stand in the order of the rows", async () => {
  const rows = ["zero", "one", "at the end"].map((stage, i) => ({ stage, tokens: i }));
  const { svg } = await render(themed(lengthDistribution({ length: "tokens", series: "stage" }, { rows })));
  expect([...svg.matchAll(/>(zero|one|at the end)<\/text>/g)].map((match) => match[1])).toEqual(["zero", "one", "at the end"]);
});

test("curves with intervals: pictures and dashed lines in the order of the rows, a legend of whole symbols, and at each place the series beside each other around it", async () => {
  const spec = gallery["interval-curves"]!;
  const { svg } = await render(themed(spec));
  expect([...svg.matchAll(/>(zoo|apple)<\/text>/g)].map((match) => match[1])).toEqual(["zoo", "apple"]);
  expect([...svg.matchAll(/>(words|opposites|by hand)<\/text>/g)].map((match) => match[1])).toEqual(["words", "opposites", "by hand"]);
  // the nearest places are 0.1 apart: the three series take 0.4 of that, 0.1 * 0.4 / 3 between two of them
  const places = (spec.data as { values: { alpha: number; beside: number }[] }).values.filter(({ alpha }) => alpha === 0.5).slice(0, 3);
  for (const [i, { beside }] of places.entries()) expect(beside).toBeCloseTo(0.5 + ((i - 1) * 0.04) / 3, 9);
  const dashes = (pattern: RegExp) => [...svg.matchAll(pattern)].map(([, dash]) => dash);
  expect(new Set(dashes(/<path d="M[^"]*L[^>]*stroke-dasharray="([^"]*)"/g)).size).toBe(3);
  expect(dashes(/<path transform="translate[^>]* stroke-dasharray="([^"]*)"/g)).toEqual([]); // the symbols of the legend
});

test("curves with intervals at far places keep their series apart, and a place that is no number does not erase the others", () => {
  const rows = [0, 100, 200, Number.NaN].flatMap((alpha) =>
    ["a", "b"].map((kind) => ({ suite: "s", kind, alpha, estimate: 0.5, low: 0.4, high: 0.6 })),
  );
  const { data } = intervalCurves({ x: "alpha", series: "kind", facet: "suite" }, { rows });
  const beside = (data as { values: { beside: number }[] }).values.map((row) => row.beside);
  expect(beside).toEqual([-10, 10, 90, 110, 190, 210]);
});

test("tokens of a strip stand one after the other in lines that end, each once", () => {
  const word = fc.string({ minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 60 }), (tokens) => {
      const placed = placeTokens({ name: "x", tokens, values: tokens.map((_, i) => i) });
      expect(placed.map(({ value }) => value)).toEqual(tokens.map((_, i) => i));
      for (const [i, { line, from, to, text }] of placed.entries()) {
        expect(to - from).toBe(text.length);
        expect(to).toBeLessThanOrEqual(46);
        const before = placed[i - 1];
        const follows =
          before === undefined
            ? line === 0 && from === 0
            : line === before.line
              ? from === before.to
              : line === before.line + 1 && from === 0;
        expect(follows).toBe(true);
      }
    }),
  );
  const long = placeTokens({ name: "x", tokens: ["x".repeat(60), "a"], values: [0, 0] });
  expect(long.map(({ line, from }) => [line, from])).toEqual([
    [0, 0],
    [1, 0],
  ]);
  const zeros = tokenStrips([{ name: "x", tokens: ["a"], values: [0] }], { title: "weight" });
  expect(JSON.stringify(zeros)).toContain('"domain":[0,0.000001]'); // a scale from 0 to 0 has no colour for 0
  expect(() => placeTokens({ name: "x", tokens: ["a"], values: [] })).toThrow('token strip "x": 1 tokens, 0 values');
});

test("letters of a strip can be read on all of its shades", async () => {
  const shades = JSON.stringify(gallery["token-strips"]).match(/#[0-9a-f]{6}/g)!;
  for (const shade of shades)
    if (shade !== "#1b1f24" && shade !== "#24292f") expect(wcagContrast("#1b1f24", shade), shade).toBeGreaterThan(7);
});

test("text stays text, and nothing is linked", async () => {
  const { svg } = await render(themed(gallery["training-two"]!), { alt: 'margins & "chosen"' });
  expect(svg).toMatch(/<text[^>]*>rewards\/margins<\/text>/);
  expect(svg).toContain('role="img" aria-label="margins &#38; &#34;chosen&#34;"');
  expect(svg).toContain("sans-serif");
  expect(svg).not.toMatch(/<(?:image|script|a |use)|href=/);
});

test("a metric that a step lacks leaves a gap", async () => {
  const { svg } = await render(themed(trainingCurves(["loss"], { rows: [...steps, { step: 6 }, { step: 7, loss: Number.NaN }] })));
  expect(svg).not.toContain("NaN");
});

test("nothing is loaded, neither from files nor from the network", async () => {
  for (const url of ["/etc/hostname", "file:///etc/hostname", "https://example.org/data.json"]) {
    await expect(render(themed({ data: { url } as never, mark: "bar" }))).rejects.toThrow(`data from "${url}" is not loaded`);
  }
});

test("a wrong specification is told in one line", async () => {
  await expect(render(themed({ data: { values: [] }, mark: "barn" }))).rejects.toThrow(/^figure: mark is "barn"; Vega-Lite knows arc, /);
  const wrong = { data: { values: [{ a: 1 }] }, mark: "bar", transform: [{ calculate: "((", as: "b" }] };
  await expect(render(themed(wrong))).rejects.toThrow(/^figure: Vega-Lite cannot (compile|draw) the specification \(/);
});

test("series colours have a contrast of at least 3:1 on white and on the dark page", () => {
  for (const colour of palette) for (const paper of ["#ffffff", "#14171c"]) expect(wcagContrast(colour, paper), colour).toBeGreaterThan(3);
});

test.each([
  ["normal", undefined],
  ["protan", filterDeficiencyProt(1)],
  ["deutan", filterDeficiencyDeuter(1)],
  ["tritan", filterDeficiencyTrit(1)],
])("with %s colour vision any two series colours differ by a CIEDE2000 of 12 at least", (_, deficiency) => {
  const seen = palette.map((colour) => (deficiency ? deficiency(parse(colour)!) : colour));
  for (const [i, one] of seen.entries())
    for (const other of seen.slice(0, i)) expect(differenceCiede2000()(one, other)).toBeGreaterThan(12);
});

test("what a standard figure shows is told from its data", () => {
  const curve = [3, 1, 4, 1.5].map((loss, i) => ({ step: i + 1, loss, other: i === 2 ? 0.25 : null }));
  expect(describe(trainingCurves(["loss", "other", "none"], { rows: curve }))).toBe(
    "loss: 4 values over step 1 to 4, from 3.0 to 1.5, lowest 1.0 at 2, highest 4.0 at 3; other: 0.25 at step 3.",
  );
  expect(describe(intervals({ group: "suite", series: "stage" }, { rows: rates.slice(0, 3), percent: true }))).toBe(
    "Harmful: base 20% (10% to 30%), stage 1 50% (40% to 60%); Look-alike: base 30% (20% to 40%).",
  );
  expect(describe(lengthDistribution({ length: "tokens", series: "stage" }, { rows: lengths }))).toBe(
    "stage 1: 6 values from 20 to 48, median 29; stage 3: 6 values from 10 to 24, median 14.5.",
  );
  expect(describe(trainingCurves(["loss"]))).toBeUndefined();
  expect(describe({ mark: "bar", data: { values: [{ a: 1 }] } })).toBeUndefined();
  expect(describe({ usermeta: { shows: { kind: "toString" } }, data: { values: [{ a: 1 }] } })).toBeUndefined();
});

const ticks = (svg: string) => [...svg.matchAll(/<text[^>]*>(−?[\d.]+)<\/text>/g)].map(([, text]) => text!);
const zeroLines = (svg: string) => svg.match(/<line[^>]* x2="-400" y2="0" stroke="#24292f"/g)?.length ?? 0; // a rule, from the right

test("few steps have a mark each, a line at 0 stands where values are on both sides of it, and many steps are a mean with their points", async () => {
  const drawn = async (values: number[]) => {
    const rows = values.map((loss, i) => ({ step: i + 1, loss }));
    return (await render(themed(trainingCurves(["loss"], { rows })))).svg;
  };
  const points = (svg: string) => svg.match(/<path[^>]*d="M[\d.]+,0A/g)?.length ?? 0;
  const few = await drawn([1, -1, 2]);
  expect([points(few), zeroLines(few)]).toEqual([3, 1]);
  const above = await drawn([5, 6, 7]);
  expect([points(above), zeroLines(above), ticks(above).includes("0.0")]).toEqual([3, 0, false]);
  expect(zeroLines(await drawn([0, 1, 2]))).toBe(1);
  const middling = await drawn(Array.from({ length: 30 }, (_, i) => i + 1));
  expect(points(middling)).toBe(1); // the last
  const many = await drawn(Array.from({ length: 100 }, (_, i) => (i % 2 ? 10 : 20)));
  expect(points(many)).toBe(101);
  expect(many).toContain("lines: means of 21 steps; points: steps");
  const line = /<path d="(M[^"]*)" stroke="#0072B2"/.exec(many)![1]!;
  const heights = [...line.matchAll(/[\d.]+,([\d.]+)/g)].slice(20, 80).map(([, y]) => Number(y));
  expect(Math.max(...heights) - Math.min(...heights)).toBeLessThan(24); // of 240 that the points take
});

test("counts and lengths have whole ticks", async () => {
  const rows = [3, 4].map((tokens) => ({ stage: "one", tokens }));
  const { svg } = await render(themed(lengthDistribution({ length: "tokens", series: "stage" }, { rows })));
  expect(ticks(svg).length).toBeGreaterThan(3);
  for (const tick of ticks(svg)) expect(tick).toMatch(/^\d+$/);
});

test("places and medians are written as they are, and values below 0 with a minus sign", async () => {
  const texts = async (spec: VegaLiteSpec) => [...(await render(themed(spec))).svg.matchAll(/>([^<>]+)<\/text>/g)].map(([, text]) => text);
  const rows = [-0.25, 0, 0.25, 1].map((alpha) => ({ suite: "s", kind: "k", alpha, estimate: 0.5, low: 0.4, high: 0.6 }));
  expect(await texts(intervalCurves({ x: "alpha", series: "kind", facet: "suite" }, { rows }))).toEqual(
    expect.arrayContaining(["−0.25", "0", "0.25", "1"]),
  );
  const long = [1234, 1235].map((tokens) => ({ stage: "a", tokens }));
  expect(await texts(lengthDistribution({ length: "tokens", series: "stage" }, { rows: long }))).toContain("median 1234.5");
  const node = { x: 0, y: 0.5, fromX: 0, fromY: 0.5, label: "prompt", value: -0.25, visits: 16, taken: true };
  expect(await texts(searchTree([node], { columns: ["prompt"], domain: [-1, 1] }))).toContain("−0.25 (16)");
});

test("a tree of four steps is within the 480 pixels that a phone shows whole, with long labels on two lines", async () => {
  expect(
    ["none", "risk: weapons", "risk: theft and fraud", "does not violate", "antidisestablishment", "one two three four five six"].map(
      labelLines,
    ),
  ).toEqual([
    ["", "none"],
    ["risk:", "weapons"],
    ["risk: theft", "and fraud"],
    ["does not", "violate"],
    ["antidisestab", "lishment"],
    ["one two", "three four …"],
  ]);
  const columns = ["prompt", "assess", "verify", "calibrate", "answer"];
  const nodes = ["prompt", "risk: theft and fraud", "does not violate", "safe completion", "safe completion"].map((label, x) => ({
    ...{ x, y: 0, fromX: Math.max(0, x - 1), fromY: 0 },
    ...{ label, value: 0.5, visits: 3, taken: true },
  }));
  const { svg } = await render(themed(searchTree(nodes, { columns, domain: [-1, 1] })));
  expect(Number(/ width="([\d.]+)"/.exec(svg)![1])).toBeLessThanOrEqual(480);
  expect(svg).not.toContain("…");
});

test("two pictures of suites and what is wanted of them stand side by side within the 480 pixels that a phone shows whole", async () => {
  const rows = ["own contrasts, unsafe: should refuse", "own look-alikes, safe: should not refuse"].flatMap((suite) =>
    [0, 50].map((x) => ({ suite, kind: "k", x, estimate: 0.5, low: 0.4, high: 0.6 })),
  );
  const { svg } = await render(
    themed(intervalCurves({ x: "x", series: "kind", facet: "suite" }, { rows, title: "refused", percent: true })),
  );
  expect(Number(/viewBox="0 0 ([\d.]+)/.exec(svg)![1])).toBeLessThanOrEqual(480);
  for (const part of ["own look-alikes, safe", "should not refuse"]) expect(svg).toContain(`>${part}<`);
});

test("lengths of three digits do not touch each other below a histogram", async () => {
  const rows = [37, 44, 52, 53, 113, 118].map((tokens) => ({ stage: "a", tokens }));
  const { svg } = await render(themed(lengthDistribution({ length: "tokens", series: "stage" }, { rows })));
  const places = [...svg.matchAll(/<text[^>]*translate\(([\d.]+),[^>]*>\d{2,3}</g)].map(([, x]) => Number(x));
  expect(places.length).toBeGreaterThan(4);
  for (const [i, x] of places.slice(1).entries()) expect(x - places[i]!).toBeGreaterThan(3 * 7 + 6); // letters of 7 pixels, and a gap
});

test("Chinese and emoji have their width, whichever fonts the machine has, and long labels are cut at their limit", async () => {
  const left = async (name: string) => {
    const spec = themed({
      data: { values: [{ name, n: 1 }] },
      mark: "bar",
      encoding: { y: { field: "name", title: null }, x: { field: "n", type: "quantitative" } },
    });
    const { svg } = await render(spec);
    return { room: Number(/<g fill="none"[^>]* transform="translate\((\d+),/.exec(svg)![1]), shown: svg };
  };
  const [none, six] = [await left("x"), await left("漢字漢字漢字")];
  expect(six.room - none.room).toBeGreaterThanOrEqual(6 * 12 - 8); // letters of 12 pixels; x has 6, and places are rounded
  expect((await left("😀😀")).room).toBeGreaterThan((await left("漢字")).room);
  const cut = await left("漢".repeat(60));
  expect(cut.shown).toContain("…");
  expect(cut.room).toBeLessThanOrEqual(190); // Vega's limit of 180, and padding
});

test("legends of long names get more rows, so that the figure is no wider than a phone shows whole", async () => {
  const names = ["R2D: pivot terms", "no-cpo: the same, not minimised", "R2D: cross-entropy per token"];
  const curves = trainingCurves(names, {
    rows: steps.map(({ step, loss }) => Object.fromEntries([["step", step], ...names.map((n) => [n, loss])])),
  });
  const runs = ["base", ...names];
  const byRun = runCurves(
    ["loss"],
    runs.flatMap((run) => steps.map(({ step, loss }) => ({ run, metric: "loss", step, value: loss }))),
    { runs },
  );
  for (const spec of [curves, byRun]) expect(sizeOf((await render(themed(spec))).svg).width).toBeLessThanOrEqual(480);
});
