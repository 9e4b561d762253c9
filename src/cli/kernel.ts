import { resolve } from "node:path";
import { type Command, Option } from "commander";
import type { Place } from "../../kernel/install.js";

interface Options {
  prefix?: string;
  user?: boolean;
  sysPrefix?: boolean;
  as?: string;
}

/** `erpo kernel install | uninstall | list`: the kernelspec by which Jupyter finds the TypeScript kernel. */
export function register(program: Command): void {
  const kernel = program.command("kernel").description("install, remove and list the Jupyter kernel");
  const placed = (command: Command) =>
    command
      .addOption(new Option("--prefix <dir>", "into DIR/share/jupyter").conflicts(["user", "sysPrefix"]))
      .addOption(new Option("--user", "into the user's Jupyter folder (the default)").conflicts("sysPrefix"))
      .option("--sys-prefix", "into the prefix of the Python on the PATH, such as a virtual environment");

  placed(kernel.command("install"))
    .description("make Jupyter know the kernel")
    .option("--as <name>", "the kernel's name; `tslab` runs notebooks written for tslab", "erpo")
    .action(async (options: Options, command: Command) => {
      await checkName(options, command);
      const { install } = await import("../../kernel/install.js");
      console.log(`installed ${options.as ?? "erpo"} in ${install(place(options), options.as)}`);
    });

  placed(kernel.command("uninstall"))
    .description("make Jupyter forget the kernel")
    .option("--as <name>", "the kernel's name", "erpo")
    .action(async (options: Options, command: Command) => {
      await checkName(options, command);
      const { uninstall } = await import("../../kernel/install.js");
      console.log(`removed ${uninstall(place(options), options.as)}`);
    });

  kernel
    .command("list")
    .description("list the kernels that Jupyter finds")
    .option("--prefix <dir>", "look into DIR/share/jupyter too")
    .option("--json", "as JSON")
    .action(async (options: { prefix?: string; json?: boolean }) => {
      const { listKernels } = await import("../../kernel/install.js");
      const kernels = listKernels(options.prefix && resolve(options.prefix));
      if (options.json) console.log(JSON.stringify(kernels, null, 2));
      else if (kernels.length === 0) process.stderr.write("erpo: Jupyter finds no kernel here: `erpo kernel install` installs this one\n");
      else for (const { name, displayName, folder } of kernels) console.log(`${name.padEnd(12)} ${displayName.padEnd(24)} ${folder}`);
    });
}

/** A name that leads out of the kernels' folder is wrong use. */
async function checkName({ as: name = "erpo" }: Options, command: Command): Promise<void> {
  const { isKernelName, kernelNameRule } = await import("../../kernel/install.js");
  if (!isKernelName(name)) command.error(`error: --as ${JSON.stringify(name)}: ${kernelNameRule}`, { exitCode: 2 });
}

function place({ prefix, sysPrefix }: Options): Place {
  return prefix ? { prefix: resolve(prefix) } : sysPrefix ? "sys-prefix" : "user";
}
