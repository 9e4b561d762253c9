import type { Command } from "commander";
import { type Format, formats } from "../../reports/formats.js";
import { folder, names, say, someOf } from "./output.js";

interface Options {
  output: string;
  groupBy?: string[];
  to: Format[];
}

/** `erpo compare RUN_A RUN_B ...`: one report of what differs between runs. */
export function register(program: Command): void {
  program
    .command("compare")
    .description("one report of what differs between runs: parameters, training, evaluations, samples, code, environment")
    .argument("<baseline>", "folder of the run that the others are compared with, such as runs/quick")
    .argument("<runs...>", "folders of the other runs")
    .requiredOption("--output <dir>", "folder of compare.html, compare.json and compare.ipynb", folder)
    .option(
      "--group-by <names>",
      "means and spread over the runs that have the same value of a parameter, such as beta; commas between",
      names,
    )
    .option("--to <formats>", `one or more of ${formats.join(", ")}, with commas between`, someOf(formats), ["html"])
    .action(compare);
}

async function compare(baseline: string, runs: string[], { output, to, groupBy }: Options): Promise<void> {
  const { writeComparison } = await import("../../reports/compare/compare.js");
  const { written, failures } = await writeComparison([baseline, ...runs], output, { to, ...(groupBy && { groupBy }) });
  for (const file of written) process.stdout.write(`${file}\n`);
  for (const failure of failures) say(failure);
  if (failures.length) process.exitCode = 1;
}
