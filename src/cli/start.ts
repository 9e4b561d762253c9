import { existsSync, readdirSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { type Command, Option } from "commander";
import { packageRoot } from "../setup/paths.js";
import { assertWritable, wholeNumber } from "./output.js";

interface StartOptions {
  profile: string;
  seed: number;
  model: string;
  run?: string;
  dryRun?: boolean;
}

/** `erpo start`: the main job, from the notebooks to the reports. */
export function register(program: Command): void {
  program
    .command("start")
    .description("train ERPO's three stages from the notebooks and render the reports")
    .addOption(new Option("--profile <name>", "how much to do").choices(["quick", "full", "tiny"]).default("quick"))
    .option("--seed <number>", "seed of every random choice", wholeNumber(0), 1)
    .option("--model <name>", "a built-in name, a .gguf file or a Hugging Face style directory", "smollm2-135m-instruct")
    .option("--run <folder>", "where everything is kept (default: runs/<profile>)")
    .option("--dry-run", "say what would be computed and whether the device's memory holds it; load no weights, write nothing")
    .action(start);
}

async function start({ profile: name, seed, model, run, dryRun }: StartOptions): Promise<void> {
  const { profile } = await import("../runs/profile.js");
  const chosen = profile(name);
  if (dryRun) {
    const { inspect } = await import("./dry-run.js");
    process.stdout.write(await inspect(chosen, model));
    return;
  }
  const dir = resolve(run ?? join("runs", name));
  const began = performance.now();
  const say = (line: string) => process.stderr.write(`erpo: ${line}\n`);

  const { makeReady } = await import("../setup/ready.js");
  await makeReady(say);
  const { checkModel } = await import("../model/load.js");
  const config = await checkModel(model, { log: say });
  const { earlierRun } = await import("../runs/run.js");
  earlierRun(dir, name, seed); // before its notebooks are written over
  assertWritable(join(dir, "run.json"));
  const { measure } = await import("../setup/doctor.js");
  const { gflops } = await measure();
  const [{ durations, inWords, totalSeconds }, { multipliedParameters }] = await Promise.all([
    import("../methods/erpo/duration.js"),
    import("../model/footprint.js"),
  ]);
  const time = inWords(totalSeconds(durations(chosen, gflops, multipliedParameters(config))));
  say(`${Math.round(gflops)} GFLOP/s in a matrix product: the ${name} profile takes about ${time} here`);
  say(`everything is kept in ${relative(process.cwd(), dir) || "."}: stop at any time, the same command goes on from there`);

  const fromNotebooks = (path: string) => relative(notebookFolder(), resolve(path));
  const executed = await runNotebooks(
    join(dir, "notebooks"),
    { runDir: fromNotebooks(dir), profileName: name, seed, modelName: existsSync(model) ? fromNotebooks(model) : model },
    say,
  );
  const { renderReports } = await import("../../reports/report.js");
  const reports = join(dir, "reports");
  const { failures } = await renderReports(executed, { output: reports, run: dir });
  if (failures.length > 0) throw new Error(failures[0]);

  say(`done in ${((performance.now() - began) / 60_000).toFixed(1)} minutes`);
  const { runSummary } = await import("../methods/erpo/summary.js");
  process.stdout.write(`${runSummary(dir)}\n\nreport: ${relative(process.cwd(), join(reports, "index.html"))}\n`);
}

/** In which the notebooks are run, whatever their executed copies are written to. */
const notebookFolder = () => join(packageRoot(), "notebooks");

/** Runs the numbered notebooks in their order. @returns the executed copies */
async function runNotebooks(output: string, parameters: Record<string, string | number>, say: (line: string) => void): Promise<string[]> {
  const [{ executeNotebook }, { progressLine }] = await Promise.all([
    import("../../reports/execute/execute.js"),
    import("../../reports/execute/progress.js"),
  ]);
  const source = notebookFolder();
  const notebooks = readdirSync(source)
    .filter((file) => /^\d\d-.*\.ipynb$/.test(file))
    .sort();
  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort());
  const executed: string[] = [];
  for (const [i, notebook] of notebooks.entries()) {
    const line = progressLine(process.stderr);
    say(`notebook ${i + 1} of ${notebooks.length}: ${notebook}`);
    try {
      const options = { output: join(output, notebook), parameters, signal: stop.signal, onProgress: line.show };
      const { output: written, seconds } = await executeNotebook(join(source, notebook), options);
      line.clear();
      say(`  ${seconds.toFixed(0)} s`);
      executed.push(written);
    } finally {
      line.clear();
    }
  }
  return executed;
}
