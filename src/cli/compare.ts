import type { Command } from "commander";
import { type Format, formats } from "../../reports/formats.js";
import { someOf } from "./output.js";

interface Options {
  output: string;
  to: Format[];
}

/** `erpo compare RUN_A RUN_B ...`: one report of what differs between runs. */
export function register(program: Command): void {
  program
    .command("compare")
    .description("one report of what differs between runs: parameters, training, evaluations, samples, code, environment")
    .argument("<baseline>", "folder of the run that the others are compared with, such as runs/quick")
    .argument("<runs...>", "folders of the other runs")
    .requiredOption("--output <dir>", "folder of compare.html, compare.json and compare.ipynb")
    .option("--to <formats>", `one or more of ${formats.join(", ")}, with commas between`, someOf(formats), ["html"])
    .action(compare);
}

async function compare(baseline: string, runs: string[], { output, to }: Options): Promise<void> {
  const { writeComparison } = await import("../../reports/compare/compare.js");
  const { written, failures } = await writeComparison([baseline, ...runs], output, to);
  for (const file of written) process.stdout.write(`${file}\n`);
  for (const failure of failures) process.stderr.write(`erpo: ${failure}\n`);
  if (failures.length) process.exitCode = 1;
}
