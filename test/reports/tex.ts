import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { hasProgram } from "../programs.js";

/** Both engines are there, and poppler to read what they make. */
export const hasTeX =
  hasProgram("pdflatex", "texlive-latex-recommended") &&
  hasProgram("lualatex", "texlive-luatex") &&
  hasProgram("pdftotext", "poppler-utils");

export interface Compiled {
  /** Lines of the log that tell of an error, a box that is too wide, a missing character or an undefined reference. */
  problems: string[];
  log: string;
  /** The text of the PDF. */
  text: string;
}

/**
 * Compiles `<stem>.tex` in a folder as an author would: engine, bibtex, engine twice. Even with shell escape and free access to files, for
 * what is compiled has to be harmless by itself.
 */
export function compile(folder: string, stem: string, engine: "pdflatex" | "lualatex" = "pdflatex", passes = 3): Compiled {
  const env = { ...process.env, openin_any: "a", openout_any: "a", max_print_line: "10000" };
  const run = (program: string, ...options: string[]) => spawnSync(program, options, { cwd: folder, env, timeout: 110_000 });
  const typeset = () => run(engine, "-interaction=nonstopmode", "-file-line-error", "-shell-escape", stem);
  typeset();
  if (/\\bibdata/.test(read(folder, `${stem}.aux`))) run("bibtex", stem);
  for (let pass = 2; pass <= passes; pass++) typeset();
  const log = read(folder, `${stem}.log`);
  const problems = log
    .split("\n")
    .filter((line) => /^\S+:\d+: |^! |^Overfull \\hbox|^Missing character|undefined on input|multiply defined/.test(line));
  const text = existsSync(join(folder, `${stem}.pdf`))
    ? spawnSync("pdftotext", [`${stem}.pdf`, "-"], { cwd: folder, encoding: "utf8" }).stdout
    : "";
  return { problems, log, text };
}

const read = (folder: string, name: string) => (existsSync(join(folder, name)) ? readFileSync(join(folder, name), "latin1") : "");
