import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Command, type CommanderError } from "commander";
import { beforeAll, expect, test } from "vitest";

/** Every command that README shows, as it stands there. */

const root = join(import.meta.dirname, "../..");
const readme = readFileSync(join(root, "README.md"), "utf8");
const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { scripts: Record<string, string> };

/** All subcommands, none of which acts. */
async function program(): Promise<Command> {
  const erpo = new Command("erpo").exitOverride().configureOutput({ writeOut() {}, writeErr() {} });
  const folder = join(root, "src/cli");
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".ts") && !name.endsWith("-process.ts"))) {
    const { register } = (await import(join(folder, file))) as { register?: (program: Command) => void };
    register?.(erpo);
  }
  const silence = (command: Command): void => {
    command.exitOverride().configureOutput({ writeOut() {}, writeErr() {} });
    if ((command as unknown as { _actionHandler: unknown })._actionHandler) command.action(() => {});
    command.commands.forEach(silence);
  };
  silence(erpo);
  return erpo;
}

let erpo: Command;
beforeAll(async () => {
  erpo = await program();
});

/** The words of a line of a shell, without its comment; a text in quotes is one. */
const words = (line: string): string[] =>
  (line.replace(/ #.*/, "").match(/"[^"]*"|'[^']*'|\S+/g) ?? []).map((word) => word.replace(/^(["'])(.*)\1$/, "$2"));

const lines = [...readme.matchAll(/^```sh\n([\s\S]*?)^```/gm)]
  .flatMap(([, block]) => block!.trim().split("\n"))
  .map((line) => line.replace(/ +#.*/, ""));
const spans = [...readme.replace(/^```[\s\S]*?^```/gm, "").matchAll(/`([^`\n]+)`/g)].map(([, span]) => span!);
const commands = [...new Set([...lines, ...spans.filter((span) => /^(?:npm|erpo|jupyter) [a-z]/.test(span))])];

/** The subcommand and its words that a line calls; undefined for what is no command of ours. */
function called(line: string): string[] | undefined {
  const [first, ...rest] = words(line).filter((word) => word !== "--silent");
  if (first === "erpo") return rest;
  if (first !== "npm") return undefined;
  const script = rest[0] === "run" ? rest[1]! : rest[0]!;
  const given = rest.slice(rest.indexOf("--") + 1 || rest.length);
  if (script === "start") return ["start", ...given];
  return script === "erpo" ? given : undefined;
}

test("README shows commands", () => {
  expect(commands.length).toBeGreaterThan(10);
  expect(commands).toContain("npm start -- --profile demo");
});

test.each(commands)("%s", async (line) => {
  const own = called(line);
  if (own === undefined) {
    const [first, second, third] = words(line);
    if (first === "npm" && second !== "install" && second !== "link") expect(scripts).toHaveProperty([second === "run" ? third! : second!]);
    return;
  }
  if (own[0] === "COMMAND") return;
  await erpo.parseAsync(own, { from: "user" });
});

/** Rows of the table of commands: the first cell's commands, and all that the row says. */
const rows = readme
  .split("\n")
  .filter((line) => /^\| `[a-z]/.test(line))
  .filter((line) => !/^\| `(?:how-to|\d\d-|demo`)/.test(line));

test.each(rows)("%s", async (row) => {
  const cell = row.split(/(?<!\\)\|/)[1]!;
  let before = "";
  const named: Command[] = [];
  for (const [, span] of cell.matchAll(/`([^`]+)`/g)) {
    const given = words(span!.replaceAll(/[[\]]|\.\.\./g, ""));
    const top = erpo.commands.some((command) => command.name() === given[0]);
    const args = top ? given : [before, ...given];
    before = args[0]!;
    try {
      await erpo.parseAsync(args, { from: "user" });
    } catch (error) {
      const lacks = ["commander.missingArgument", "commander.missingMandatoryOptionValue", "commander.optionMissingArgument"];
      expect(lacks, `${span}: ${(error as Error).message}`).toContain((error as CommanderError).code); // the table says what is given elsewhere
    }
    const command = erpo.commands.find((own) => own.name() === args[0])!;
    named.push(command, ...command.commands);
  }
  const known = new Set(named.flatMap(({ options }) => options.map(({ long }) => long)));
  for (const [option] of row.matchAll(/--[a-z][a-z-]+/g)) expect([...known], `${option} in: ${row}`).toContain(option);
});

test("what README links to and shows is there", () => {
  const paths = [...readme.matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, path]) => path!);
  expect(paths.length).toBeGreaterThan(3);
  expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});

test("the sample page opens without scripts or network, and says nothing of the machine that made it", () => {
  const folder = join(root, "reports/sample");
  const page = readFileSync(join(folder, "demo.html"), "utf8");
  expect(page).not.toMatch(/<script(?![^>]*application\/json)|(?:src|href)="https?:\/\/[^"]*\.(?:js|css)/);
  for (const file of readdirSync(folder))
    expect(readFileSync(join(folder, file), "utf8"), file).not.toMatch(/(?<![\w.])\/(?:home|root|tmp|work|Users)\//);
  expect(page.length).toBeLessThan(200_000);
});

test("cheap ones are run", () => {
  const run = (args: string[]) => spawnSync("npm", args, { cwd: root, encoding: "utf8", timeout: 120_000 });
  expect(run(["run", "--silent", "erpo", "--", "methods", "list"])).toMatchObject({ status: 0, stdout: expect.stringContaining("rose") });
  expect(run(["run", "--silent", "erpo", "--", "kernel", "list"]).status).toBe(0);
}, 240_000);
