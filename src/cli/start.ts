import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { type Command, InvalidArgumentError } from "commander";

interface StartOptions {
  profile: string;
  seed: number;
  model: string;
  run?: string;
}

/** `erpo start`: the main job, from the notebooks to the reports. */
export function register(program: Command): void {
  program
    .command("start")
    .description("train ERPO's three stages from the notebooks and render the reports")
    .option("--profile <name>", "how much to do: quick, full or tiny", "quick")
    .option("--seed <number>", "seed of every random choice", wholeNumber, 1)
    .option("--model <name>", "a built-in name, a .gguf file or a Hugging Face style directory", "smollm2-135m-instruct")
    .option("--run <folder>", "where everything is kept (default: runs/<profile>)")
    .action(start);
}

async function start({ profile: name, seed, model, run }: StartOptions): Promise<void> {
  const [{ packageRoot }, { makeReady }, { measure }, { profile }] = await Promise.all([
    import("../setup/paths.js"),
    import("../setup/ready.js"),
    import("../setup/doctor.js"),
    import("../methods/profile.js"),
  ]);
  const { executeNotebook } = await import("../../reports/execute/execute.js");
  const { renderReports } = await import("../../reports/report.js");
  const chosen = profile(name);
  const dir = resolve(run ?? join("runs", name));
  const say = (line: string) => process.stderr.write(`erpo: ${line}\n`);
  const began = Date.now();

  await makeReady(say);
  const { gflops } = await measure();
  say(`${Math.round(gflops)} GFLOP/s in a matrix product: the ${name} profile will take about ${estimateMinutes(chosen.estimate, gflops)} minutes`);

  const source = join(packageRoot(), "notebooks");
  const notebooks = readdirSync(source)
    .filter((file) => /^\d\d-.*\.ipynb$/.test(file))
    .sort();
  const parameters = { runDir: dir, profileName: name, seed, modelName: model };
  const executed: string[] = [];
  for (const notebook of notebooks) {
    executed.push(await executeNotebook(join(source, notebook), { output: join(dir, "notebooks"), parameters }));
  }
  const reports = join(dir, "reports");
  await renderReports(executed, { output: reports, to: ["html"] });

  say(`done in ${((Date.now() - began) / 60_000).toFixed(1)} minutes`);
  process.stdout.write(`${summary(dir)}\nreport: ${relative(process.cwd(), join(reports, "index.html"))}\n`);
}

/** Minutes that a profile takes on a machine with this speed. */
function estimateMinutes({ fixedMinutes, petaflop }: { fixedMinutes: number; petaflop: number }, gflops: number): number {
  return Math.max(1, Math.round(fixedMinutes + (petaflop * 1e6) / gflops / 60));
}
