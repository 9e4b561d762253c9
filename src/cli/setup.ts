import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { folder, say } from "./output.js";

interface SetupOptions {
  model?: string;
  data?: string;
  acceptTerms?: string;
  bundle?: string;
  run?: string;
}

/** `erpo setup`: native library, model and data packages. */
export function register(program: Command): void {
  program
    .command("setup")
    .description("make the machine ready: native TensorFlow, the default model, the data packages")
    .option("--model <name>", "fetch a model that erpo knows by name too, such as gemma-3-270m")
    .addOption(new Option("--data <name>", "fetch a data set with terms of its own too: movielens-100k").conflicts("model"))
    .addOption(
      new Option(
        "--accept-terms <id>",
        "accept the terms that this model, or data set, is given under; without it they are named, and nothing is fetched",
      ),
    )
    .addOption(
      new Option(
        "--bundle <file>",
        "write all that a machine of this platform needs offline into one archive, such as erpo-linux-x64.tar.gz",
      ).conflicts(["model", "data"]),
    )
    .option("--run <folder>", "a run that goes into the bundle, such as runs/quick", folder)
    .action(async ({ model, data, acceptTerms, bundle, run }: SetupOptions, command: Command) => {
      const { builtInFile, builtInNames, checkTerms, findBuiltIn } = await import("../model/built-in.js");
      const { checkMovieLensTerms, movieLens, movieLensFolder } = await import("../data/movielens.js");
      const asked = model === undefined ? undefined : findBuiltIn(model);
      if (model !== undefined && !asked)
        command.error(`error: no model ${model} that erpo knows by name; known: ${builtInNames.join(", ")}`);
      if (data !== undefined && data !== movieLens.name)
        command.error(`error: no data ${data} that erpo knows by name; known: ${movieLens.name}`);
      if (acceptTerms !== undefined && !asked?.terms && data === undefined)
        command.error("error: --accept-terms goes with the --model or --data that has terms of its own, such as gemma-3-270m");
      if (model !== undefined && asked) checkTerms(model, asked, acceptTerms);
      if (data !== undefined) checkMovieLensTerms(acceptTerms);
      if (run !== undefined && bundle === undefined) command.error("error: --run goes with --bundle");
      if (bundle !== undefined) return (await import("./bundle.js")).writeBundle(resolve(bundle), run && resolve(run), say);
      const { makeReady } = await import("../setup/ready.js");
      const { cacheDir } = await import("../setup/paths.js");
      const { binding, packages } = await makeReady(say);
      if (model !== undefined && asked) say(`${model} is in ${await builtInFile(model, asked, acceptTerms, say)}`);
      if (data !== undefined) say(`${data} is in ${await movieLensFolder(acceptTerms, say)}`);
      const device = typeof binding === "string" ? "no native TensorFlow" : "native TensorFlow";
      say(`ready: ${device}, ${packages.map(({ name, version }) => `${name} ${version}`).join(", ")} in ${cacheDir()}`);
    });
}
