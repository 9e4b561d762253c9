import type { Command } from "commander";

/** `erpo setup`: native library, model and data packages. */
export function register(program: Command): void {
  program
    .command("setup")
    .description("make the machine ready: native TensorFlow, the default model, the data packages")
    .action(async () => {
      const { makeReady } = await import("../setup/ready.js");
      const { cacheDir } = await import("../setup/paths.js");
      const log = (line: string) => void process.stderr.write(`erpo: ${line}\n`);
      const { binding, packages } = await makeReady(log);
      const device = typeof binding === "string" ? "no native TensorFlow" : "native TensorFlow";
      log(`ready: ${device}, ${packages.map(({ name, version }) => `${name} ${version}`).join(", ")} in ${cacheDir()}`);
    });
}
