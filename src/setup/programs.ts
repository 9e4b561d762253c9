import { findChromium, noChromium } from "./chromium.js";
import { execute, firstWorking } from "./execute.js";
import { findCompiler } from "./kernels.js";
import { isBundle } from "./paths.js";
import { findPip } from "./pip.js";

/** A program of the system that some outputs need; none is needed once set-up is through. */
export interface Program {
  name: string;
  /** What it is called here and its version, or its path; null where there is none. */
  found: string | null;
  /** What cannot be done without it, and what mends that. */
  what: string;
  mend: string;
}

const wanted = {
  pip: { what: "no pip found: set-up downloads with it", mend: "apt-get install python3-pip" },
  "g++": { what: "no C++ compiler found: set-up compiles with it", mend: "apt-get install g++ (macOS: xcode-select --install)" },
  Jupyter: { what: "no JupyterLab found: notebooks in a browser need it, the main job does not", mend: "pip install jupyterlab" },
  LaTeX: { what: "no LaTeX found: reports with `--to latex` are written, and not compiled", mend: "apt-get install texlive-latex-extra" },
} as const;

/** What set-up alone needs: a bundle has been set up. */
const ofSetup = ["pip", "g++"];

/** The programs that outputs need, tried by asking each for its version. */
export async function findPrograms(): Promise<Program[]> {
  const [pip, compiler, jupyter, latex] = await Promise.all([
    findPip(),
    findCompiler(),
    firstWorking([["jupyter-lab"], ["jupyter", "lab"]]),
    firstWorking([["pdflatex"], ["lualatex"]]),
  ]);
  const found = { pip, "g++": compiler, Jupyter: jupyter, LaTeX: latex };
  const names = (Object.keys(wanted) as (keyof typeof wanted)[]).filter((name) => !isBundle() || !ofSetup.includes(name));
  const programs = names.map(async (name): Promise<Program> => {
    const words = found[name];
    return { name, found: words ? await version(words) : null, ...wanted[name] };
  });
  const chromium = noChromium();
  const drawn = { name: "Chromium", found: findChromium() ?? null, what: `${chromium.what}: reports in PDF need it`, mend: chromium.mend };
  return [...(await Promise.all(programs)), drawn];
}

/** `g++ (Debian 12.2.0-14) 12.2.0`: what a program is called, and the first line that it says of its version. */
async function version([program, ...words]: readonly string[]): Promise<string> {
  const { output } = await execute(program!, [...words, "--version"]);
  const line = output.split("\n", 1)[0]!.trim();
  const name = [program, ...words].join(" ");
  return line.startsWith(program!) ? line : `${name} ${line}`;
}
