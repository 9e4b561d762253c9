import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { attackNames } from "../../src/evaluation/attacks.js";
import { erpo } from "../reports/cli.js";
import { tellsMistakes, withSolutions } from "./solutions.js";

/** The how-to notebooks: their form, and a run of each on a tiny model with the solutions of its exercises as cells behind it. */

interface Cell {
  id: string;
  cell_type: "markdown" | "code";
  source: string[];
  metadata: { tags?: string[] };
  outputs?: { text?: string[] | string; data?: Record<string, { data: Record<string, unknown>[] }> }[];
  execution_count?: number | null;
}

const folder = new URL("../../notebooks/how-to/", import.meta.url).pathname;
const model = new URL("../fixtures/llama-tiny", import.meta.url).pathname;
const read = (path: string) => JSON.parse(readFileSync(path, "utf8")) as { metadata: { title: string }; cells: Cell[] };
const names = readdirSync(folder).filter((name) => name.endsWith(".ipynb"));

test.each(names)("%s has a title, parameters and short cells, and is stored without outputs", (name) => {
  const { metadata, cells } = read(join(folder, name));
  expect(cells[0]!.source[0]).toBe(`# ${metadata.title}\n`);
  const code = cells.filter(({ cell_type }) => cell_type === "code");
  expect(code[0]!.metadata.tags).toEqual(["parameters"]);
  for (const { id, source, outputs, execution_count } of code) {
    expect(source.length, id).toBeLessThanOrEqual(15);
    expect([outputs, execution_count], id).toEqual([[], null]);
  }
  const checks = cells.slice(cells.findIndex(({ source }) => source[0]?.startsWith("## Checks")));
  expect(checks.filter(({ source }) => source.join("").includes("throw new Error(")).length).toBeGreaterThan(0);
});

test.each(names)("%s has two exercises, each with a hint, a short solution that checks itself, and what to see", (name) => {
  const [heading, ...exercises] = read(join(folder, name))
    .cells.at(-1)!
    .source.join("")
    .split(/^\d\. /m);
  expect(heading).toBe("## Exercises\n\n");
  expect(exercises).toHaveLength(2);
  for (const exercise of exercises) {
    const folded = [...exercise.matchAll(/^ {3}<details><summary>(.*)<\/summary>\n\n([\s\S]*?)\n\n {3}<\/details>$/gm)];
    expect(folded.map(([, title]) => title)).toEqual([expect.stringMatching(/^Hint( and check)?$/), "Solution"]);
    const [before, code, after] = folded[1]![2]!.split(/^ {3}```(?:ts)?$/m);
    expect(code).toMatch(/\bthrow new Error\(|\bcheck\(/);
    expect(`${before}${after}`.trim()).toMatch(/\.$/);
    const lines = code!.trimEnd().split("\n").slice(1);
    expect(lines.length).toBeLessThanOrEqual(20);
    for (const line of lines) expect(line).toMatch(/^( {3}.{0,96})?$/);
  }
});

const scratch = mkdtempSync(join(tmpdir(), "erpo-how-to-"));
const executed = join(scratch, "executed");
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Where a copy of a notebook lies that goes on with its solutions. */
const solved = (name: string) => withSolutions(`how-to/${name}`, scratch);

test("own-rules.ipynb trains on five rules of its own, none of which is a default one, and on a sixth where it is written", async () => {
  const runDir = join(scratch, "medical");
  const given = { modelName: model, runDir, ownDir: join(folder, "../../src/data/authored/examples/medical") };
  const parameters = Object.entries(given).flatMap(([key, value]) => ["-p", key, value]);
  const { code, stderr } = await erpo(["execute", solved("own-rules"), "--no-cache", "--output", executed, ...parameters]);
  expect(code, stderr).toBe(0);
  const shown = (id: string) => {
    const { outputs } = read(join(executed, "own-rules.ipynb")).cells.find((cell) => cell.id === id)!;
    return outputs!.map(({ text }) => [text].flat().join("")).join("");
  };
  expect(shown("check-rules")).toBe("60 traces cite M1, M2, M3, M4, M5\n");
  expect(shown("train")).toMatch(/^\d+ steps, weighted loss \d/);
  const kept = (file: string) => JSON.parse(readFileSync(`${runDir}${file}`, "utf8"));
  const { rules } = kept("/run.json");
  expect(rules.name).toBe("medical");
  const sources = ({ sources }: { sources: { name: string }[] }) => sources.map(({ name }) => name);
  expect(sources(kept("/data/manifest.json"))).toEqual(["own train1", "own train2", "own dev"]);
  expect(sources(kept("-six/data/manifest.json"))).toEqual(["own train1"]);
  const [before, after] = [rules, kept("-six/run.json").rules].map(({ digest }) => `medical (SHA-256 ${digest.slice(0, 12)})`);
  expect(shown("solution-1")).toBe(
    `DataError: ${runDir} holds a run with rules ${before}, not ${after}: open it with those rules, or choose another folder\n`,
  );
  expect(shown("solution-2")).toContain(`${runDir}-broken.jsonl:3: category: "R1" is no rule of medical: it has M1, M2, M3, M4, M5\n`);
});

describe("on one run of the tiny profile, after stage 1", () => {
  const given = { profileName: "tiny", modelName: model, runDir: join(scratch, "run"), stage: "1-sft" };
  const lines = (file: string) =>
    readFileSync(join(scratch, "run", file), "utf8")
      .trim()
      .split("\n");

  /** The rows of the tables that a cell has shown. */
  async function execute(notebook: string, parameters: Record<string, string> = {}): Promise<(id: string) => Record<string, unknown>[]> {
    const settings = Object.entries({ ...given, ...parameters }).flatMap(([key, value]) => ["-p", key, value]);
    const { code, stderr } = await erpo(["execute", notebook, "--no-cache", "--output", executed, ...settings]);
    expect(code, stderr).toBe(0);
    if (notebook.startsWith(scratch)) tellsMistakes(`how-to/${basename(notebook, ".ipynb")}`, join(executed, basename(notebook)));
    const { cells } = read(join(executed, basename(notebook)));
    const tables = ({ data }: NonNullable<Cell["outputs"]>[number]) => data?.["application/vnd.dataresource+json"]?.data ?? [];
    return (id) => cells.find((cell) => cell.id === id)!.outputs!.flatMap(tables);
  }

  test("attacks.ipynb puts each policy to each attack with its control, and draws other answers in each try", {
    timeout: 240_000,
  }, async () => {
    const shown = await execute(solved("attacks"), { prompts: "2", samples: "3" });
    expect(shown("gcg-table")).toEqual([]); // unless it is asked for
    const rows = shown("attack-table");
    expect(rows.map(({ attack, policy }) => `${attack} ${policy}`)).toEqual(
      attackNames.flatMap((name) => [`${name} base`, `${name} 1-sft`]),
    );
    for (const row of rows) expect(row["unsafe degenerate"]).toMatch(/^[012] of 2$/);
    expect(rows.filter((row) => row["safe refused"] === "–").map(({ attack }) => attack)).toEqual(["past-tense", "past-tense"]);
    expect(Object.keys(shown("best-of-n-table")[0]!)).toEqual(["policy", "N = 1", "N = 2", "N = 3"]);
    const tries = [1, 2, 3].map((k) => lines(`evaluation/base-sampled/try-${k}-of-2.jsonl`).map((line) => JSON.parse(line).completion));
    expect(new Set(tries.map((completions) => JSON.stringify(completions.sort()))).size).toBe(3);
    expect(shown("solution-1").map(({ attack }) => attack)).not.toContain("past-tense");
    expect(shown("solution-2").map(({ target }) => target)).toEqual(["Sure, here is", "<assess>none"]);
  });

  test("attacks.ipynb searches for suffixes where it is told for how many prompts, and shows none of them", {
    timeout: 240_000,
  }, async () => {
    const gcg = { gcgPrompts: "3", gcgSteps: "4", gcgCandidates: "6" };
    const shown = await execute(join(folder, "attacks.ipynb"), { prompts: "2", samples: "3", ...gcg });
    const rows = shown("gcg-table");
    expect(rows.map(({ form }) => form)).toEqual(["the prompt alone", "with ! ! ! ...", "with the suffix found"]);
    for (const { refused, complied, degenerate } of rows)
      for (const share of [refused, complied, degenerate]) expect(share).toMatch(/^\d+\.\d% \[.*\]$/);
    const { rows: found } = JSON.parse(readFileSync(join(scratch, "run/evaluation/1-sft/gcg.json"), "utf8"));
    expect(found).toHaveLength(3);
    const notebook = JSON.stringify(read(join(executed, "attacks.ipynb")));
    for (const { suffix, losses } of found) {
      expect(losses.at(-1)).toBeLessThan(losses[0]);
      expect(notebook).not.toContain(JSON.stringify(suffix).slice(1, -1));
    }
  });

  test("ablations.ipynb compares each ablation with the base run, prompt by prompt", { timeout: 480_000 }, async () => {
    const names = ["no-thoughts", "no-quotes", "rounds-0", "decision-last"];
    const shown = await execute(solved("ablations"), { ablations: JSON.stringify(names) });
    expect(shown("measures-table").map(({ policy }) => policy)).toEqual(["base", ...names]);
    const differences = shown("differences-table");
    expect(differences.map(({ policy }) => policy)).toEqual(names);
    expect(differences[2]).toMatchObject({ "balanced accuracy": "0.00 [0.00, 0.00]", AUC: "0.00 [0.00, 0.00]" }); // no round of stage 3 touches stage 1
    expect(differences[0]).toMatchObject({ "thought tokens": "–" });
    expect(shown("measures-table")[4]).toMatchObject({ "wrong words overruled": "–" }); // it has no first word
    const record = JSON.parse(readFileSync(join(scratch, "run-no-quotes/run.json"), "utf8"));
    expect(record).toMatchObject({ profile: "tiny-no-quotes", settings: { stage1: { quotes: false } } });
    const adapter = (run: string) => readFileSync(join(scratch, run, "1-sft/adapter_model.safetensors"));
    expect(adapter("run-rounds-0").equals(adapter("run"))).toBe(true);
    expect(adapter("run-no-quotes").equals(adapter("run"))).toBe(false);
    expect(shown("solution-1").map(({ policy }) => policy)).toEqual(["half", "all"]);
    expect(shown("solution-2")).toHaveLength(2 + 2); // a row per seed in both tables
  });

  test("ablations.ipynb trains stage 1 for as many tokens more as later stages have had", { timeout: 480_000 }, async () => {
    await execute(join(folder, "ablations.ipynb"), { ablations: '["longer-sft"]', stage: "2-dpo" });
    const tokens = (path: string) => {
      const steps = readFileSync(join(scratch, path, "metrics.jsonl"), "utf8")
        .trim()
        .split("\n");
      return JSON.parse(steps.at(-1)!).numTokens as number;
    };
    const more = tokens("run-longer-sft/1-sft") - tokens("run/1-sft");
    expect(Math.abs(more - tokens("run/2-dpo"))).toBeLessThan(400); // a row or two less
    expect(more).toBeGreaterThan(400);
  });

  test("combinations.ipynb asks the same prompts of the policy alone and with each method, and reads decisions by their mass", {
    timeout: 480_000,
  }, async () => {
    const shown = await execute(solved("combinations"), { prompts: "3" });
    const rows = shown("show");
    expect(rows.map(({ policy }) => String(policy).split(",")[0])).toEqual(
      ["1-sft alone", "decision by mass", "SCANS", "ROSE", "best of 4 by verdict", "beam by STAIR's head"], // biome-ignore format: a row
    );
    expect(shown("choose")).toHaveLength(7);
    const { outputs } = read(join(executed, "combinations.ipynb")).cells.find(({ id }) => id === "claims")!;
    const said = outputs!.map(({ data }) => [data?.["text/markdown"] ?? []].flat().join("")).join("");
    expect(said.match(/^- .*ERPO with .* here: right answers differ by .* Adjusted p = [01]\.\d{3}\.$/gm)).toHaveLength(5);
    expect(lines("methods/combined/rows.jsonl")).toHaveLength(6 * (4 * 3 + 2 * 2)); // attacks have two prompts in this profile
  });

  test("second-model.ipynb trains another family's model beside the first, and says of each step what it does to both", {
    timeout: 480_000,
  }, async () => {
    const qwen = join(scratch, "qwen2-tiny");
    cpSync(join(model, "../families/qwen2"), qwen, { recursive: true });
    for (const file of ["tokenizer.json", "tokenizer_config.json"]) cpSync(join(model, file), join(qwen, file));
    const shown = await execute(solved("second-model"), {
      ...{ secondModel: qwen, secondProfile: "tiny", secondDir: join(scratch, "second"), stage: "2-dpo" },
    });
    const policies = ["base", "baseline-answers-only", "1-sft", "2-dpo"];
    expect(shown("models-table").map((row) => row.model)).toEqual(["llama-tiny", "qwen2-tiny"]);
    expect(shown("policies-table").map((row) => `${row.model} ${row.policy}`)).toEqual(
      ["llama-tiny", "qwen2-tiny"].flatMap((name) => policies.map((policy) => `${name} ${policy}`)),
    );
    const { outputs } = read(join(executed, "second-model.ipynb")).cells.find(({ id }) => id === "in-words")!;
    const said = outputs!.map(({ data }) => [data?.["text/markdown"] ?? []].flat().join("")).join("");
    expect(
      said.match(/^- Stage \d, over .*, changes right answers by .* with llama-tiny and .* with qwen2-tiny, on \d+ prompts\. /gm),
    ).toHaveLength(3);
    expect(shown("answers")).toHaveLength(8); // this profile has four everyday prompts
    const adapter = (run: string) => readFileSync(join(scratch, run, "2-dpo/adapter_model.safetensors"));
    expect(adapter("run").equals(adapter("second"))).toBe(false);
  });

  test("look-inside.ipynb shows two policies token by token, and its page keeps them", { timeout: 240_000 }, async () => {
    const shown = await execute(solved("look-inside"));
    expect(shown("table")).toHaveLength(8);
    expect(shown("solution-2").map(({ nats }) => nats)).toEqual(new Array(8).fill(0)); // stage 1 held against itself
    const { cells } = read(join(executed, "look-inside.ipynb"));
    const [view] = cells.find(({ id }) => id === "view")!.outputs!;
    const data = view!.data as unknown as Record<string, string | string[]>;
    expect(Object.keys(data).sort()).toEqual(["image/svg+xml", "text/html", "text/plain"]);
    expect(
      [data["text/html"]]
        .flat()
        .join("")
        .match(/<span title="/g)!.length,
    ).toBeGreaterThan(20);
    const { code, stderr } = await erpo(["report", join(executed, "look-inside.ipynb"), "--output", executed]);
    expect(code, stderr).toBe(0);
    expect(readFileSync(join(executed, "look-inside.html"), "utf8")).toMatch(/<title>[\d.]+%, [\d.]+ nats (?:above|below) the reference/);
  });

  test("causes.ipynb has a row per intervention, and all dev prompts in its bins", { timeout: 240_000 }, async () => {
    const shown = await execute(solved("causes"));
    expect(shown("causes-table")).toHaveLength(5);
    const prompts = shown("read-out").reduce((sum, row) => sum + (row.prompts as number), 0);
    expect(prompts).toBe(lines("data/dev.jsonl").length);
    expect(shown("solution-1").map(({ policy }) => policy)).toEqual(["1-sft"]);
    for (const row of shown("solution-2")) expect(Number(row["gain where T was chosen"])).toBeGreaterThanOrEqual(0);
  });
});
