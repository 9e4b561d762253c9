import type { Command } from "commander";

/** `erpo export`: runs and models for other programs. */
export function register(program: Command): void {
  const command = program.command("export").description("runs for other programs");
  command
    .command("trl")
    .description("a stage of training for TRL with accelerate: data, model, adapter, configurations, and a launch line in README.txt")
    .argument("<run.json>", "what to train, as for erpo train")
    .requiredOption("--output <dir>", "folder to write")
    .action(exportTrl);
}

async function exportTrl(file: string, { output }: { output: string }): Promise<void> {
  const { readRunConfig } = await import("../training/run-config.js");
  const config = readRunConfig(file);
  const { loadModel } = await import("../model/load.js");
  const { openIn } = await import("./model.js");
  const { exportTrl } = await import("../training/trl/export.js");
  const log = (line: string) => void process.stderr.write(`${line}\n`);
  await openIn("f32", log);
  const model = await loadModel(config.model, { log });
  try {
    await exportTrl(config, model, output);
  } finally {
    model.dispose();
  }
  process.stdout.write(`${output}: accelerate launch --config_file ddp.json train.py\n`);
}
