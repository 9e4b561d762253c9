import { spawn } from "node:child_process";

export interface Execution {
  /** exit code; 127 when the program is not installed, 128 when a signal ended it */
  code: number;
  /** standard output and error, mixed */
  output: string;
  signal: NodeJS.Signals | null;
}

/** Runs a program to its end, without a shell; never throws for what the program does. */
export function execute(
  program: string,
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; cwd?: string } = {},
): Promise<Execution> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
    const stop = () => child.kill();
    process.once("exit", stop);
    let output = "";
    child.stdout.on("data", (data) => (output += data));
    child.stderr.on("data", (data) => (output += data));
    child.on("error", (error: NodeJS.ErrnoException) => {
      process.removeListener("exit", stop);
      if (error.code === "ENOENT" || error.code === "EACCES") resolve({ code: 127, output: `${program} is not installed`, signal: null });
      else reject(error);
    });
    child.on("close", (code, signal) => {
      process.removeListener("exit", stop);
      resolve({ code: code ?? 128, output, signal });
    });
  });
}

/** The first of some programs that runs `--version`, as the words to start it with. */
export async function firstWorking(candidates: readonly (readonly string[])[]): Promise<readonly string[] | undefined> {
  for (const [program, ...args] of candidates) {
    if (program && (await execute(program, [...args, "--version"])).code === 0) return [program, ...args];
  }
  return undefined;
}
