import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { failure, lackOf, popplerLack, tried } from "../programs.js";

/** A document with the packages of the reports' own. */
const DOCUMENT = `\\documentclass{article}
\\usepackage{iftex,geometry,amsmath,amssymb,array,booktabs,caption,graphicx,microtype,xcolor}
\\usepackage[numbers]{natbib}
\\usepackage{xr-hyper,hyperref}
\\begin{document}trial\\end{document}
`;

/** What keeps an engine from making a page; undefined where it makes one. A program may be there without what it loads, and make a page that lacks it. */
const engineLack = (engine: string, debianPackages: string) =>
  lackOf(engine, `apt-get install ${debianPackages}`, () =>
    tried(engine, ["-interaction=nonstopmode", "trial.tex"], { "trial.tex": DOCUMENT }, (outcome, folder) => {
      const isWhole =
        outcome.status === 0 && existsSync(join(folder, "trial.pdf")) && !/^! |module '[^']+' not found/m.test(outcome.stdout);
      return isWhole ? undefined : failure(outcome);
    }),
  );

const CITING = "\\relax\n\\citation{a}\n\\bibstyle{plainnat}\n\\bibdata{trial}\n";
const bibtexLack = () =>
  lackOf("bibtex", "apt-get install texlive-latex-recommended", () =>
    tried(
      "bibtex",
      ["trial"],
      { "trial.aux": CITING, "trial.bib": "@misc{a, author = {A}, title = {B}, year = 2000}\n" },
      (outcome, folder) => (existsSync(join(folder, "trial.bbl")) && outcome.status === 0 ? undefined : failure(outcome)),
    ),
  );

/** What the tests that compile lack: one of both engines, BibTeX, or poppler to read what they make. */
export const texLack =
  engineLack("pdflatex", "texlive-latex-recommended") ??
  engineLack("lualatex", "texlive-latex-recommended texlive-luatex") ??
  bibtexLack() ??
  popplerLack();

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
