import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, realpathSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { executeNotebook } from "../../reports/execute/execute.js";
import { renderReports } from "../../reports/report.js";
import { modelDigests } from "../../src/model/load.js";
import { code, md, notebookJSON, type RawCell } from "./notebooks.js";

/** A project in a fresh folder: a notebook, run into an experiment's folder, and its report. */
export interface Project {
  root: string;
  /** The executed notebook. */
  notebook: string;
  report: string;
  /** A path in the project. */
  path(...parts: string[]): string;
}

export const write = (file: string, content: string): void => {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
};

/** The cells of a notebook whose outputs are the same each time, of every kind. */
export const steadyCells: RawCell[] = [
  md("# Steady\n\nThe rate is @val-rate."),
  code('let runDir = "";\nlet modelName = "";\nlet seed = 1;\nconst other: string = "../runs/b"; // not given', [], {
    tags: ["parameters"],
  }),
  code(
    'import { readFileSync } from "node:fs";\nconst rows = readFileSync(runDir + "/data/train.jsonl", "utf8").trim().split("\\n").map((row) => JSON.parse(row));\nfor (const file of ["data/manifest.json", "1-sft/metrics.jsonl"]) readFileSync(runDir + "/" + file);\nconsole.log("rows", rows.length);',
  ),
  code(
    'import { figure, table, trainingCurves, value } from "erpo";\nfigure(trainingCurves(["loss"], { rows: rows.map(({ x }, i) => ({ step: i + 1, loss: x })) }), { label: "fig-loss", caption: "c", alt: "a" });',
  ),
  code('table(rows, { label: "tbl-rows" });\nvalue("val-rate", rows[0].x / 3);'),
];

/** Runs `cells` on the kernel, in a project with an experiment, a tiny model and other files, and renders the report. */
export async function makeProject(cells: RawCell[], files: Readonly<Record<string, string>> = {}): Promise<Project> {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "erpo-test-")));
  const path = (...parts: string[]) => join(root, ...parts);
  write(path("notebooks/nb.ipynb"), notebookJSON(cells));
  for (const [file, content] of Object.entries(files)) write(path(file), content);
  cpSync(join(import.meta.dirname, "../fixtures/llama-tiny"), path("models/tiny"), { recursive: true });
  write(path("runs/a/data/train.jsonl"), '{"x":0.5}\n{"x":0.25}\n');
  write(path("runs/a/data/manifest.json"), "{}\n");
  write(path("runs/a/1-sft/metrics.jsonl"), '{"loss":1}\n');
  write(path("runs/a/2-dpo/metrics.jsonl"), '{"loss":2}\n');
  write(path("runs/a/1-sft/checkpoint-5/adapter_model.safetensors"), "dropped when the stage is through");
  const model = { name: "tiny", ...(await modelDigests(path("models/tiny"))) };
  write(path("runs/a/run.json"), JSON.stringify({ format: 1, profile: "tiny", seed: 3, model, environments: [] }));
  const parameters = cells.some((cell) => JSON.stringify(cell).includes("runDir = "))
    ? { runDir: "../runs/a", modelName: "../models/tiny", seed: 3 }
    : {};
  const notebook = path("runs/a/notebooks/nb.ipynb");
  await executeNotebook(path("notebooks/nb.ipynb"), { output: notebook, parameters });
  await render(path("runs/a"));
  return { root, notebook, report: path("runs/a/reports/nb.html"), path };
}

export async function render(run: string): Promise<void> {
  const { failures } = await renderReports([join(run, "notebooks/nb.ipynb")], { output: join(run, "reports"), run });
  if (failures.length) throw new Error(failures[0]);
}

/** SHA-256 by coreutils. */
export function sha256sum(file: string): string {
  return spawnSync("sha256sum", [file], { encoding: "utf8" }).stdout.slice(0, 64);
}
