import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Command, type CommanderError } from "commander";
import { beforeAll, expect, test } from "vitest";

/** Every command that README, the other pages for readers and the notebooks show, as it stands there. */

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

/** The commands of a page: the lines of its blocks of `sh`, and what stands between backticks. */
function shown(page: string): string[] {
  const lines = [...page.matchAll(/^ *```sh\n([\s\S]*?)^ *```/gm)]
    .flatMap(([, block]) => block!.trim().split("\n"))
    .map((line) => line.replace(/ +#.*/, "").trim());
  const spans = [...page.replace(/^ *```[\s\S]*?^ *```/gm, "").matchAll(/`([^`\n]+)`/g)].map(([, span]) => span!);
  return [...lines, ...spans.filter((span) => /^(?:npm|(?:\.\/)?erpo|jupyter) [a-z]/.test(span))];
}
const commands = [...new Set(shown(readme))];

/** Pages and notebooks below folders, with what they say. */
const others = ["notebooks", "reports/compare"].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => /\.(?:md|ipynb)$/.test(file))
    .map((file): [string, string] => [`${folder}/${file}`, prose(readFileSync(join(root, folder, file), "utf8"), file)]),
);

/** A page as it is, of a notebook its text. */
function prose(text: string, file: string): string {
  if (file.endsWith(".md")) return text;
  const { cells } = JSON.parse(text) as { cells: { cell_type: string; source: string[] }[] };
  return cells.flatMap(({ cell_type, source }) => (cell_type === "markdown" ? [source.join("")] : [])).join("\n\n");
}
const elsewhere = others.flatMap(([page, text]) => [...new Set(shown(text))].map((line): [string, string] => [page, line]));

/** The subcommand and its words that a line calls; undefined for what is no command of ours. */
function called(line: string): string[] | undefined {
  const [first, ...rest] = words(line).filter((word) => word !== "--silent");
  if (first === "erpo" || first === "./erpo") return rest;
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

test.each(elsewhere)("%s: %s", async (_, line) => {
  const own = called(line);
  if (own === undefined || own.length === 0 || /^(?:test|COMMAND)$/.test(own[0]!)) return; // "test" is of the checkout, not of the program
  if (own.every((word) => /^[a-z]+$/.test(word))) expect(erpo.commands.map((command) => command.name())).toContain(own[0]);
  else await parseNamed(own);
});

/** Parses a call that may leave out which files it is about, as texts do. */
async function parseNamed(given: readonly string[]): Promise<void> {
  try {
    await erpo.parseAsync(given, { from: "user" });
  } catch (error) {
    const { code } = error as CommanderError;
    if (code === "commander.helpDisplayed" || code === "(outputHelp)") return;
    if (code !== "commander.missingArgument" || given.includes("ANOTHER")) throw error;
    await parseNamed([...given, given.includes("FILE") ? "ANOTHER" : "FILE"]);
  }
}

/** Rows of the table of commands: the first cell's commands, and all that the row says. */
const rows = readme
  .split("\n")
  .filter((line) => /^\| `[a-z]/.test(line))
  .filter((line) => !/^\| `(?:how-to|\d\d-|demo`)/.test(line));

/** What a call may lack here: the table says what is given elsewhere. */
const lacks = ["commander.missingArgument", "commander.missingMandatoryOptionValue", "commander.optionMissingArgument"];

test.each(rows)("%s", async (row) => {
  const cell = row.split(/(?<!\\)\|/)[1]!;
  let before = "";
  let first: string[] = [];
  const named: Command[] = [];
  for (const [, span] of cell.matchAll(/`([^`]+)`/g)) {
    const given = words(span!.replaceAll(/[[\]]|\.\.\./g, ""));
    const top = erpo.commands.some((command) => command.name() === given[0]);
    const args = top ? given : [before, ...given];
    before = args[0]!;
    if (first.length === 0) first = words(span!.replaceAll(/\[.*\]|\.\.\./g, ""));
    try {
      await erpo.parseAsync(args, { from: "user" });
    } catch (error) {
      expect(lacks, `${span}: ${(error as Error).message}`).toContain((error as CommanderError).code);
    }
    const command = erpo.commands.find((own) => own.name() === args[0])!;
    named.push(command, ...command.commands);
  }
  for (const [, span] of row.split(/(?<!\\)\|/)[2]!.matchAll(/`(--[^`]+)`/g))
    try {
      await parseNamed([...first, ...words(span!)]);
    } catch (error) {
      expect([...lacks, "commander.unknownOption"], `${span}: ${(error as Error).message}`).toContain((error as CommanderError).code); // it is of the row's other commands
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
