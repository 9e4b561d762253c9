import { dirname, join, relative } from "node:path";
import type { Command } from "commander";
import type { RelatedMethod } from "../methods/method.js";
import type { JobNotebook } from "./job-outputs.js";
import {
  type Job,
  type JobOptions,
  jobSpeed,
  notebookRunner,
  ownNotebook,
  prepareJob,
  profileOption,
  type RunNotebook,
  withJobOptions,
} from "./notebook-job.js";
import { say } from "./output.js";

/** `erpo methods list | budgets | run NAME...`: the methods that ERPO is compared with. */
export function register(program: Command): void {
  const methods = program.command("methods").description("related methods: list them, run their notebooks in a run's folder");
  methods
    .command("list")
    .description("list the related methods and what they need")
    .action(async () => {
      const [{ relatedMethods }, { plainTable }] = await Promise.all([
        import("../methods/related.js"),
        import("../methods/plain-table.js"),
      ]);
      const rows = relatedMethods.map(({ name, title, needs, data }) => {
        const needed = [...(needs.length > 0 ? needs : ["the base model"]), ...(data ? [data.name] : [])];
        return [name, title.padEnd(45), needed.join(", ")];
      });
      process.stdout.write(`${plainTable([["method", "", "needs"], ...rows])}\n`);
    });
  methods
    .command("budgets")
    .description(
      "list how many tokens ERPO and each method train, sample and score, steps of environments, and the time that this takes here",
    )
    .addOption(profileOption())
    .action(async ({ profile: given }: Pick<JobOptions, "profile">) => {
      const [{ budgets }, { relatedMethods }, { profile }, { measure }] = await Promise.all([
        import("../methods/budgets.js"),
        import("../methods/related.js"),
        import("../runs/profile.js"),
        import("../setup/doctor.js"),
      ]);
      const { gflops } = await measure();
      process.stdout.write(`${budgets(profile(given), relatedMethods, gflops)}\n`);
    });
  withJobOptions(methods.command("run"))
    .description("run related methods; each writes its notebook, page, policies and rows.jsonl to RUN/methods/NAME")
    .argument("<names...>", "names of methods, as `erpo methods list` has them")
    .action(run);
}

async function run(names: string[], options: JobOptions, command: Command): Promise<void> {
  const chosen = await byName(names, command);
  for (const { data } of chosen) data?.check();
  const job = await prepareJob(options, (dir) => chosen.map(({ name }) => inRun(dir, name)));
  const [{ assertNeeds }, { finishedStages }] = await Promise.all([import("../methods/method.js"), import("../runs/claim.js")]);
  for (const method of chosen) assertNeeds(method, job.dir);
  const finished = finishedStages(job.dir);
  const [{ inWords, notebookSeconds }, { methodsSummary, readMethodRows }] = await Promise.all([
    import("../methods/erpo/duration.js"),
    import("../methods/rows.js"),
  ]);
  const { gflops, parameters } = await jobSpeed(job);
  const runNotebook = await notebookRunner(job);
  const pages: string[] = [];
  for (const [i, method] of chosen.entries()) {
    const seconds = notebookSeconds(method.plan(job.profile, finished), gflops, parameters);
    say(`method ${i + 1} of ${chosen.length}: ${method.name}, about ${inWords(seconds)} here (${job.profile.name} profile)`);
    pages.push(await runMethod(job, method, runNotebook));
  }
  const rows = chosen.flatMap(({ name }) => readMethodRows(job.dir, name));
  if (rows.length > 0) process.stdout.write(`${methodsSummary(rows)}\n\n`);
  process.stdout.write(pages.map((page) => `report: ${relative(process.cwd(), page)}\n`).join(""));
}

/** The methods in the order asked for, each once; a name that no method has is wrong use. */
async function byName(names: readonly string[], command: Command): Promise<RelatedMethod[]> {
  const { relatedMethods } = await import("../methods/related.js");
  return [...new Set(names)].map((name) => {
    const method = relatedMethods.find((known) => known.name === name);
    if (method) return method;
    return command.error(`error: no method is called "${name}"; there is: ${relatedMethods.map((known) => known.name).join(", ")}`, {
      exitCode: 2,
    });
  });
}

/** A method's notebook, with its copy in a run's folder. */
const inRun = (dir: string, name: string): JobNotebook => ({
  source: ownNotebook(`related/${name}`),
  output: join(dir, "methods", name, `${name}.ipynb`),
});

/** Executes a method's notebook and renders its page. @returns the page */
async function runMethod(job: Job, { name }: RelatedMethod, runNotebook: RunNotebook): Promise<string> {
  const { output: executed, seconds } = await runNotebook(inRun(job.dir, name));
  say(`  ${seconds.toFixed(0)} s`);
  const { renderReports } = await import("../../reports/report.js");
  const { failures, written } = await renderReports([executed], { output: dirname(executed), run: job.dir });
  if (failures.length > 0) throw new Error(failures[0]);
  return written[0]!;
}
