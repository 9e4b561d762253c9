import { join } from "node:path";
import type { Command } from "commander";
import type { RunConfig } from "../training/run-config.js";

/** `erpo train RUN.json`: one stage of training without a notebook. Ctrl-C stores the last whole step and stops; `"resume": true` goes on from the newest checkpoint. */
export function register(program: Command): void {
  program
    .command("train")
    .description("one stage of training without a notebook; writes the adapter and metrics.jsonl into output_dir")
    .argument("<run.json>", "what to train: method, model, data, output_dir, ... (src/training/run.schema.json)")
    .action(async (file: string) => {
      const { readRunConfig } = await import("../training/run-config.js");
      const config = readRunConfig(file);
      const { checkReportTo } = await import("../training/loggers/report-to.js");
      checkReportTo(config);
      const { readText } = await import("../data/jsonl.js");
      for (const file of [config.data, config.eval_data, config.batches]) if (file) readText(file); // a missing file is named before a model is loaded
      const { soleWriter } = await import("../setup/sole-writer.js");
      const abort = new AbortController();
      const interrupt = () => abort.abort();
      process.once("SIGINT", interrupt);
      try {
        const { output_dir: dir } = config;
        await soleWriter(dir, join(dir, ".train.lock"), "wait for it, or choose another output_dir", () =>
          trainStage(config, abort.signal),
        );
      } finally {
        process.removeListener("SIGINT", interrupt);
      }
    });
}

async function trainStage(config: RunConfig, signal: AbortSignal): Promise<void> {
  const { loadModel } = await import("../model/load.js");
  const { openIn } = await import("./model.js");
  const { runTraining } = await import("../training/run.js");
  const { reported } = await import("../training/loggers/report-to.js");

  const log = (line: string) => process.stderr.write(`${line}\n`);
  await openIn(config.precision, log);
  const model = await loadModel(config.model, { log });
  const { inWords } = await import("../methods/erpo/duration.js");
  let [last, total, seconds] = [0, 0, 0];
  const onPlan = (steps: number) => {
    total = steps;
  };
  try {
    for await (const step of reported(runTraining(config, model, { log, signal, onPlan }), config, log)) {
      last = step.step;
      if (process.stderr.isTTY) {
        seconds = seconds === 0 ? step.step_seconds : 0.9 * seconds + 0.1 * step.step_seconds; // of a step, by the last ones
        const parts = [`step ${step.step}/${total}`, `loss ${step.loss.toFixed(4)}`, `${step.tokens_per_second.toFixed(0)} tokens/s`];
        process.stderr.write(`\r${[...parts, `${inWords(seconds * (total - step.step))} left`].join("  ")}\x1b[K`);
      }
    }
    if (process.stderr.isTTY) process.stderr.write("\n");
  } catch (error) {
    if (error !== signal.reason) throw error; // stopped while it computed the reference
  } finally {
    model.dispose();
  }
  if (!signal.aborted) return;
  const stopped = last > 0 ? `after step ${last} of ${total}; "resume": true goes on from there` : "before its first step";
  log(`stopped ${stopped}`);
  process.exitCode = 130;
}
