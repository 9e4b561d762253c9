import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { intervals, lengthDistribution, trainingCurves } from "../../src/figures/index.js";
import { render, themed } from "../../src/figures/render.js";
import type { VegaLiteSpec } from "../../src/figures/spec.js";
import { tableData, tableHTML, tableText } from "../../src/figures/table.js";
import { packageRoot } from "../../src/setup/paths.js";
import { makeTestPython, testPython } from "../kernel/python-env.js";
import { code, md, notebookJSON, type RawCell, shown } from "../reports/notebooks.js";
import { machine, median } from "./common.js";

const ROUNDS = 9;

/** Noise that is the same every time, 0 to 1. */
const noise = (i: number) => (Math.sin(12.9898 * i) * 43758.5453) % 1;
const steps = Array.from({ length: 250 }, (_, i) => ({
  step: i + 1,
  loss: 0.69 * Math.exp(-i / 90) + 0.05 * noise(i),
  "rewards/margins": i / 80 + 0.2 * noise(3 * i),
  "rewards/chosen": i / 200 - 0.1 * noise(5 * i),
  "rewards/rejected": -i / 130 + 0.1 * noise(7 * i),
}));
const rates = ["Harmful prompts", "Look-alikes", "Attacks", "General"].flatMap((suite, k) =>
  ["base", "stage 1", "stage 2", "stage 3"].map((stage, i) => {
    const estimate = 0.15 + 0.2 * i + 0.03 * k;
    return { suite, stage, estimate, low: estimate - 0.07, high: estimate + 0.07 };
  }),
);
const lengths = ["stage 1", "stage 2", "stage 3"].flatMap((stage, k) =>
  Array.from({ length: 200 }, (_, i) => ({ stage, tokens: Math.round((60 - 15 * k) * (1 + 0.4 * noise(i + k))) })),
);
const figures: VegaLiteSpec[] = [
  trainingCurves(["loss"], { rows: steps }),
  trainingCurves(["rewards/margins", "rewards/chosen", "rewards/rejected"], { rows: steps, y: "nats" }),
  intervals({ group: "suite", series: "stage" }, { rows: rates, percent: true, title: "share refused" }),
  lengthDistribution({ length: "tokens", series: "stage" }, { rows: lengths, title: "thought tokens" }),
  trainingCurves(["rewards/margins", "rewards/chosen"], { rows: steps.slice(0, 150), y: "nats" }),
  {
    data: { values: steps.map((row) => ({ ...row, half: row.step > 125 ? "second half" : "first half" })) },
    mark: "point",
    encoding: {
      x: { field: "loss", type: "quantitative" },
      y: { field: "rewards/margins", type: "quantitative" },
      color: { field: "half", type: "nominal", title: null },
    },
  },
];

const TEXT = `The policy $\\pi_\\theta$ is compared with its start $\\pi_{\\mathrm{ref}}$: the margin between chosen and rejected is
what the loss sees, and a margin can grow while **both** log-probabilities fall. See @fig-0 and @eq-0; the model of *this* notebook
is small, so read the intervals and not the points.

$$\\mathcal{L}(\\theta) = -\\mathbb{E}\\left[\\log \\sigma\\left(\\beta \\log \\frac{\\pi_\\theta(y_w \\mid x)}{\\pi_{\\mathrm{ref}}(y_w \\mid x)}
- \\beta \\log \\frac{\\pi_\\theta(y_l \\mid x)}{\\pi_{\\mathrm{ref}}(y_l \\mid x)}\\right)\\right]$$`;
const CODE = `const rows = await evaluateStage(run, "2-dpo", ["harmful", "look-alike"]);
const refused = (stage: string, trial: string): number => rows.find((row) => row.stage === stage && row.trial === trial)!.rate;
for (const [suite, { rate, low, high }] of Object.entries(byPrompt(rows))) {
  console.log(\`\${suite}: \${(100 * rate).toFixed(1)} % [\${(100 * low).toFixed(1)}, \${(100 * high).toFixed(1)}]\`); // Wilson
}
export const balance = (refused("2-dpo", "harmful") + 1 - refused("2-dpo", "look-alike")) / 2;`;

/** 30 cells: 15 of text with mathematics, 6 with a figure, 5 with a table, 4 with what they printed. */
async function notebook(): Promise<string> {
  const pictures = await Promise.all(figures.map((spec) => render(themed(spec), { png: true, alt: "a figure" })));
  const outputs = [
    ...pictures.map(({ svg, png }, i) =>
      shown(
        {
          "application/vnd.vegalite.v6+json": themed(figures[i]!),
          "application/vnd.vegalite.v5+json": themed(figures[i]!),
          "image/svg+xml": svg,
          "image/png": Buffer.from(png!).toString("base64"),
          "text/plain": "[figure]",
        },
        { label: `fig-${i}`, "fig-cap": "What training changes, **step by step**.", "fig-alt": "Lines over the steps of training." },
      ),
    ),
    ...[0, 1, 2, 3, 4].map((i) => {
      const data = tableData(rates.slice(i, i + 12));
      return shown(
        { "text/html": tableHTML(data), "text/plain": tableText(data) },
        { label: `tbl-${i}`, "tbl-cap": "Rates with intervals." },
      );
    }),
    ...[0, 1, 2, 3].map(() => ({ output_type: "stream", name: "stdout", text: "Harmful prompts: 82.1 % [74.0, 88.1]\n".repeat(8) })),
  ];
  const cells: RawCell[] = outputs.flatMap((output, i) => [
    md(`${i === 0 ? "# A report of thirty cells\n\n" : ""}## Part ${i + 1}\n\n${TEXT}${i === 0 ? " {#eq-0}" : ""}`),
    code(CODE, [output]),
  ]);
  const file = join(mkdtempSync(join(tmpdir(), "erpo-bench-")), "report.ipynb");
  writeFileSync(file, notebookJSON(cells, { kernelspec: { name: "erpo", display_name: "TypeScript (ERPO)", language: "typescript" } }));
  return file;
}

test("report: time of the command and size of the page, against nbconvert", async () => {
  makeTestPython();
  const nbconvert = join(dirname(testPython()!), "jupyter-nbconvert");
  const file = await notebook();
  const output = dirname(file);
  const commands: Record<string, { words: string[]; page: string }> = {
    erpo: {
      words: [process.execPath, join(packageRoot(), "src/setup/bootstrap.mjs"), "report", file, "--output", output],
      page: "report.html",
    },
    nbconvert: { words: [nbconvert, "--to", "html", "--log-level", "ERROR", "--output", "nbconvert.html", file], page: "nbconvert.html" },
  };
  const seconds: Record<string, number[]> = { erpo: [], nbconvert: [] };
  for (let round = -1; round < ROUNDS; round++) {
    for (const [name, { words }] of Object.entries(commands)) {
      const started = performance.now();
      execFileSync(words[0]!, words.slice(1), { stdio: "pipe" });
      if (round >= 0) seconds[name]!.push((performance.now() - started) / 1000); // the round before warms disks
    }
  }
  const size = (name: string) => statSync(join(output, commands[name]!.page)).size;
  const version = execFileSync(nbconvert, ["--version"], { encoding: "utf8" }).trim();
  const ratio = { time: median(seconds.erpo!) / median(seconds.nbconvert!), size: size("erpo") / size("nbconvert") };
  console.log(`${machine()}, nbconvert ${version}`);
  console.log(`medians of ${ROUNDS} rounds (range), in turn\n`);
  console.log("| | erpo report | jupyter nbconvert | ratio |\n|---|---|---|---|");
  const cell = (name: string) => {
    const xs = seconds[name]!;
    return `${median(xs).toFixed(2)} (${Math.min(...xs).toFixed(2)}-${Math.max(...xs).toFixed(2)})`;
  };
  console.log(`| whole command, s | ${cell("erpo")} | ${cell("nbconvert")} | ${ratio.time.toFixed(2)} |`);
  console.log(`| size, kB | ${(size("erpo") / 1e3).toFixed(0)} | ${(size("nbconvert") / 1e3).toFixed(0)} | ${ratio.size.toFixed(2)} |`);
  const pictures = readFileSync(join(output, "report.html"), "utf8")
    .match(/<svg[\s\S]*?<\/svg>/g)!
    .join("");
  console.log(`| of which pictures, kB | ${(pictures.length / 1e3).toFixed(0)} | | |`);
  expect(ratio.time).toBeLessThanOrEqual(1 / 2);
  expect(ratio.size).toBeLessThanOrEqual(1 / 3);
});
