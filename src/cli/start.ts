import { existsSync } from "node:fs";
import { join, relative } from "node:path";
import type { Command } from "commander";
import type { JobNotebook } from "./job-outputs.js";
import { type Job, type JobOptions, notebookRunner, ownNotebook, prepareJob, withJobOptions } from "./notebook-job.js";
import { say } from "./output.js";

interface StartOptions extends JobOptions {
  dryRun?: boolean;
}

/** `erpo start`: the main job, from the notebooks to the reports. */
export function register(program: Command): void {
  withJobOptions(program.command("start"))
    .description("train ERPO's three stages from the notebooks and render the reports")
    .option(
      "--dry-run",
      "say what would be computed, about how long that takes and whether the device's memory holds it; load no weights, write nothing but a model that is not on this machine yet",
    )
    .action(start);
}

async function start({ dryRun, ...options }: StartOptions): Promise<void> {
  if (dryRun) {
    const [{ inspect }, { profile }] = await Promise.all([import("./dry-run.js"), import("../runs/profile.js")]);
    process.stdout.write(await inspect(profile(options.profile), options.model));
    return;
  }
  const began = performance.now();
  const { plan } = await import("../methods/erpo/plan.js");
  const job = await prepareJob(options, (dir, profile) => plan(profile).map(({ notebook }) => inRun(dir, notebook)));
  const executed = await runNotebooks(job, options);
  const { dir } = executed;
  say("rendering the reports");
  const { renderReports } = await import("../../reports/report.js");
  const reports = join(dir, "reports");
  const { failures, written } = await renderReports(executed.notebooks, { output: reports, run: dir });
  if (failures.length > 0) throw new Error(failures[0]);

  say(`done in ${((performance.now() - began) / 60_000).toFixed(1)} minutes`);
  const { runSummary } = await import("../methods/erpo/summary.js");
  const page = executed.notebooks.length > 1 ? join(reports, "index.html") : written[0]!; // one page needs no index
  process.stdout.write(`${runSummary(dir)}\n\nreport: ${relative(process.cwd(), page)}\n`);
}

/** One of the main job's notebooks, with its copy in a run's folder. */
const inRun = (dir: string, name: string): JobNotebook => ({ source: ownNotebook(name), output: join(dir, "notebooks", `${name}.ipynb`) });

/** Runs a profile's notebooks; says before each what it computes and how long that takes, corrected by what those before it took. */
async function runNotebooks(job: Job, options: JobOptions): Promise<{ dir: string; notebooks: string[] }> {
  const { dir, profile } = job;
  const [{ plan }, { jobClock }] = await Promise.all([import("../methods/erpo/plan.js"), import("./job-clock.js")]);
  const planned = plan(profile).map(({ notebook }) => notebook);
  const folder = relative(process.cwd(), dir) || ".";
  const allKept = await hasAllResults(job);
  if (allKept) say(`${folder} has all results of the ${profile.name} profile: the notebooks read them`);
  const startSecond = allKept ? undefined : await secondProcess(job, options);
  const begun = new Set(planned.filter((notebook) => existsSync(inRun(dir, notebook).output)));
  const clock = allKept ? undefined : await jobClock(job, startSecond !== undefined, begun);
  say(`everything is kept in ${folder}: stop at any time, the same command goes on from there`);

  const runNotebook = await notebookRunner(job, clock?.left);
  const stopSecond = startSecond?.();
  const notebooks: string[] = [];
  try {
    for (const [i, notebook] of planned.entries()) {
      say(`notebook ${i + 1} of ${planned.length}: ${notebook}`);
      const { output, seconds } = await runNotebook(inRun(dir, notebook));
      notebooks.push(output);
      clock?.ended(seconds);
      say(`  ${seconds.toFixed(0)} s${clock && i + 1 < planned.length ? `; ${clock.inWords()} left` : ""}`);
    }
  } finally {
    stopSecond?.();
  }
  return { dir, notebooks };
}

/** Whether a run keeps everything that the job computes, as one that came with a bundle does. */
async function hasAllResults({ dir, profile }: Job): Promise<boolean> {
  const [{ runStatus }, { plannedResults }] = await Promise.all([import("../runs/status.js"), import("../methods/erpo/results.js")]);
  return runStatus(dir, plannedResults(profile)).every(({ state }) => state === "current");
}

/** A second process that computes what it can beside the notebooks, where that pays and something is left for it. @returns begins it, which returns what ends it */
async function secondProcess({ dir, profile }: Job, { profile: given, seed, model }: JobOptions): Promise<(() => () => void) | undefined> {
  const [{ paysBeside, startBeside }, { lastBeside }] = await Promise.all([
    import("./beside.js"),
    import("../methods/erpo/final-evaluation.js"),
  ]);
  if (existsSync(join(dir, lastBeside)) || !(await paysBeside(profile, model))) return undefined;
  return () => {
    say("a second process trains the baseline and evaluates policies beside the notebooks");
    return startBeside({ dir, profile: given, seed, model }, (problem) =>
      say(`the second process: ${problem}; the notebooks go on and compute the rest themselves`),
    );
  };
}
