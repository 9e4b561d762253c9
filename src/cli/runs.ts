import { existsSync } from "node:fs";
import { relative, resolve } from "node:path";
import type { Command } from "commander";
import { DataError } from "../data/errors.js";
import type { RunSummary } from "../runs/list.js";
import type { ResultStatus } from "../runs/status.js";
import { inBytes } from "../setup/files.js";
import { alignedLines } from "./output.js";

interface Options {
  json?: boolean;
}

/** `erpo runs`: what runs there are, and what stands in one. Nothing is computed, no model is loaded. */
export function register(program: Command): void {
  const runs = program
    .command("runs")
    .description("a table of runs: what they were made with, how far they came, what they take on disk")
    .argument("[folder]", "where the runs are, in it or in folders below", "runs")
    .option("--json", "as JSON")
    .action(list);
  runs
    .command("status")
    .description("each result that a run keeps: current, stale and why, or missing")
    .argument("<run>", "folder of a run, such as runs/quick")
    .option("--json", "as JSON")
    .addHelpText(
      "after",
      `
Each result is
  current  there, and what it was made from is what it was
  stale    there, but what it was made from is another one now, or gone: it is refused by whoever would read it
  missing  not there or not through; the main job's notebooks would make it`,
    )
    .action(status);
}

async function list(folder: string, { json }: Options): Promise<void> {
  if (!existsSync(folder)) throw new DataError(`${folder}: no such folder`);
  const [{ listRuns }, { preferenceDefaults }, { startCommand }] = await Promise.all([
    import("../runs/list.js"),
    import("../methods/erpo/recipe.js"),
    import("../setup/paths.js"),
  ]);
  const runs = listRuns(resolve(folder), preferenceDefaults, (line) => void process.stderr.write(`erpo: left out: ${line}\n`));
  if (json) process.stdout.write(`${JSON.stringify({ folder: resolve(folder), runs }, null, 2)}\n`);
  else if (runs.length === 0) process.stdout.write(`${folder}: no runs here: ${startCommand()} makes one\n`);
  else process.stdout.write(`${alignedLines([head, ...runs.map(row)]).join("\n")}\n`);
}

const head = ["run", "profile", "seed", "branch of", "not the default", "last step", "dev AUC", "on disk", "last change"];

function row({ dir, profile, seed, branchOf, parameters, last, dev, bytes, changed }: RunSummary): string[] {
  const margin = last?.margin === undefined ? "" : `, margin ${last.margin.toPrecision(3)}`;
  return [
    shown(dir),
    profile,
    String(seed),
    branchOf === undefined ? "-" : shown(branchOf),
    inWords(parameters),
    last ? `${last.stage} ${last.step}: loss ${last.loss.toPrecision(3)}${margin}` : "-",
    dev ? `${dev.auc.toFixed(3)} (${dev.stage})` : "-",
    inBytes(bytes),
    `${age((Date.now() - changed) / 1000)} ago`,
  ];
}

/** `2-dpo: beta 0.5; 3-length-controlled: alpha 0.05`: the rounds of a stage have the same. */
function inWords(parameters: RunSummary["parameters"]): string {
  const parts = Object.entries(parameters).map(([stage, values]) => {
    const own = Object.entries(values).map(([name, value]) => `${name} ${value}`);
    return `${stage.replace(/\/round-\d+$/, "")}: ${own.join(", ")}`;
  });
  return [...new Set(parts)].join("; ") || "-";
}

function age(seconds: number): string {
  if (seconds < 120) return `${Math.max(0, Math.round(seconds))} s`;
  if (seconds < 2 * 3600) return `${Math.round(seconds / 60)} min`;
  return seconds < 2 * 86_400 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} days`;
}

const shown = (dir: string): string => relative(process.cwd(), dir) || ".";

async function status(run: string, _: Options, command: Command): Promise<void> {
  const { json } = command.optsWithGlobals<Options>(); // `erpo runs` has the option too, and takes it wherever it stands
  const [{ runStatus }, { plannedResults }, { readRunRecord, recordedProfile }] = await Promise.all([
    import("../runs/status.js"),
    import("../methods/erpo/results.js"),
    import("../runs/record.js"),
  ]);
  const results = runStatus(resolve(run), plannedResults(recordedProfile(run, readRunRecord(run))));
  process.stdout.write(json ? `${JSON.stringify({ run: resolve(run), results }, null, 2)}\n` : text(results));
}

function text(results: readonly ResultStatus[]): string {
  const lines = alignedLines(
    results.map(({ state, path, reason, sharedWith }) => [state, path, reason ?? (sharedWith ? `shared with ${shown(sharedWith)}` : "")]),
  );
  const counts = (["current", "stale", "missing"] as const).map((state) => `${results.filter((r) => r.state === state).length} ${state}`);
  return `${lines.join("\n")}\n\n${counts.join(", ")}\n`;
}
