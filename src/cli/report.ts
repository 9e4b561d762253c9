import { basename } from "node:path";
import { type Command, Option } from "commander";
import { type Format, formats, type Paper, papers, type TemplateName, templates } from "../../reports/formats.js";
import type { ReportOptions } from "../../reports/report.js";
import { folder, say, someOf } from "./output.js";

interface Options {
  to: Format[];
  paper: Paper;
  template: TemplateName;
  output: string;
  run?: string;
  input: boolean;
  watch?: boolean;
}

/** `erpo report NB...`: renders executed notebooks; nothing is executed. */
export function register(program: Command): void {
  program
    .command("report")
    .description("render executed notebooks as self-contained documents, with an index of several")
    .argument("<notebooks...>", "executed notebook files")
    .option("--to <formats>", `one or more of ${formats.join(", ")}, with commas between`, someOf(formats), ["html"])
    .addOption(new Option("--paper <size>", "of PDF pages").choices(papers).default("a4"))
    .addOption(new Option("--template <name>", "page of LaTeX documents").choices(templates).default("article"))
    .option("--output <dir>", "folder of the reports; LaTeX goes into DIR/latex", folder, ".")
    .option("--run <dir>", "folder of the experiment, whose run.json goes into the provenance block")
    .option("--no-input", "leave the code of cells out")
    .option("--watch", "render again whenever a notebook, or what it depends on, changes; Ctrl-C ends it")
    .action((notebooks: string[], { watch, ...options }: Options) => (watch ? keepRendering : report)(notebooks, options));
}

async function report(notebooks: readonly string[], options: ReportOptions): Promise<void> {
  const { renderReports } = await import("../../reports/report.js");
  const { written, failures } = await renderReports(notebooks, options);
  for (const file of written) process.stdout.write(`${file}\n`);
  tell(failures);
  if (failures.length) process.exitCode = 1;
}

/** A line for each rendering, until Ctrl-C. */
async function keepRendering(notebooks: readonly string[], options: ReportOptions): Promise<void> {
  const { watchReports } = await import("../../reports/watch.js");
  const stop = new AbortController();
  const end = () => stop.abort();
  process.on("SIGINT", end);
  try {
    for await (const { written, failures, seconds } of watchReports(notebooks, options, stop.signal)) {
      const [first, ...more] = written.map((file) => basename(file));
      const what = first === undefined ? "nothing" : `${first}${more.length ? ` and ${more.length} more` : ""}`;
      process.stdout.write(`${new Date().toTimeString().slice(0, 8)}  rendered ${what} in ${seconds.toFixed(1)} s\n`);
      tell(failures);
    }
  } finally {
    process.off("SIGINT", end);
  }
}

const tell = (failures: readonly string[]) => {
  for (const failure of failures) say(failure);
};
