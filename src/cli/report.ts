import { type Command, InvalidArgumentError } from "commander";

interface Options {
  to: "html";
  output: string;
  run?: string;
}

/** `erpo report NB...`: renders executed notebooks; nothing is executed. */
export function register(program: Command): void {
  program
    .command("report")
    .description("render executed notebooks as self-contained documents, with an index of several")
    .argument("<notebooks...>", "executed notebook files")
    .option("--to <format>", "html", format, "html")
    .option("--output <dir>", "folder of the reports", ".")
    .option("--run <dir>", "folder of the experiment, whose run.json goes into the provenance block")
    .action(report);
}

function format(text: string): "html" {
  if (text === "html") return text;
  const known = ["pdf", "latex", "markdown"];
  const unavailable = text.split(",").filter((name) => name !== "html");
  const what = unavailable.every((name) => known.includes(name)) ? "not available in this version" : "not known";
  throw new InvalidArgumentError(`${unavailable.join(", ")}: ${what}; there is: html`);
}

async function report(notebooks: string[], { output, run }: Options): Promise<void> {
  const { renderReports } = await import("../../reports/report.js");
  const { written, failures } = await renderReports(notebooks, { output, ...(run !== undefined && { run }) });
  for (const file of written) process.stdout.write(`${file}\n`);
  for (const failure of failures) process.stderr.write(`erpo: ${failure}\n`);
  if (failures.length) process.exitCode = 1;
}
