import { existsSync } from "node:fs";
import { join, relative } from "node:path";
import type { Command } from "commander";
import { type Job, type JobOptions, notebookRunner, ownNotebook, prepareJob, say, withJobOptions } from "./notebook-job.js";

interface StartOptions extends JobOptions {
  dryRun?: boolean;
}

/** `erpo start`: the main job, from the notebooks to the reports. */
export function register(program: Command): void {
  withJobOptions(program.command("start"))
    .description("train ERPO's three stages from the notebooks and render the reports")
    .option("--dry-run", "say what would be computed and whether the device's memory holds it; load no weights, write nothing")
    .action(start);
}

async function start({ dryRun, ...options }: StartOptions): Promise<void> {
  if (dryRun) {
    const [{ inspect }, { profile }] = await Promise.all([import("./dry-run.js"), import("../runs/profile.js")]);
    process.stdout.write(await inspect(profile(options.profile), options.model));
    return;
  }
  const began = performance.now();
  const job = await prepareJob(options);
  const { dir, gflops, parameters } = job;
  const [{ durations, inWords, totalSeconds }, { mainNotebooks }] = await Promise.all([
    import("../methods/erpo/duration.js"),
    import("../methods/erpo/plan.js"),
  ]);
  const time = inWords(totalSeconds(durations(job.profile, gflops, parameters)));
  say(`${Math.round(gflops)} GFLOP/s in a matrix product: the ${job.profile.name} profile takes about ${time} here`);
  say(`everything is kept in ${relative(process.cwd(), dir) || "."}: stop at any time, the same command goes on from there`);

  const runNotebook = await notebookRunner(job);
  const executed: string[] = [];
  const stopBeside = await beside(job, options);
  try {
    for (const [i, name] of mainNotebooks.entries()) {
      say(`notebook ${i + 1} of ${mainNotebooks.length}: ${name}`);
      executed.push(await runNotebook(ownNotebook(name), join(dir, "notebooks", `${name}.ipynb`)));
    }
  } finally {
    stopBeside();
  }
  const { renderReports } = await import("../../reports/report.js");
  const reports = join(dir, "reports");
  const { failures } = await renderReports(executed, { output: reports, run: dir });
  if (failures.length > 0) throw new Error(failures[0]);

  say(`done in ${((performance.now() - began) / 60_000).toFixed(1)} minutes`);
  const { runSummary } = await import("../methods/erpo/summary.js");
  process.stdout.write(`${runSummary(dir)}\n\nreport: ${relative(process.cwd(), join(reports, "index.html"))}\n`);
}

/** Lets a second process compute what it can, where that pays and something is to be computed. @returns ends it */
async function beside({ dir, profile }: Job, { profile: given, seed, model }: JobOptions): Promise<() => void> {
  const [{ paysBeside, startBeside }, { lastBeside }] = await Promise.all([import("./beside.js"), import("../methods/erpo/beside.js")]);
  if (existsSync(join(dir, lastBeside)) || !(await paysBeside(profile, model))) return () => {};
  say("a second process trains the baseline and evaluates what is there, beside the notebooks");
  return startBeside({ dir, profile: given, seed, model }, (problem) =>
    say(`the second process: ${problem}; the notebooks go on and compute the rest themselves`),
  );
}
