import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Command, CommanderError, Help, type Option } from "commander";
import { packageRoot } from "../setup/paths.js";

/** The subcommands in the order of the help; each is a file here that exports `register(program)`. */
const subcommands = [
  "start",
  "setup",
  "doctor",
  "kernel",
  "execute",
  "report",
  "verify",
  "figure",
  "compare",
  "runs",
  "chat",
  "train",
  "generate",
  "score",
  "evaluate",
  "annotate",
  "methods",
  "course",
  "export",
  "pack",
] as const;

interface Subcommand {
  register(program: Command): void;
}

/**
 * Runs `erpo ARGS`. Failures end in one line on standard error, which `--debug` (anywhere) follows with the stack.
 *
 * @param args the words after `erpo`
 * @returns the exit code: 0 done, 1 failed, 2 wrong use; interrupts end the process with 130
 */
export async function run(args: readonly string[]): Promise<number> {
  const debug = args.includes("--debug");
  const words = args.filter((word) => word !== "--debug");
  const fail = (error: unknown) => report(error, debug);
  watchProcess(fail);
  try {
    const program = createProgram();
    for (const name of wanted(words[0])) {
      const { register } = (await import(`./${name}.js`)) as Subcommand;
      register(program);
    }
    await program.parseAsync(words, { from: "user" });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    return fail(error);
  }
}

function createProgram(): Command {
  const { version, description } = JSON.parse(readFileSync(join(packageRoot(), "package.json"), "utf8"));
  return new Command("erpo")
    .description(description)
    .version(version)
    .helpCommand("help [command]", "what a command does")
    .addHelpText("after", "\nOptions for every command:\n  --debug  show the stack of a failure")
    .exitOverride()
    .configureHelp({ optionDescription: marked })
    .configureOutput({
      outputError: (text, write) =>
        write(
          text
            .replace(/^error: /, "erpo: ")
            .replace(/\n(?=\()/, " ")
            .replace(/missing required argument '.*'/, "$&: see --help"),
        ),
    });
}

/** An option's description; without one that is mandatory a command is wrong use. */
function marked(this: Help, option: Option): string {
  const description = Help.prototype.optionDescription.call(this, option);
  return option.mandatory ? `${description} (required)` : description;
}

/** The file of the subcommand that is called, so that none pays for another; all of them for help and for unknown words. */
function wanted(word: string | undefined): readonly string[] {
  const present = subcommands.filter((name) => existsSync(join(import.meta.dirname, `${name}.js`)));
  return present.some((name) => name === word) ? [word as string] : present;
}

function report(error: unknown, debug: boolean): number {
  if (error instanceof CommanderError) {
    const shown = ["commander.helpDisplayed", "commander.version", "commander.help"].includes(error.code);
    return shown && error.exitCode === 0 ? 0 : 2; // commander has written its line
  }
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`erpo: ${message.trim().split("\n").slice(0, 3).join("\n")}\n`);
  if (debug && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  return error instanceof Error && error.name === "InterruptedError" ? 130 : 1;
}

/** A reader that goes away ends us quietly; an interrupt ends us with the shell's code, unless a command handles it itself. */
function watchProcess(fail: (error: unknown) => number): void {
  if (process.listenerCount("uncaughtException") > 0) return; // a second run in the same process
  process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : fail(error)));
  process.stderr.on("error", () => {});
  process.on("uncaughtException", (error) => process.exit(fail(error)));
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const) {
    process.on(signal, () => {
      if (process.listenerCount(signal) === 1) process.exit(code);
    });
  }
}
