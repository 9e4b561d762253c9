import { resolve } from "node:path";
import type { Command } from "commander";
import { folder } from "./output.js";

/** `erpo pack`: this checkout as a tarball. */
export function register(program: Command): void {
  program
    .command("pack")
    .description("make a tarball of this checkout that `npm install` takes in any folder")
    .option("--output <dir>", "where the tarball goes", folder, ".")
    .action(async ({ output }: { output: string }) => {
      const { pack } = await import("../setup/pack.js");
      console.log(await pack(resolve(output)));
    });
}
