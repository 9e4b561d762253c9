import { type Command, Option } from "commander";
import { type Format, formats, type Paper, papers, type TemplateName, templates } from "../../reports/formats.js";
import { folder, someOf } from "./output.js";

interface Options {
  to: Format[];
  paper: Paper;
  template: TemplateName;
  output: string;
  run?: string;
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
    .option("--output <dir>", "folder of the reports", folder, ".")
    .option("--run <dir>", "folder of the experiment, whose run.json goes into the provenance block")
    .action(report);
}

async function report(notebooks: string[], { run, ...options }: Options): Promise<void> {
  const { renderReports } = await import("../../reports/report.js");
  const { written, failures } = await renderReports(notebooks, { ...options, ...(run !== undefined && { run }) });
  for (const file of written) process.stdout.write(`${file}\n`);
  for (const failure of failures) process.stderr.write(`erpo: ${failure}\n`);
  if (failures.length) process.exitCode = 1;
}
