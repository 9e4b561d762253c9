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

/** Reads a cell: `%%time`, `%%bash`, `%%html` and its like in the first line; or nothing but lines that begin with `!`, which are commands. */
export function readMagic(typed: string): Magic {
  const [first, name] = /^%%(\w+)[^\S\n]*(?:\n|$)/.exec(typed) ?? [];
  const body = typed.slice(first?.length ?? 0);
  if (name === "time") return { code: typed.replace("%%", "//"), timed: true };
  if (name === "bash") return { code: "", script: body, timed: false };
  if (name !== undefined && name in types) return { code: "", timed: false, shown: { [types[name]!]: body, "text/plain": body } };
  const lines = typed.split("\n").filter((line) => line.trim() !== "");
  if (lines.length > 0 && lines.every((line) => line.startsWith("!"))) {
    return { code: "", script: lines.map((line) => line.slice(1)).join("\n"), timed: false };
  }
  return { code: typed, timed: false };
}

/** A cell's text as TypeScript of the same length, for the language's questions; undefined where it is none. */
export function typescriptOf(typed: string): string | undefined {
  const { code } = readMagic(typed);
  return code.length === typed.length ? code : undefined;
}

/** What a trimmed line of Python's looks like, and what to write here. */
const hints: [isWritten: (line: string) => boolean, hint: string][] = [
  [
    (line) => /^%(pip|conda|npm)\b/.test(line),
    "packages come from npm: run `npm install NAME` in the notebook's folder, in a terminal or in a cell `!npm install NAME`",
  ],
  [
    (line) => line.startsWith("%matplotlib"),
    'figures need no magic: `display(spec)` shows a Vega-Lite specification, `figure` of "erpo" numbers and captions it',
  ],
  [
    (line) => /^%%?\w/.test(line),
    `this kernel knows ${magics.map((name) => `%%${name}`).join(", ")} in a cell's first line, and no other magic`,
  ],
  [(line) => line.startsWith("!"), "`!COMMAND` stands in a cell whose lines all begin with `!`; a script stands under %%bash"],
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
