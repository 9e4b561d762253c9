import { type Command, Option } from "commander";
import { folder, outputFile, wholeNumber } from "./output.js";

interface ExportOptions {
  model: string;
  adapter?: string;
  output: string;
}

/** `erpo export FORMAT`: a model, with an adapter merged in where one is given, or a stage of training, for other programs. */
export function register(program: Command): void {
  const group = program
    .command("export")
    .description("write a model, with its adapter merged in, or a stage of training for other programs");
  const format = (name: string, description: string, types: string[], output: Option) =>
    group
      .command(name)
      .description(description)
      .requiredOption("--model <M>", "a built-in name, a .gguf file, a Hugging Face style directory, or owner/name on the hub")
      .option("--adapter <dir>", "a PEFT folder to merge into the weights")
      .addOption(new Option("--type <type>", "how matrices are stored").choices(types).default(types[0]))
      .addOption(output.makeOptionMandatory());
  const file = new Option("--output <file|->", "the .gguf file");
  format("gguf", "one file that llama.cpp runs", ["f16", "bf16", "q8_0", "f32"], file).action(exportGguf);
  const directory = new Option("--output <dir>", "the folder").argParser(folder);
  format("safetensors", "a folder that transformers loads", ["f32", "f16", "bf16"], directory)
    .option("--max-shard-size <bytes>", "of a weights file", wholeNumber(1), 5_000_000_000)
    .action(exportSafetensors);
  group
    .command("stage")
    .description("a stage of a run as a RUN.json with its data, for erpo train and erpo export trl")
    .argument("<run>", "a run's folder")
    .argument("<stage>", "a stage's folder in it: 1-sft/decision, 1-sft, 2-dpo, 3-length-controlled/round-1, baseline-answers-only, ...")
    .requiredOption(
      "--output <dir>",
      "the folder: run.json, rows.jsonl, batches.json and, where the stage began with one, a fresh adapter",
      folder,
    )
    .option("--model <M>", "what loads the run's model, where its name does not: the path that the run was made with")
    .option("--rules <file>", "the rules that the run was made with, where those are not the default ones")
    .action(exportStage);
  group
    .command("trl")
    .description("a folder that TRL trains in, with accelerate: rows, model, adapter, configurations")
    .argument("<run.json>", "what to train, as for erpo train")
    .requiredOption("--output <dir>", "the folder; its README.txt has the launch line", folder)
    .addHelpText(
      "after",
      `
TRL has no counterpart of, and the export refuses: the methods kto and derta, the loss simpo, sigmoid with label_smoothing, a reference_adapter that is a
folder, lora.dropout, eval_data, and text whose steps are not all of the same number of rows, such as a smaller last one of an epoch.`,
    )
    .action(exportTrl);
}

async function exportGguf(options: ExportOptions & { type: "f16" | "bf16" | "q8_0" | "f32" }): Promise<void> {
  const { assertWritable } = await import("./output.js");
  assertWritable(options.output);
  const { provenanceOf } = await import("../model/provenance.js");
  const { saveGguf } = await import("../model/gguf-write.js");
  const { openModel } = await import("./model.js");
  const { model, lora, close } = await openModel({ ...options, precision: "f32" });
  try {
    await saveGguf(outputFile(options.output), model, lora, options.type, await provenanceOf(model, lora, options.adapter));
    const window = model.config.windows.find((positions) => positions !== null);
    if (window)
      process.stderr.write(`erpo: llama.cpp knows no windows of this family: beyond ${window} tokens it computes something else\n`);
  } finally {
    close();
  }
}

async function exportSafetensors(options: ExportOptions & { type: "f32" | "f16" | "bf16"; maxShardSize: number }): Promise<void> {
  const { join } = await import("node:path");
  const { assertWritable } = await import("./output.js");
  assertWritable(join(options.output, "config.json"));
  const { provenanceOf } = await import("../model/provenance.js");
  const { saveModel } = await import("../model/save.js");
  const { openModel } = await import("./model.js");
  const { model, lora, close } = await openModel({ ...options, precision: "f32" });
  try {
    const type = options.type.toUpperCase() as "F32" | "F16" | "BF16";
    const provenance = await provenanceOf(model, lora, options.adapter);
    await saveModel(options.output, model, lora, { type, maxShardBytes: options.maxShardSize, provenance });
  } finally {
    close();
  }
}

async function exportStage(dir: string, stage: string, options: { output: string; model?: string; rules?: string }): Promise<void> {
  const { join } = await import("node:path");
  const { assertWritable } = await import("./output.js");
  assertWritable(join(options.output, "run.json"));
  const { readRules } = await import("../exante/rule-file.js");
  const { reopenRun } = await import("../runs/run.js");
  const { exportStage } = await import("../methods/export-stage.js");
  const log = (line: string) => void process.stderr.write(`${line}\n`);
  const run = await reopenRun(dir, { model: options.model, rules: options.rules ? readRules(options.rules) : undefined, log });
  try {
    const file = await exportStage(run, stage.replace(/\/$/, ""), options);
    process.stdout.write(`${file}: erpo train ${file}, or erpo export trl ${file}\n`);
  } finally {
    run.model.dispose();
  }
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
