import { dirname } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import type { Check } from "../../reports/provenance/check.js";
import type { SealedReport } from "../../reports/provenance/read.js";
import type { ModelDigests } from "../model/load.js";

interface Options {
  rerun?: boolean;
  force?: boolean;
  tolerance: number;
  json?: boolean;
}

/** `erpo verify REPORT.html`: whether what a report was made from is still there, and the same. */
export function register(program: Command): void {
  program
    .command("verify")
    .description("check a report's provenance: its notebook, parameters, outputs, data, kept results, model, code")
    .argument("<report>", "an HTML report of a notebook")
    .option("--rerun", "run the notebook again, on copies, and compare the outputs")
    .option("--force", "with --rerun: run code too that has changed since the report was written")
    .option("--tolerance <number>", "how far numbers of a re-run may be apart, relative to the larger one", positive, 1e-6)
    .option("--json", "as JSON, every item on its own")
    .addHelpText(
      "after",
      `
The outputs must be those that the notebook's run has left. Of a run, the files are checked that the notebook has used, and so are the other files that its cells have read; the kept results among them must stand on what they were made from, and the notebook's
parameters must be those that a stage was trained with. Each item is
  same         as the report says
  differs      there, but another one                       (exit code 1)
  not found    a file that the report names is gone         (exit code 1)
  not checked  not noted, or this machine has not what it takes
  other        another Node, processor, ...: numbers may differ in their last digits
  new          a file of the run's folder that came after the report

--rerun compares printed text and texts word by word and their numbers within the tolerance; figures, tables and values by their data. It leaves
out durations, rates, moments, fields named after such, progress bars, paths and tracebacks. The notebook and the experiment's folder are copied
before; what the experiment keeps, such as a trained stage, is read and not computed again. A re-run runs the notebook's code: its files are named with their
SHA-256 before, and where one is another than the report says nothing is run without --force.`,
    )
    .action(verify);
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value >= 0) || text.trim() === "") throw new InvalidArgumentError("must be a number >= 0, such as 1e-6");
  return value;
}

async function verify(report: string, { rerun, force, tolerance, json }: Options): Promise<void> {
  const [{ readReport }, { holds }, { verifyReport }, { keptResults }, { contentsNow, staleReason }] = await Promise.all([
    import("../../reports/provenance/read.js"),
    import("../../reports/provenance/check.js"),
    import("../../reports/provenance/verify.js"),
    import("../runs/claim.js"),
    import("../runs/stale.js"),
  ]);
  const sealed = readReport(report);
  const now = contentsNow();
  const checks = await verifyReport(sealed, report, { modelDigests, keptResults, staleReason: (dir, path) => staleReason(dir, path, now) });
  if (rerun && (await mayRun(checks, dirname(report), force === true))) {
    checks.push(...(await runAgain(sealed, report, tolerance)));
  }
  const ok = holds(checks);
  process.stdout.write(json ? `${JSON.stringify({ report, ok, checks }, null, 2)}\n` : table(checks));
  process.exitCode = ok ? 0 : 1; // code that is not run has changed, so it does not hold
}

/**
 * Names the code that a re-run runs, with its digests; false where it has changed and nobody insists, or it would wait for a pipe.
 * @param folder of the report
 */
async function mayRun(checks: readonly Check[], folder: string, force: boolean): Promise<boolean> {
  const { codeToRun, pipesToRead } = await import("../../reports/provenance/code.js");
  const code = codeToRun(checks);
  const say = (text: string) => process.stderr.write(`${printable(text)}\n`);
  for (const { file, reported, found, changed } of code) {
    const then = changed ? `; when the report was written: ${reported}` : "";
    say(`code: ${file}, SHA-256 ${found ?? "none: there is no such file"}${then}`);
  }
  const [pipe] = pipesToRead(checks, folder);
  if (pipe !== undefined) {
    say(`erpo: not run again: ${pipe} is a pipe or a device, whose end the run may wait for: put the file back`);
    return false;
  }
  const changed = code.filter((it) => it.changed);
  if (changed.length === 0 || force) return true;
  say(
    `erpo: not run again: ${changed.map(({ file }) => file).join(", ")} changed since the report was written: read it, then --force runs it`,
  );
  return false;
}

/** Ctrl-C ends the kernel and removes the copies; there is no answer then. */
async function runAgain({ provenance }: SealedReport, report: string, tolerance: number): Promise<Check[]> {
  const [{ rerunChecks }, { progressLine }] = await Promise.all([
    import("../../reports/provenance/rerun.js"),
    import("../../reports/execute/progress.js"),
  ]);
  const stop = new AbortController();
  const interrupt = () => stop.abort();
  process.on("SIGINT", interrupt);
  const line = progressLine(process.stderr);
  try {
    return await rerunChecks(provenance, report, { tolerance, signal: stop.signal, onProgress: line.show });
  } finally {
    line.clear();
    process.off("SIGINT", interrupt);
  }
}

/** Loads the model's code only for reports that name one. */
async function modelDigests(model: string): Promise<ModelDigests | undefined> {
  const load = await import("../model/load.js");
  return load.modelDigests(model);
}

/** A line for each kind that is the same throughout, and one for everything else. */
function table(checks: readonly Check[]): string {
  const kinds = [...new Set(checks.map(({ kind }) => kind))];
  const lines = kinds.flatMap((kind) => {
    const all = checks.filter((check) => check.kind === kind);
    const same = all.filter(({ status }) => status === "same");
    const come = all.filter(({ status }) => status === "new");
    const there = all.length - come.length;
    const counted = there === 1 ? (all.find(({ status }) => status !== "new")?.name ?? "") : `${same.length} of ${there}`;
    return [
      ...(same.length ? [[kind, "same", counted, ""]] : []),
      ...(come.length
        ? [[kind, "new", come[0]!.name, come.length > 1 ? `and ${come.length - 1} more files of the run's folder` : ""]]
        : []),
      ...all.filter(({ status }) => status !== "same" && status !== "new").map((check) => [kind, check.status, check.name, inWords(check)]),
    ];
  });
  const widths = [0, 1, 2].map((i) => Math.min(60, Math.max(...lines.map((line) => line[i]!.length))));
  const padded = lines.map((line) => line.map((cell, i) => printable(cell).padEnd(widths[i] ?? 0)).join("  "));
  return `${padded.map((line) => line.trimEnd()).join("\n")}\n\n${summary(checks)}\n`;
}

/** What a report says may come from a stranger, and goes to a terminal. */
const printable = (text: string) => text.replace(/\p{Cc}/gu, " ");

function inWords({ status, reported, found, note }: Check): string {
  const short = (text: string) => (/^[0-9a-f]{64}$/.test(text) ? `SHA-256 ${text.slice(0, 12)}` : text);
  const pair = reported !== undefined && found !== undefined ? `${short(reported)} reported, ${short(found)} now` : "";
  return status === "same" ? "" : [pair, note].filter(Boolean).join("; ");
}

function summary(checks: readonly Check[]): string {
  const count = (status: Check["status"]) => checks.filter((check) => check.status === status).length;
  const parts = (["same", "differs", "not found", "not checked", "new"] as const).map((status) =>
    count(status) ? `${count(status)} ${status}` : "",
  );
  const other = count("other") ? `${count("other")} of another environment` : "";
  return [...parts, other].filter(Boolean).join(", ");
}
