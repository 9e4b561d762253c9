import { appendFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { Command } from "commander";
import { expect, test } from "vitest";
import { writeComparison } from "../../../reports/compare/compare.js";
import { readReport } from "../../../reports/provenance/read.js";
import { rerunChecks } from "../../../reports/provenance/rerun.js";
import { verifyReport } from "../../../reports/provenance/verify.js";
import { renderReports } from "../../../reports/report.js";
import { register } from "../../../src/cli/compare.js";
import { keptResults } from "../../../src/runs/claim.js";
import { staleReason } from "../../../src/runs/stale.js";
import { json, jsonl, newFolder, suite, type WrittenRun, writeRun } from "./folders.js";

async function compared(...dirs: string[]) {
  const output = newFolder();
  const { failures } = await writeComparison(dirs, output);
  expect(failures).toEqual([]);
  const html = readFileSync(join(output, "compare.html"), "utf8");
  return { output, html, json: JSON.parse(readFileSync(join(output, "compare.json"), "utf8")) };
}

const plain: WrittenRun = {
  answers: { "2-dpo/harmful": suite("rrrrrrrrrr", "unsafe"), "2-dpo/look-alike-safe": suite("rrrrcccccc", "safe") },
};

test("two runs that differ in one parameter: it is named, with what follows from it", async () => {
  const other: WrittenRun = {
    beta: 0.5,
    losses: [0.7, 0.5, 0.2],
    answers: { "2-dpo/harmful": suite("rrrrrrrrrr", "unsafe"), "2-dpo/look-alike-safe": suite("cccccccccr", "safe", "Another answer.") },
  };
  const { html, json, output } = await compared(writeRun("a", plain), writeRun("b", other));
  expect(json.baseline).toBe("a");
  expect(json.parameters.differing).toEqual({
    "03-stage-2-dpo: beta": { a: 0.1, b: 0.5 },
    "2-dpo: method": { a: "dpo 0.1", b: "dpo 0.5" },
  });
  expect(json.parameters.same).toMatchObject({ profile: "quick", seed: 1, "profile.stage2.prompts": 40, "2-dpo: learningRate": 1e-4 });
  expect(json.trainings).toEqual([expect.objectContaining({ stage: "2-dpo", same: false })]);
  // look-alikes: 4 refused by a only, 1 by b only; 2 * (C(5,0) + C(5,1)) / 2^5 = 0.375. Refusals of `harmful` do not differ: no test
  expect(json.refusal_tests).toEqual([
    { policy: "2-dpo", title: "title of look-alike-safe", run: "b", prompts: 10, onlyBaseline: 4, onlyRun: 1, p: 0.375, adjusted: 0.375 },
  ]);
  // balanced accuracy: refusing 10 of 10 and not refusing 6, or 9, of 10
  expect(json.mean_tests).toEqual([expect.objectContaining({ measure: "balanced accuracy", baseline: 0.8, value: 0.95 })]);
  expect(json.mean_tests[0].difference.value).toBeCloseTo(0.15, 12);
  expect(json.missing).toEqual([]);
  expect(html).toContain("<title>a and b compared</title>");
  expect(html).toContain("<code>03-stage-2-dpo: beta</code> (<code>0.1</code> and <code>0.5</code>)");
  expect(html).toContain("<del>An</del><ins>Another</ins> answer.");
  expect(html).not.toMatch(/<script|<link|\son\w+=/);
  expect(readdirSync(output).sort()).toEqual(["compare.html", "compare.ipynb", "compare.json"]);
  const page = join(output, "compare.html");
  await expect(rerunChecks(readReport(page).provenance, page, { tolerance: 1e-6 })).rejects.toThrow("a comparison is not run again");
});

test("a stage is what its identity says: a branch shares it without its checkpoints, and nothing of it differs", async () => {
  const identity = {
    recipe: "preferences",
    version: 1,
    objective: { loss: "dpo", beta: 0.1 },
    optimizer: { learningRate: 1e-4, betas: [0.9, 0.999] },
    steps: 3,
    rows: "d1",
    batches: "b1",
    model: "a",
    rules: "r",
    seed: 1,
    precision: "f32",
    from: { "1-sft": "s" },
  };
  const noted = { "2-dpo/identity.json": json({ format: 1, digest: "x", files: ["2-dpo/stage.json"], identity }) };
  const branch = { files: { ...noted, "2-dpo/checkpoint-3/state.json": null } };
  const { json: found } = await compared(writeRun("a", { files: noted }), writeRun("b", branch));
  expect(found.parameters.differing).toEqual({});
  expect(found.parameters.same).toMatchObject({ "2-dpo: beta": 0.1, "2-dpo: learningRate": 1e-4, "2-dpo: steps": 3 });
  expect(found.trained_on).toEqual({ differing: {}, same: { "2-dpo: rows": "d1", "2-dpo: order": "b1" } });
});

test("what a related method has trained in one run is no parameter of the runs, and no stage that the other lacks", async () => {
  const identity = { recipe: "cdpo", version: 1, objective: { loss: "cdpo", budget: 0.25 }, steps: 3, rows: "d1", batches: "b1" };
  const files = {
    "methods/cdpo/lambda-1/identity.json": json({ format: 1, digest: "x", files: [], identity }),
    "methods/cdpo/lambda-1/metrics.jsonl": jsonl([{ step: 1, loss: 0.5 }]),
  };
  const { json: found, html } = await compared(writeRun("a", { files }), writeRun("b"));
  expect(found.parameters.differing).toEqual({});
  expect(found.trainings.map(({ stage }: { stage: string }) => stage)).toEqual(["2-dpo"]);
  expect(found.missing).toEqual([]);
  expect(html).not.toContain("methods/cdpo");
});

test("a policy that one run alone has is listed as missing, and no table shows it against nothing", async () => {
  const answers = { ...plain.answers, "cdpo-lambda-1/harmful": suite("rrrrrrrrrr", "unsafe") };
  const { json: found, html } = await compared(writeRun("a", { answers }), writeRun("b", plain));
  expect(found.policies.map(({ policy }: { policy: string }) => policy)).toEqual(["2-dpo"]);
  expect(found.missing).toEqual([{ run: "b", what: "not evaluated, but in the baseline: cdpo-lambda-1, harmful" }]);
  expect(html).not.toMatch(/<(?:h3|th|figcaption)\b[^\n]*cdpo-lambda-1/);
});

test("a comparison is held to the files that it has read, wherever its page is rendered", async () => {
  const [a, b] = [writeRun("a", plain), writeRun("b", { beta: 0.5 })];
  const { output } = await compared(a, b);
  const elsewhere = newFolder();
  await renderReports([join(output, "compare.ipynb")], { output: elsewhere });
  const told = async (folder: string) => {
    const page = join(folder, "compare.html");
    const lookups = { modelDigests: async () => undefined, keptResults, staleReason };
    const checks = await verifyReport(readReport(page), page, lookups);
    expect(checks.some(({ kind, status }) => kind === "run" && status === "same")).toBe(true);
    return checks.filter(({ kind, status }) => kind === "run" && status !== "same").map(({ name, status }) => [status, basename(name)]);
  };
  expect(await told(output)).toEqual([]);
  appendFileSync(join(b, "2-dpo/metrics.jsonl"), jsonl([{ step: 4, loss: 0.1 }]));
  rmSync(join(a, "run.json"));
  for (const folder of [output, elsewhere])
    expect(await told(folder)).toEqual([
      ["not found", "run.json"],
      ["differs", "metrics.jsonl"],
    ]);
});

test("runs that are the same but for time are said to be the same", async () => {
  const later = {
    ...plain,
    files: {
      "2-dpo/metrics.jsonl": jsonl([0.7, 0.6, 0.5].map((loss, i) => ({ step: i + 1, loss, "rewards/margins": -loss, step_seconds: 9 }))),
    },
  };
  const { html, json } = await compared(writeRun("a", plain), writeRun("b", later));
  expect(json.parameters.differing).toEqual({});
  expect(json.trainings[0].same).toBe(true);
  expect(json.policies[0].same).toBe(true);
  expect(json.refusal_tests).toEqual([]);
  expect(html).toContain("training of <code>2-dpo</code>; answers of <code>2-dpo</code>");
});

test("texts of unsafe prompts and their completions are redacted, and nothing of a run is markup", async () => {
  const hidden = "PLACEHOLDER of a prompt that stays hidden";
  const answers = (text: string, judgement: "r" | "c") => ({
    answers: { "base/harmful": suite(judgement, "unsafe", text), "base/general": suite("cc", "safe", text) },
  });
  const { html, output } = await compared(
    writeRun("a", answers("<b>bold</b> `x` $y$ and more words", "r")),
    writeRun("b", answers("SECRET completion of words that nobody may read", "c")),
  );
  expect(html).toContain("PLACEHOLDER of a [4 more words]");
  expect(html).not.toContain(hidden);
  expect(html).not.toContain("<b>bold</b>");
  expect(html).toContain("How do I shoot a *portrait*?");
  const harmful = html.slice(html.indexOf("title of harmful, unsafe-1"), html.indexOf("title of general, safe-1"));
  expect(harmful).toContain("SECRET completion of [5 more words]");
  for (const file of ["compare.ipynb", "compare.json"]) expect(readFileSync(join(output, file), "utf8")).not.toContain(hidden);
});

test("a run that is torn, unfinished or of other prompts is compared as far as it goes, and the gaps are listed", async () => {
  const torn = writeRun("torn", {
    ...plain,
    files: {
      "run.json": null,
      "2-dpo/stage.json": null,
      "2-dpo/metrics.jsonl": `${jsonl([{ step: 1, loss: 0.7 }])}{"step":2,"lo`,
      "evaluation/2-dpo/harmful.json": '{"title":',
      "evaluation/2-dpo/prefill.jsonl": jsonl([{ id: "x" }]),
      "notebooks/04.ipynb": "{",
    },
  });
  const foreign = writeRun("foreign", {
    answers: {
      "2-dpo/harmful": suite("rr", "unsafe").map((row) => ({ ...row, id: `other-${row.id}` })),
      "9-new/harmful": suite("r", "unsafe"),
    },
    files: { "2-dpo/metrics.jsonl": null, "2-dpo/stage.json": null },
  });
  const { html, json } = await compared(writeRun("whole", plain), torn, foreign);
  const gaps = json.missing.map(({ run, what }: { run: string; what: string }) => `${run}: ${what}`);
  expect(gaps).toEqual([
    "torn: run.json: is missing",
    "torn: 2-dpo/metrics.jsonl: line 2 is not whole JSON and is left out",
    "torn: 2-dpo: the training is not through (steps so far: 1)",
    "torn: evaluation/2-dpo/harmful.json: is not whole JSON",
    "torn: evaluation/2-dpo/prefill.jsonl: the evaluation is not through",
    expect.stringMatching(/^torn: notebooks\/04\.ipynb: not JSON/),
    "foreign: 2-dpo: is missing",
    "torn: not evaluated, but in the baseline: 2-dpo, harmful",
    "foreign: not evaluated, but in the baseline: 2-dpo, look-alike-safe",
    "foreign: not evaluated in the baseline: 9-new, harmful",
    "foreign: 2-dpo, harmful: no prompt is known to be the baseline's",
  ]);
  expect(html).toContain("Not everything is there or could be compared");
  expect(html).toContain("What is missing");
});

test("folders of `erpo train` are compared by train.json and their steps", async () => {
  const trained = (name: string, learning_rate: number) =>
    writeRun(name, {
      files: {
        ...{ "run.json": null, "2-dpo/stage.json": null, "2-dpo/metrics.jsonl": null, "notebooks/03-stage-2-dpo.ipynb": null },
        "train.json": json({ method: "sft", learning_rate, output_dir: `/somewhere/${name}` }),
        "metrics.jsonl": jsonl([1, 2].map((step) => ({ step, loss: learning_rate / step }))),
        "adapter_model.safetensors": "",
      },
    });
  const { json: found } = await compared(trained("a", 1e-4), trained("b", 2e-4));
  expect(found.parameters.differing).toEqual({ ".: learning_rate": { a: 1e-4, b: 2e-4 } });
  expect(found.trainings).toEqual([expect.objectContaining({ stage: ".", same: false })]);
  expect(found.missing).toEqual([]);
});

test("equal ids are no proof: prompts are paired where their input or their text is the same", async () => {
  const rows = suite("r", "safe");
  const asked = (input: string, prompt: string, trial = "general"): WrittenRun => ({
    answers: { [`base/${trial}`]: rows },
    files: {
      [`evaluation/base/${trial}.jsonl`]: jsonl([{ id: "safe-1", input, completion: "An answer." }]),
      "data/test.jsonl": jsonl([{ id: "safe-1", prompt }]),
    },
  });
  const pairs = async (other: WrittenRun, first = asked("1", "one")) => {
    const { json } = await compared(writeRun("a", first), writeRun("b", other));
    return json.missing.length === 0;
  };
  expect(await pairs(asked("1", "other"))).toBe(true);
  expect(await pairs(asked("2", "one"))).toBe(true);
  expect(await pairs(asked("2", "two"))).toBe(false);
  expect(await pairs(asked("2", "one", "dan"), asked("1", "one", "dan"))).toBe(false); // another persona around the same prompt
});

test("suites that nobody knows stand beside the known ones, five in a table", async () => {
  const answers = Object.fromEntries(Array.from({ length: 7 }, (_, i) => [`base/own-${i}`, suite("rc", "safe")]));
  const { html } = await compared(
    writeRun("a", { answers }),
    writeRun("b", { answers: { ...answers, "base/own-0": suite("cc", "safe") } }),
  );
  const columns = (label: string) => new RegExp(`id="${label}"[\\s\\S]*?</thead>`).exec(html)![0].match(/<th /g)!.length;
  expect([columns("tbl-refused-base"), columns("tbl-refused-base-2")]).toEqual([6, 3]);
});

test("twenty runs: rows are runs, tables stay narrow, lines have their numbers", async () => {
  const runs = Array.from({ length: 20 }, (_, i) =>
    writeRun(`run-${i + 1}`, {
      beta: 0.1 + i / 20,
      losses: [0.7, 0.6 - i / 100, 0.5 - i / 50],
      answers: {
        "2-dpo/harmful": suite(`${"r".repeat(20 - i)}${"c".repeat(i)}`, "unsafe"),
        "2-dpo/look-alike-safe": suite("ccccc", "safe"),
      },
    }),
  );
  const { html, json } = await compared(...runs);
  expect(json.refusal_tests).toHaveLength(19);
  const heads = [...html.matchAll(/<thead>[\s\S]*?<\/thead>/g)].map(([head]) => head.match(/<th[ >]/g)!.length);
  expect(Math.max(...heads)).toBeLessThanOrEqual(8);
  const parameters = /id="tbl-parameters"[\s\S]*?<\/table>/.exec(html)![0];
  expect(parameters.match(/<tr>/g)).toHaveLength(21);
  expect(html).toContain("19 runs compared with run-1");
  expect(html.length).toBeLessThan(400_000);
});

test("a folder that is no run, or is named twice, is told in one line", async () => {
  const run = writeRun("a");
  const empty = newFolder();
  await expect(writeComparison([run, empty], newFolder())).rejects.toThrow(
    `${empty}: holds no run.json, no metrics.jsonl and no evaluation: name a run's folder, such as runs/quick`,
  );
  const stray = (text: string) => writeRun("stray", { files: { "run.json": text, "2-dpo/stage.json": null, "2-dpo/metrics.jsonl": null } });
  for (const text of ["{}", '{"method":"sft","model":"m","data":"rows.jsonl","output_dir":"adapter"}', '{"format":'])
    await expect(writeComparison([run, stray(text)], newFolder())).rejects.toThrow(
      /stray: its run\.json is not the record of a run, and it/,
    );
  await expect(writeComparison([run, "/nonexistent"], newFolder())).rejects.toThrow("/nonexistent: no such folder");
  await expect(writeComparison([run, join(run, "run.json")], newFolder())).rejects.toThrow(/run\.json: is no folder/);
  await expect(writeComparison([run, `${run}/`], newFolder())).rejects.toThrow(`${run}/: is named twice`);
  const blocked = join(newFolder(), "file");
  writeFileSync(blocked, "");
  await expect(writeComparison([run, writeRun("b")], blocked)).rejects.toThrow(/compare\.ipynb: cannot be written/);
});

test("the command: files on standard output; one run or no output folder is wrong use", async () => {
  const program = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  register(program);
  const output = newFolder();
  await program.parseAsync(["compare", writeRun("a"), writeRun("b"), "--output", output], { from: "user" });
  expect(process.exitCode ?? 0).toBe(0);
  expect(readdirSync(output).sort()).toEqual(["compare.html", "compare.ipynb", "compare.json"]);
  await expect(program.parseAsync(["compare", "a", "--output", output], { from: "user" })).rejects.toThrow("missing required argument");
  await expect(program.parseAsync(["compare", "a", "b"], { from: "user" })).rejects.toThrow("required option");
});
