import type { MimeBundle } from "../../src/frontend/frontend.js";

/** What the first line of a cell, or the beginnings of its lines, ask for beside TypeScript. */
export interface Magic {
  /** The TypeScript that is run, with the places of the reader's text; "" where there is none. */
  code: string;
  /** What bash runs. */
  script?: string;
  /** Print how long the cell takes. */
  timed: boolean;
  /** What the cell shows as it stands. */
  shown?: MimeBundle;
}

const types: Record<string, string> = {
  html: "text/html",
  markdown: "text/markdown",
  latex: "text/latex",
  svg: "image/svg+xml",
};

/** The names of a first line `%%NAME`. */
export const magics: readonly string[] = ["time", "bash", ...Object.keys(types)];

/** Reads a cell: `%%time`, `%%bash`, `%%html` and its like in the first line; or nothing but lines that begin with `!`, which are commands. Before them may stand comments. */
export function readMagic(typed: string): Magic {
  const before = typed.slice(0, beginning(typed));
  const rest = typed.slice(before.length);
  const [first = "", name = ""] = /^[^\S\n]*%%(\w+)[^\S\n]*(?:\n|$)/.exec(rest) ?? [];
  const body = rest.slice(first.length);
  if (name === "time") {
    const timed = readMagic(body);
    const isTypeScript = timed.script === undefined && timed.shown === undefined;
    return { ...timed, timed: true, code: isTypeScript ? before + first.replace("%%", "//") + timed.code : "" };
  }
  if (name === "bash") return { code: "", script: body, timed: false };
  if (Object.hasOwn(types, name)) return { code: "", timed: false, shown: { [types[name]!]: body, "text/plain": body } };
  const lines = rest.split("\n").flatMap((line) => line.trimStart() || []);
  if (lines.length > 0 && lines.every((line) => line.startsWith("!"))) {
    return { code: "", script: lines.map((line) => line.slice(1)).join("\n"), timed: false };
  }
  return { code: typed, timed: false };
}

/** Where the first line begins that is neither empty nor a comment. */
function beginning(typed: string): number {
  let at = 0;
  for (const line of typed.split("\n")) {
    if (!/^\s*(?:$|\/\/|#)/.test(line)) return at;
    at += line.length + 1;
  }
  return typed.length;
}

/** A cell's text as TypeScript of the same length, for the language's questions; undefined where it is none. */
export function typescriptOf(typed: string): string | undefined {
  const { code } = readMagic(typed);
  return code.length === typed.length ? code : undefined;
}

const known = `this kernel knows ${magics.map((name) => `%%${name}`).join(", ")} in a cell's first line, and no other magic`;

/** What does here what magics of other kernels do. */
const instead: Record<string, string> = {
  sh: "a script stands under %%bash",
  cd: '`process.chdir("DIR")` changes the folder',
  writefile: '`writeFileSync("FILE", text)` of "node:fs" writes a file',
  timeit: "%%time says how long a cell takes",
};

type Hint = [isWritten: (line: string) => boolean, hint: string];

/** What a trimmed line of Python's looks like, and what to write here. */
const hints: Hint[] = [
  [
    (line) => /^(%(pip|conda|npm)\b|(pip3?|conda|npm) install\b)/.test(line),
    "packages come from npm: run `npm install NAME` in the notebook's folder, in a terminal or in a cell `!npm install NAME`",
  ],
  [
    (line) => line.startsWith("%matplotlib"),
    'figures need no magic: `display(spec)` shows a Vega-Lite specification, `figure` of "erpo" numbers and captions it',
  ],
  ...Object.entries(instead).map(([name, does]): Hint => [(line) => /^%%?(\w+)/.exec(line)?.[1] === name, `${known}; ${does}`]),
  [(line) => /^%%?\w/.test(line), known],
  [(line) => line.startsWith("!"), "`!COMMAND` stands in a cell whose lines all begin with `!`; a script stands under %%bash"],
  [
    (line) =>
      /^(?:(?:const|let|var) )?\w+ ?= ?!(?:ls|pwd|cat|echo|git|head|tail|find|grep|wc|date|which|nvidia-smi|df|du|ps|uname|whoami|python3?|pip)\b/.test(
        line,
      ),
    'what a command prints is `execSync("COMMAND", { encoding: "utf8" })` of "node:child_process"',
  ],
  [
    (line) => /^\?{0,2}[A-Za-z_$][\w$.]*\?{1,2}$/.test(line) || /^\?{1,2}[A-Za-z_$][\w$.]*$/.test(line),
    "documentation is shown where the cursor stands in a name: Shift+Tab in JupyterLab, the mouse above it in VS Code",
  ],
  [
    (line) => /^import [\w.]+( as \w+)?$/.test(line) || /^from [\w.]+ import /.test(line),
    'that is Python: here it is `import * as name from "package"`, with packages of npm (danfojs-node for frames, @tensorflow/tfjs for arrays)',
  ],
  [
    (line) => /^(def|for|if|elif|else)\b/.test(line) && line.endsWith(":"),
    "that is Python: blocks stand in braces, functions are `function name(x: number) { ... }`",
  ],
  [(line) => /\bprint\(/.test(line), "`console.log(...)` prints"],
  [(line) => /\b(True|False|None)\b/.test(line), "here they are true, false and null"],
  [(line) => /^#\s/.test(line), "comments begin with //"],
];

/** A line for somebody who knows Python, where a cell that cannot be run looks like it. */
export function hintFor(typed: string): string | undefined {
  const lines = typed.split("\n").map((line) => line.trim());
  return hints.find(([isWritten]) => lines.some(isWritten))?.[1];
}
